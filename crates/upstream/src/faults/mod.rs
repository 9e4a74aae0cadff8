//! Faults on purpose: what an operator wants to go wrong between us and a server, to see what becomes of it.
//!
//! They are put in where a conversation hands a request to its wire, so that everything above (deadlines, retries, what a
//! client is told) meets them as the real thing. While there are no rules, a call pays for one look at a flag.

mod inject;
mod mark;
mod rule;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;
use trunkline_observe::metrics::Metrics;

pub use mark::{injected, marked};
pub use rule::{Abort, Kind, Rule, Window};

pub(crate) use inject::Struck;

/// Longest time for which rules from the outside stay without being set again.
pub const LEASE_MAX: Duration = Duration::from_mins(10);
/// Most rules in one set.
pub const RULES_MAX: usize = 100;

/// The faults in force, shared by all upstreams.
pub struct Faults {
    /// Whether there are any rules, so that nobody looks further when there are none.
    on: AtomicBool,
    /// Whether rules may be set for a while.
    controllable: AtomicBool,
    now: ArcSwap<Now>,
    /// Held while `now` is changed.
    changing: Mutex<()>,
    metrics: Arc<Metrics>,
}

/// The sets of rules: those of the configuration, and those that somebody set for a while.
#[derive(Default)]
struct Now {
    configured: Option<Arc<Set>>,
    leased: Option<(Arc<Set>, Instant)>,
}

/// Rules that took effect together.
struct Set {
    rules: Vec<Rule>,
    /// Requests that each rule concerned so far: its chance is drawn by this number.
    concerned: Vec<AtomicU64>,
    since: Instant,
}

/// What a request is, as far as rules look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    pub(crate) server: &'a str,
    pub(crate) method: &'a str,
    /// The server's own name of the tool.
    pub(crate) tool: Option<&'a str>,
    /// The client's information object, raw; `None` for requests of our own.
    pub(crate) client: Option<&'a [u8]>,
    /// Whether a client made it.
    pub(crate) called: bool,
}

/// What is going on, for those who look after the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Rules of the configuration.
    pub configured: usize,
    /// Rules that were set for a while.
    pub leased: usize,
    /// How long those stay, unless they are set again.
    pub lease_left: Option<Duration>,
}

impl Faults {
    /// None.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let (on, controllable) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { on, controllable, now: ArcSwap::default(), changing: Mutex::default(), metrics }
    }

    /// Whether there are rules.
    pub fn are_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Takes the rules of the configuration, in place of the ones before. The same rules go on as they are.
    pub fn configure(&self, rules: &[Rule]) {
        self.change(|now| {
            let same = now.configured.as_ref().is_some_and(|set| set.rules == rules);
            let configured = if same { now.configured.clone() } else { Set::of(rules.to_vec()) };
            Now { configured, leased: now.leased.clone() }
        });
    }

    /// Says whether rules may be set for a while. Where they may not any more, those that were set go.
    pub fn control(&self, allowed: bool) {
        self.controllable.store(allowed, Ordering::Relaxed);
        if !allowed {
            self.change(|now| Now { configured: now.configured.clone(), leased: None });
        }
    }

    /// Whether rules may be set for a while.
    pub fn is_controllable(&self) -> bool {
        self.controllable.load(Ordering::Relaxed)
    }

    /// Takes these rules for a while, besides those of the configuration and in place of those that were set before.
    /// They go by themselves: whoever set them may be dead. At most [`LEASE_MAX`].
    pub fn lease(&self, rules: Vec<Rule>, lease: Duration) {
        let until = Instant::now() + lease.min(LEASE_MAX);
        self.change(|now| {
            // Setting the same again keeps counters and windows: it is a renewal.
            let before = now.leased.as_ref().map(|(set, _)| set).filter(|set| set.rules == rules);
            let set = before.cloned().or_else(|| Set::of(rules.clone()));
            Now { configured: now.configured.clone(), leased: set.map(|set| (set, until)) }
        });
    }

    fn change(&self, change: impl Fn(&Now) -> Now) {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = change(&self.now.load());
        self.on.store(next.configured.is_some() || next.leased.is_some(), Ordering::Relaxed);
        self.now.store(Arc::new(next));
    }

    /// What is in force; `None` when nothing is.
    pub fn report(&self) -> Option<Report> {
        if !self.are_on() {
            return None;
        }
        let (now, at) = (self.now.load(), Instant::now());
        let leased = now.leased.as_ref().filter(|(_, until)| *until > at);
        let report = Report {
            configured: now.configured.as_ref().map_or(0, |set| set.rules.len()),
            leased: leased.map_or(0, |(set, _)| set.rules.len()),
            lease_left: leased.map(|(_, until)| *until - at),
        };
        (report.configured + report.leased > 0).then_some(report)
    }

    /// The fault that hits this request; of several rules the first that does.
    pub(crate) fn strike(&self, about: About<'_>) -> Option<Struck> {
        let at = Instant::now();
        let now = self.now.load();
        if let Some((set, until)) = &now.leased {
            if *until > at {
                if let Some(struck) = set.strike(about, at) {
                    return Some(self.count(struck, about));
                }
            } else {
                self.expire(at);
            }
        }
        now.configured.as_ref()?.strike(about, at).map(|struck| self.count(struck, about))
    }

    /// Lets go of rules whose time is over.
    fn expire(&self, at: Instant) {
        self.change(|now| Now {
            configured: now.configured.clone(),
            leased: now.leased.clone().filter(|(_, until)| *until > at),
        });
        tracing::warn!("faults that were set for a while are over: nobody set them again");
    }

    fn count(&self, struck: Struck, about: About<'_>) -> Struck {
        let kind = struck.kind.as_str();
        self.metrics.gateway().fault_injected(kind, about.server);
        mark::mark(kind);
        let About { server, method, tool, .. } = about;
        tracing::info!(server, method, tool, kind, "a fault was injected on purpose");
        struck
    }
}

impl Set {
    /// `None` without rules.
    fn of(rules: Vec<Rule>) -> Option<Arc<Self>> {
        let concerned = rules.iter().map(|_| AtomicU64::new(0)).collect();
        (!rules.is_empty()).then(|| Arc::new(Self { rules, concerned, since: Instant::now() }))
    }

    fn strike(&self, about: About<'_>, at: Instant) -> Option<Struck> {
        let age = at.saturating_duration_since(self.since);
        self.rules.iter().zip(&self.concerned).find_map(|(rule, concerned)| {
            if !rule.window.holds(age) || !rule.concerns(about) {
                return None;
            }
            let number = concerned.fetch_add(1, Ordering::Relaxed);
            rule.draws(number).map(|chance| Struck { kind: rule.kind, chance })
        })
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("report", &self.report()).finish_non_exhaustive()
    }
}
