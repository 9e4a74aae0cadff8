//! A circuit breaker: a server that fails is left alone for a while, and its callers hear so at once.
//!
//! [`Breaker`] is the state machine; time and chance are handed in. While it is closed a call costs one atomic look and a
//! few relaxed additions; only a breaker that is not closed takes a lock, for a moment. `guard.rs` puts it around calls,
//! `verdict.rs` says what the end of a call means.

mod guard;
mod options;
#[cfg(test)]
mod tests;
mod verdict;
mod window;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use guard::Circuit;
pub(crate) use guard::{Circuits, Guard, Tool};
pub use options::{Force, Options, Window as Span};
pub(crate) use verdict::{Trouble, Verdict};
use window::{Mark, Window};

/// How long a call that finds every probe under way is told to wait.
const PROBING: Duration = Duration::from_secs(1);

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Calls go through and are counted.
    Closed,
    /// No call goes through.
    Open,
    /// A few calls try whether the server is well again.
    HalfOpen,
}

impl State {
    /// One word for logs, metrics and status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    const fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::Closed,
            1 => Self::Open,
            _ => Self::HalfOpen,
        }
    }
}

/// Why a breaker opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// This many failures in a row.
    Row(u32),
    /// This many percent of so many calls failed.
    Failures(u32, u32),
    /// This many percent of so many calls were slow.
    Slow(u32, u32),
    /// A call that tried the server failed.
    Probe,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Row(count) => write!(f, "{count} calls failed in a row"),
            Self::Failures(percent, calls) => write!(f, "{percent} % of {calls} calls failed"),
            Self::Slow(percent, calls) => write!(f, "{percent} % of {calls} calls were slow"),
            Self::Probe => write!(f, "a call that tried it failed"),
        }
    }
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Opened { why: Why, rest: Duration },
    Trying,
    Closed,
}

/// A call that was let through. Its end must be told: see [`Breaker::ended`].
#[derive(Debug)]
#[must_use = "a breaker waits for the end of what it let through"]
pub(crate) struct Ticket {
    /// The period in which it was let through; what was let through in an earlier one says nothing about this.
    period: u64,
    probe: bool,
}

/// A call that was not let through; holds how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) Duration);

/// The state machine.
#[derive(Debug)]
pub(crate) struct Breaker {
    options: Options,
    begun: Instant,
    chance: fn() -> u8,
    /// The period, counted from zero, shifted by two, and the state. Each change of state begins a period.
    state: AtomicU64,
    /// Failures in a row.
    row: AtomicU32,
    window: Window,
    rest: Mutex<Rest>,
}

/// What only a breaker that is not closed needs.
#[derive(Debug)]
struct Rest {
    /// The end of the time for which it is open.
    until: Instant,
    /// Openings without a steady time between them.
    openings: u32,
    /// When it last closed.
    closed: Option<Instant>,
    /// Probes under way.
    probing: u32,
    /// Probes that passed.
    passed: u32,
    /// When the last probe began.
    probed: Instant,
}

impl Breaker {
    /// A closed breaker. `chance` gives bytes for spreading waits.
    pub(crate) fn new(options: Options, now: Instant, chance: fn() -> u8) -> Self {
        let rest = Rest { until: now, openings: 0, closed: None, probing: 0, passed: 0, probed: now };
        Self {
            window: Window::new(options.window),
            options,
            begun: now,
            chance,
            state: AtomicU64::new(0),
            row: AtomicU32::new(0),
            rest: Mutex::new(rest),
        }
    }

    pub(crate) const fn options(&self) -> &Options {
        &self.options
    }

    /// Where it stands. An open breaker whose time is over is open until a call comes.
    pub(crate) fn state(&self) -> State {
        match self.options.force {
            Some(Force::Open) => State::Open,
            Some(Force::Closed) => State::Closed,
            None => State::from_bits(self.state.load(Ordering::Relaxed)),
        }
    }

    /// How long it stays open.
    pub(crate) fn rests(&self, now: Instant) -> Option<Duration> {
        if self.state() != State::Open || self.options.force.is_some() {
            return None;
        }
        Some(self.lock().until.saturating_duration_since(now))
    }

    /// Lets a call through without asking for the time, if the breaker is closed.
    pub(crate) fn pass(&self) -> Option<Ticket> {
        let state = self.state.load(Ordering::Relaxed);
        let closed = State::from_bits(state) == State::Closed && self.options.force != Some(Force::Open);
        (closed || self.options.force == Some(Force::Closed))
            .then_some(Ticket { period: state >> 2, probe: false })
    }

