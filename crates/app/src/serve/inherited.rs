//! Listeners that another process opened for us: socket activation of systemd (`sd_listen_fds(3)`).

use std::net::TcpListener;

use listenfd::ListenFd;

use crate::environment::Environment;
use crate::stop::{Code, Stop};

/// The name of the admin listener's socket (`FileDescriptorName=`); every other one is the endpoint.
const ADMIN: &str = "admin";

/// What we were given.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// For the MCP endpoint.
    pub(super) endpoint: Option<TcpListener>,
    /// For the admin listener.
    pub(super) admin: Option<TcpListener>,
}

impl Inherited {
    /// Takes the listeners.
    ///
    /// # Errors
    /// One of them is no TCP socket, or there are several for one purpose.
    pub(crate) fn take(environment: &Environment) -> Result<Self, Stop> {
        let mut given = ListenFd::from_env();
        let names = environment.variable("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut inherited = Self::default();
        for at in 0..given.len() {
            let listener = given.take_tcp_listener(at).map_err(|error| refused(&error.to_string()))?;
            let slot = match names.next() {
                Some(ADMIN) => &mut inherited.admin,
                _ => &mut inherited.endpoint,
            };
            if listener.is_some() && slot.is_some() {
                return Err(refused("there is more than one for the same purpose"));
            }
            *slot = listener.or(slot.take());
        }
        Ok(inherited)
    }
}

fn refused(why: &str) -> Stop {
    let hint = "give one TCP socket for the endpoint, and one named `admin` for health and metrics";
    Stop::new(
        Code::UNAVAILABLE,
        format!("the sockets handed over by the service manager cannot be used: {why}\n{hint}"),
    )
}
