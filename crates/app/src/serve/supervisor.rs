//! Telling the service manager how we are: the protocol of `sd_notify(3)`, a datagram of `NAME=value` lines.

use std::ffi::OsStr;
use std::time::Duration;

use crate::environment::Environment;

/// Where the service manager listens, if there is one.
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    #[cfg(unix)]
    socket: Option<std::os::unix::net::UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names.
    pub(super) fn of(environment: &Environment) -> Self {
        let watchdog = environment.variable("WATCHDOG_USEC").and_then(|text| text.parse().ok());
        let ours =
            environment.variable("WATCHDOG_PID").is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let watchdog = watchdog.filter(|_| ours).map(Duration::from_micros);
        Self {
            #[cfg(unix)]
            socket: environment.path_variable("NOTIFY_SOCKET").and_then(|path| connect(path.as_os_str())),
            watchdog,
        }
    }

    /// How often a sign of life is wanted: half of the time after which we are taken for dead.
    pub(super) fn pulse(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2).filter(|_| self.is_there())
    }

    /// Clients are served; also the end of a reload.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is being taken anew (`Type=notify-reload`).
    pub(super) fn reloading(&self) {
        if self.is_there() {
            self.tell(&format!(
                "RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=taking the configuration anew",
                monotonic_us()
            ));
        }
    }

    /// We are about to end, at the latest after `within`.
    pub(super) fn stopping(&self, within: Duration) {
        let us = within.as_micros();
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={us}\nSTATUS=letting calls end"));
    }

    /// How we are, in a line for people.
    pub(super) fn status(&self, status: &str) {
        self.tell(&format!("STATUS={status}"));
    }

    /// A sign of life.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    #[cfg(unix)]
    fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    #[cfg(not(unix))]
    fn is_there(&self) -> bool {
        false
    }

    fn tell(&self, text: &str) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(text.as_bytes())
        {
            tracing::debug!(%error, "the service manager could not be told");
        }
        #[cfg(not(unix))]
        let _ = text;
    }
}

/// A path, or a name in the abstract namespace after an `@`.
#[cfg(unix)]
fn connect(address: &OsStr) -> Option<std::os::unix::net::UnixDatagram> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::UnixDatagram;
    let socket = UnixDatagram::unbound().ok()?;
    // A manager that does not read must not hold us up.
    socket.set_nonblocking(true).ok()?;
    let connected = match address.as_bytes().split_first() {
        #[cfg(target_os = "linux")]
        Some((b'@', name)) => {
            use std::os::linux::net::SocketAddrExt;
            use std::os::unix::net::SocketAddr;
            SocketAddr::from_abstract_name(name).and_then(|address| socket.connect_addr(&address))
        }
        _ => socket.connect(address),
    };
    if let Err(error) = &connected {
        tracing::warn!(%error, "the service manager cannot be reached");
    }
    connected.ok().map(|()| socket)
}

#[cfg(unix)]
fn monotonic_us() -> i128 {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |now| i128::from(now.tv_sec()) * 1_000_000 + i128::from(now.tv_nsec()) / 1_000)
}

#[cfg(not(unix))]
fn monotonic_us() -> i128 {
    0
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn the_manager_hears_what_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let supervisor =
            Supervisor { socket: connect(path.as_os_str()), watchdog: Some(Duration::from_secs(10)) };
        assert_eq!(supervisor.pulse(), Some(Duration::from_secs(5)));
        supervisor.reloading();
        supervisor.ready("two servers");
        let hear = || {
            let mut buffer = [0; 256];
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        let text = hear();
        let since: i128 = text
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .and_then(|rest| rest.split('\n').next()?.parse().ok())
            .unwrap_or_else(|| panic!("{text}"));
        assert!(since > 0 && since <= monotonic_us());
        assert_eq!(hear(), "READY=1\nSTATUS=two servers");
    }

    #[test]
    fn without_a_manager_nothing_is_told() {
        let supervisor = Supervisor { socket: None, watchdog: Some(Duration::from_secs(10)) };
        assert_eq!(supervisor.pulse(), None);
        supervisor.alive();
    }
}