    /// Lets a call through, or not. With it comes the change that it brought about.
    pub(crate) fn admit(&self, now: Instant) -> Result<(Ticket, Option<Change>), Refused> {
        if let Some(ticket) = self.pass() {
            return Ok((ticket, None));
        }
        if self.options.force == Some(Force::Open) {
            return Err(Refused(self.options.open_max));
        }
        let mut rest = self.lock();
        let state = self.state.load(Ordering::Relaxed);
        match State::from_bits(state) {
            // Another call's end closed it meanwhile.
            State::Closed => Ok((Ticket { period: state >> 2, probe: false }, None)),
            State::Open if now < rest.until => Err(Refused(rest.until - now)),
            State::Open => {
                (rest.probing, rest.passed, rest.probed) = (1, 0, now);
                let period = self.enter(State::HalfOpen);
                Ok((Ticket { period, probe: true }, Some(Change::Trying)))
            }
            State::HalfOpen if rest.probing < self.options.probes => {
                rest.probing += 1;
                rest.probed = now;
                Ok((Ticket { period: state >> 2, probe: true }, None))
            }
            // A server that were still broken would have failed by now; this is a call that takes its time.
            State::HalfOpen if now.saturating_duration_since(rest.probed) >= self.options.open_max => {
                let change = self.close(&mut rest, now);
                let period = self.state.load(Ordering::Relaxed) >> 2;
                Ok((Ticket { period, probe: false }, Some(change)))
            }
            State::HalfOpen => Err(Refused(PROBING)),
        }
    }

    /// A call that was let through has ended after it `took` this long.
    pub(crate) fn ended(
        &self,
        ticket: Ticket,
        verdict: Verdict,
        took: Option<Duration>,
        now: Instant,
    ) -> Option<Change> {
        if ticket.probe {
            return self.probed(&ticket, verdict, took, now);
        }
        let mark = self.mark(verdict, took)?;
        let state = self.state.load(Ordering::Relaxed);
        if state >> 2 != ticket.period || State::from_bits(state) != State::Closed {
            return None;
        }
        self.window.add(mark, now.saturating_duration_since(self.begun));
        if mark == Mark::default() {
            if self.row.load(Ordering::Relaxed) != 0 {
                self.row.store(0, Ordering::Relaxed);
            }
            return None;
        }
        let why = self.why(mark, now)?;
        if self.options.force.is_some() {
            return None;
        }
        let mut rest = self.lock();
        // Of many that fail at once one opens it.
        (self.state.load(Ordering::Relaxed) == state).then(|| self.open(&mut rest, why, now))
    }

    fn mark(&self, verdict: Verdict, took: Option<Duration>) -> Option<Mark> {
        let slow = match (self.options.slow, took) {
            (Some(slow), Some(took)) => took >= slow,
            _ => false,
        };
        match verdict {
            Verdict::Well => Some(Mark { failed: false, slow }),
            Verdict::Failed(_) => Some(Mark { failed: true, slow }),
            Verdict::Wait | Verdict::Nothing => None,
        }
    }

    fn why(&self, mark: Mark, now: Instant) -> Option<Why> {
        let options = &self.options;
        let row = if mark.failed { self.row.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
        if !mark.failed {
            self.row.store(0, Ordering::Relaxed);
        }
        if options.consecutive.is_some_and(|most| row >= most) {
            return Some(Why::Row(row));
        }
        let totals = self.window.totals(now.saturating_duration_since(self.begun));
        if totals.calls < options.calls_min.max(1) {
            return None;
        }
        let percent = |part: u32| (u64::from(part) * 100 / u64::from(totals.calls)) as u32;
        if mark.failed && percent(totals.failed) >= options.failure_percent {
            return Some(Why::Failures(percent(totals.failed), totals.calls));
        }
        (mark.slow && percent(totals.slow) >= options.slow_percent)
            .then(|| Why::Slow(percent(totals.slow), totals.calls))
    }

    fn probed(
        &self,
        ticket: &Ticket,
        verdict: Verdict,
        took: Option<Duration>,
        now: Instant,
    ) -> Option<Change> {
        let mut rest = self.lock();
        if self.state.load(Ordering::Relaxed) >> 2 != ticket.period {
            return None;
        }
        rest.probing = rest.probing.saturating_sub(1);
        let mark = self.mark(verdict, took)?;
        if mark.failed || mark.slow {
            return Some(self.open(&mut rest, Why::Probe, now));
        }
        rest.passed += 1;
        (rest.passed >= self.options.probes).then(|| self.close(&mut rest, now))
    }

    fn open(&self, rest: &mut Rest, why: Why, now: Instant) -> Change {
        // What stood closed for long was well; what did not goes on where it was.
        let steady = rest.closed.is_some_and(|at| now.saturating_duration_since(at) > self.options.open_max);
        rest.openings = if steady { 1 } else { rest.openings.saturating_add(1) };
        let doublings = (rest.openings - 1).min(16);
        let full = self.options.open.saturating_mul(1 << doublings).min(self.options.open_max);
        // Spread over the upper half, so that the breakers of one dead host do not all try it at once.
        let wait = full / 2 + (full / 2) * u32::from((self.chance)()) / 255;
        rest.until = now + wait;
        self.enter(State::Open);
        Change::Opened { why, rest: wait }
    }

    fn close(&self, rest: &mut Rest, now: Instant) -> Change {
        rest.closed = Some(now);
        self.window.clear();
        self.row.store(0, Ordering::Relaxed);
        self.enter(State::Closed);
        Change::Closed
    }

    /// Begins a period; under the lock.
    fn enter(&self, state: State) -> u64 {
        let period = (self.state.load(Ordering::Relaxed) >> 2) + 1;
        let bits = match state {
            State::Closed => 0,
            State::Open => 1,
            State::HalfOpen => 2,
        };
        self.state.store(period << 2 | bits, Ordering::Relaxed);
        period
    }

    fn lock(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
