//! What an operator decides about looking after a silent server.

use std::time::Duration;

use crate::options::Reach;

/// When a silent server is asked whether it is there. What is not said depends on how it is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Silence after which it is asked.
    pub interval: Option<Duration>,
    /// How long it may take to say anything.
    pub timeout: Option<Duration>,
}

/// The same, with nothing left open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
}

impl Options {
    pub(super) fn for_reach(self, reach: &Reach) -> Rules {
        let (interval, timeout) = match reach {
            // An own process or connection costs nothing to ask, and a stalled one is noticed within 15 s.
            Reach::Stdio(_) | Reach::HttpSse(_) | Reach::WebSocket(_) => (8, 5),
            // Each question is a request to somebody else's server, and a broken one fails at the next call anyway.
            Reach::Http(_) | Reach::StreamableHttp(_) => (30, 10),
        };
        Rules {
            interval: self.interval.unwrap_or(Duration::from_secs(interval)),
            timeout: self.timeout.unwrap_or(Duration::from_secs(timeout)),
        }
    }
}
