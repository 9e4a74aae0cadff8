//! One row of the table: a fault, and what must come of it.

use std::time::Duration;

use serde_json::{Value, json};
use trunkline_e2e::client::{ERAS, Era};

/// Never to be seen outside of the server: put into what faults say, looked for in every answer and log.
pub const CANARY: &str = "canary-4711-secret";

/// What a process says on stderr is for the operator: looked for in every answer.
pub const STDERR: &str = "canary-4711-stderr";

/// A fault and its outcome.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The fault, in words.
    pub fault: &'static str,
    /// What happens inside of the gateway.
    pub inside: &'static str,
    /// Starts who fails.
    pub target: fn() -> Box<dyn Target>,
    /// Clients of which eras are hit.
    pub eras: &'static [Era],
    /// What they see.
    pub sees: Sees,
    /// At the latest after this.
    pub within: Duration,
    /// How often a call reaches the server.
    pub reaches: Reaches,
    /// At the latest this long after the fault is gone, calls pass again.
    pub back: Duration,
    /// What calls may still see after the fault, before they pass for good: one call for each connection.
    pub stray: &'static [&'static str],
    /// How much memory may be held in the end that was not held in the beginning, in MiB.
    pub grown_mib: u64,
}

impl Row {
    /// A row with the usual bounds.
    pub fn new(fault: &'static str, target: fn() -> Box<dyn Target>) -> Self {
        Self {
            fault,
            inside: "",
            target,
            eras: &ERAS,
            sees: Sees::Answer,
            within: Duration::from_secs(1),
            reaches: Reaches::Once,
            back: Duration::from_secs(2),
            stray: &[],
            grown_mib: 24,
        }
    }

    /// The client sees a fault with one of these reasons.
    pub fn sees(mut self, reasons: &'static [&'static str]) -> Self {
        self.sees = Sees::Reason(reasons);
        self
    }

    /// The client sees its answer or a fault with one of these reasons, as the moment has it.
    pub fn may_see(mut self, reasons: &'static [&'static str]) -> Self {
        self.sees = Sees::Either(reasons);
        self
    }

    /// At the latest after this many milliseconds.
    pub fn within_ms(mut self, ms: u64) -> Self {
        self.within = Duration::from_millis(ms);
        self
    }

    /// How often a call reaches the server.
    pub fn reaches(mut self, reaches: Reaches) -> Self {
        self.reaches = reaches;
        self
    }

    /// What happens inside.
    pub fn inside(mut self, inside: &'static str) -> Self {
        self.inside = inside;
        self
    }

    /// Calls pass again this many milliseconds after the fault is gone.
    pub fn back_ms(mut self, ms: u64) -> Self {
        self.back = Duration::from_millis(ms);
        self
    }

    /// After the fault one call for each connection may still see one of these reasons, before calls pass for good.
    pub fn stray(mut self, reasons: &'static [&'static str]) -> Self {
        self.stray = reasons;
        self
    }

    /// How much memory may stay.
    pub fn grown_mib(mut self, mib: u64) -> Self {
        self.grown_mib = mib;
        self
    }
}

/// What a client sees.
#[derive(Clone, Copy, Debug)]
pub enum Sees {
    /// Its own answer, as if nothing were wrong.
    Answer,
    /// A fault with one of these reasons.
    Reason(&'static [&'static str]),
    /// One or the other, as the moment has it.
    Either(&'static [&'static str]),
}

/// How often a call reaches the server: never more than once, whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaches {
    /// Exactly once.
    Once,
    /// Not at all.
    Never,
    /// Once or not at all: the fault does not say which.
    AtMostOnce,
}

/// A server, or the way to one, that fails on command.
pub trait Target: Send + Sync {
    /// As an entry of `mcpServers`.
    fn entry(&self) -> Value;

    /// From now on it fails.
    fn arm(&self);

    /// From now on it does not.
    fn disarm(&self);

    /// How many calls have reached it so far.
    fn calls(&self) -> usize;

    /// What else must hold once the row has been played.
    fn check(&self) {}
}

/// An entry with this address or command and short times.
pub fn impatient(mut entry: Value) -> Value {
    entry["timeouts"] = json!({ "connect": "3s", "probe": "1s", "idle": "1s", "total": "3s", "list": "2s" });
    entry["restart"] = json!({ "first": "100ms", "max": "500ms" });
    entry["maxMessageBytes"] = json!("1MiB");
    // The rows say what each fault does by itself; a breaker would answer in its place from the fifth call on.
    entry["circuitBreaker"] = json!("off");
    entry
}
