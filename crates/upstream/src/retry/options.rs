//! What an operator decides about repeating calls.

use std::time::Duration;

use crate::globs::Globs;

/// Which calls may be sent again, how often, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Most times that one call is sent, the first included.
    pub attempts: u32,
    /// Every tool that calls itself read-only or idempotent is believed.
    pub trust_annotations: bool,
    /// Tools that are believed when they call themselves so, by the server's own names.
    pub tools: Globs,
    /// Reading resources, prompts and completions changes nothing.
    pub reads: bool,
    /// The server runs calls with the same idempotency key once.
    pub honours_keys: bool,
    /// Repeated calls, in percent of all calls.
    pub budget_percent: u32,
    /// Repeated calls each second that are allowed besides.
    pub budget_per_second: u32,
    /// Longest wait before the second attempt; each time after doubles it. Waits are spread from zero up.
    pub first: Duration,
    /// Longest wait; a server that asks for more patience is not asked again.
    pub max: Duration,
    /// A read-only tool that is believed is called a second time, beside the first, after this long.
    pub hedge_after: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            attempts: 3,
            trust_annotations: false,
            tools: Globs::default(),
            reads: true,
            honours_keys: false,
            budget_percent: 20,
            budget_per_second: 3,
            first: Duration::from_millis(100),
            max: Duration::from_secs(5),
            hedge_after: None,
        }
    }
}
