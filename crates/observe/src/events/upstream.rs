//! The condition of an upstream.

use std::time::Duration;

use crate::metrics::{CircuitState, UpstreamHandle};

/// Whether an upstream can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Being started or connected.
    Starting,
    /// Ready for calls.
    Ready,
    /// Stopped for lack of calls; the next one starts it.
    Idle,
    /// Not to be used until it recovers.
    Down,
}

impl Condition {
    /// The word in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Idle => "idle",
            Self::Down => "down",
        }
    }

    /// Whether a call has a chance: an idle upstream is as good as a ready one.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Ready | Self::Idle)
    }
}

/// An upstream has entered a state.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamState<'a> {
    /// The operator's name for it.
    pub name: &'a str,
    /// The state entered.
    pub state: Condition,
    /// Why, if there is more to say.
    pub reason: Option<&'a str>,
    /// How long it was in the state before.
    pub since: Duration,
}

impl UpstreamState<'_> {
    /// Sets the gauge and logs the change: a failure at warn, readiness at info, the rest at debug.
    pub fn emit(&self, series: &UpstreamHandle) {
        series.set_up(self.state.is_up());
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    upstream = self.name,
                    state = self.state.as_str(),
                    reason = self.reason,
                    since_ms = u64::try_from(self.since.as_millis()).unwrap_or(u64::MAX),
                    "upstream state"
                )
            };
        }
        match self.state {
            Condition::Down => log!(warn),
            Condition::Ready => log!(info),
            Condition::Starting | Condition::Idle => log!(debug),
        }
    }
}

/// The circuit breaker of an upstream, or of one tool of it, has changed its state.
#[derive(Clone, Copy, Debug)]
pub struct CircuitChanged<'a> {
    /// The operator's name for the upstream.
    pub upstream: &'a str,
    /// The tool, by the upstream's own name for it, where the breaker is the tool's.
    pub tool: Option<&'a str>,
    /// The state entered.
    pub state: CircuitState,
    /// Why it opened.
    pub why: Option<&'a str>,
    /// How long it stays open.
    pub retry_in: Option<Duration>,
}

impl CircuitChanged<'_> {
    /// Counts the change, sets the gauge where the breaker is the upstream's, and logs it: opening at warn, the rest at
    /// info.
    pub fn emit(&self, series: &UpstreamHandle) {
        series.circuit_changed(self.state);
        if self.tool.is_none() {
            series.set_circuit(self.state);
        }
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    upstream = self.upstream,
                    tool = self.tool,
                    state = self.state.as_str(),
                    reason = self.why,
                    retry_in_ms = self.retry_in.map(|wait| wait.as_millis() as u64),
                    "circuit breaker"
                )
            };
        }
        match self.state {
            CircuitState::Open => log!(warn),
            CircuitState::HalfOpen | CircuitState::Closed => log!(info),
        }
    }
}

/// One of several members of an upstream failed while others did not, and is left out for a while.
#[derive(Clone, Copy, Debug)]
pub struct MemberEjected<'a> {
    /// The operator's name for the upstream.
    pub upstream: &'a str,
    /// The member, counted from one in the order of the configuration.
    pub member: usize,
}

impl MemberEjected<'_> {
    /// Counts it and logs it at warn.
    pub fn emit(&self, series: &UpstreamHandle) {
        series.ejected();
        tracing::warn!(upstream = self.upstream, member = self.member, "a member is left out for a while");
    }
}

/// An upstream that was silent did not answer when it was asked whether it is there.
#[derive(Clone, Copy, Debug)]
pub struct LinkStalled<'a> {
    /// The operator's name for the upstream.
    pub upstream: &'a str,
    /// What was waited for.
    pub why: &'a str,
}

impl LinkStalled<'_> {
    /// Counts it and logs it at warn.
    pub fn emit(&self, series: &UpstreamHandle) {
        series.stalled();
        tracing::warn!(
            upstream = self.upstream,
            reason = self.why,
            "the server does not answer; connecting anew"
        );
    }
}
