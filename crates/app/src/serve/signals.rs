//! What the operating system tells us.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// End; holds the number of the signal.
    Stop(u8),
    /// Take the configuration anew.
    Reload,
}

/// The signals that we answer to.
#[cfg(unix)]
pub(crate) struct Signals {
    terminate: Stream,
    interrupt: Stream,
    hang_up: Stream,
}

#[cfg(unix)]
impl Signals {
    /// Answers to signals from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.terminate.recv() => Signal::Stop(15),
            Some(()) = self.interrupt.recv() => Signal::Stop(2),
            Some(()) = self.hang_up.recv() => Signal::Reload,
            else => std::future::pending().await,
        }
    }
}

/// Only Ctrl-C is known here.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Answers to signals from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Stop(2),
            Err(_) => std::future::pending().await,
        }
    }
}
