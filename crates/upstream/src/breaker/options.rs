//! What an operator decides about a circuit breaker.

use std::time::Duration;

use crate::globs::Globs;

/// When a server, or a tool of it, counts as broken, and for how long it is then left alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Over which calls the rates are taken.
    pub window: Window,
    /// Failed calls, in percent of the window, that open it.
    pub failure_percent: u32,
    /// Fewest calls in the window for a rate to mean anything.
    pub calls_min: u32,
    /// Failures in a row that open it, however few the calls; `None` counts no rows.
    pub consecutive: Option<u32>,
    /// A call that takes longer is a slow one; `None` calls none slow.
    pub slow: Option<Duration>,
    /// Slow calls, in percent of the window, that open it.
    pub slow_percent: u32,
    /// How long it stays open the first time; each time after doubles it.
    pub open: Duration,
    /// Longest time that it stays open.
    pub open_max: Duration,
    /// Most calls that try the server at a time once that time is over, and how many of them must pass.
    pub probes: u32,
    /// The operator's word, whatever the calls say.
    pub force: Option<Force>,
    /// Tools that have a breaker of their own besides the server's, by the server's own names.
    pub tools: Globs,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: Window::Time(Duration::from_secs(30)),
            failure_percent: 50,
            calls_min: 20,
            consecutive: Some(5),
            slow: None,
            slow_percent: 80,
            open: Duration::from_secs(5),
            open_max: Duration::from_mins(1),
            probes: 1,
            force: None,
            tools: Globs::default(),
        }
    }
}

/// The calls over which rates are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Those that ended within this time.
    Time(Duration),
    /// This many last ones.
    Calls(u32),
}

/// A state that the operator decrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// No call goes to the server.
    Open,
    /// Every call goes to the server.
    Closed,
}
