//! Binding an address, and saying well why that did not work.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::stop::{Code, Stop};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Binds `address`, which the configuration calls `key` and the command line `flag`. `shared` lets other processes bind
/// it too.
///
/// # Errors
/// Code 77 when the system does not permit it, 69 otherwise.
pub(super) fn bind(address: SocketAddr, shared: bool, key: &str, flag: &str) -> Result<TcpListener, Stop> {
    open(address, shared).map_err(|error| {
        let (code, why, hint) = match error.kind() {
            ErrorKind::AddrInUse => (
                Code::UNAVAILABLE,
                "something else listens there already".to_owned(),
                "stop it, or choose another address",
            ),
            ErrorKind::PermissionDenied => (
                Code::PERMISSION,
                "the system does not permit it".to_owned(),
                "ports below 1024 are usually reserved; choose a higher one",
            ),
            ErrorKind::AddrNotAvailable => (
                Code::UNAVAILABLE,
                "this machine has no such address".to_owned(),
                "choose one of its own, or 127.0.0.1",
            ),
            _ => (Code::UNAVAILABLE, error.to_string(), "choose another address"),
        };
        Stop::new(
            code,
            format!("cannot listen on {address}: {why}\n{hint} (`{key}` in the configuration, or {flag})"),
        )
    })
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of a process that ended lately would keep the address from us; on Windows the word means sharing.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    if shared {
        #[cfg(all(unix, not(target_os = "solaris"), not(target_os = "illumos")))]
        socket.set_reuseport(true)?;
        #[cfg(not(all(unix, not(target_os = "solaris"), not(target_os = "illumos"))))]
        return Err(io::Error::new(
            ErrorKind::Unsupported,
            "this system cannot share an address (`reusePort`)",
        ));
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
