//! What came of the calls: counted by reason, and kept in words where nobody can explain it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Reasons that faults of this test explain: servers die, sessions and configurations go, users are late.
const EXPLAINED: [&str; 14] = [
    "upstream_unavailable",
    "upstream_timeout",
    "outcome_unknown",
    "overloaded",
    "cancelled",
    "bad_answer",
    "state_expired",
    "state_reused",
    "instance_lost",
    "circuit_open",
    "rate_limited",
    "session",
    "restarted",
    "draining",
];
/// What nobody can explain is kept in words, so many times.
const KEPT_MAX: usize = 20;

/// Counts of everything.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counts>);

/// The counts.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub(crate) visits: u64,
    pub(crate) answered: u64,
    pub(crate) bytes: u64,
    pub(crate) did: BTreeMap<&'static str, u64>,
    pub(crate) explained: BTreeMap<String, u64>,
    pub(crate) unexplained: u64,
    pub(crate) crossed: u64,
    pub(crate) words: Vec<String>,
}

impl Tally {
    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was done on purpose.
    pub(crate) fn did(&self, what: &'static str) {
        *self.counts().did.entry(what).or_default() += 1;
    }

    /// A call ended with the gateway's word that it failed.
    pub(crate) fn failed(&self, reason: &str, words: &str) {
        if EXPLAINED.contains(&reason) {
            *self.counts().explained.entry(reason.to_owned()).or_default() += 1;
        } else {
            self.strange(&format!("{reason}: {words}"));
        }
    }

    /// Something happened that nothing explains.
    pub(crate) fn strange(&self, words: &str) {
        let mut counts = self.counts();
        counts.unexplained += 1;
        if counts.words.len() < KEPT_MAX {
            counts.words.push(words.chars().take(400).collect());
        }
    }

    /// Looks at whatever came to a visitor: it names nobody else's calls.
    pub(crate) fn look(&self, own: &str, raw: &str) {
        let mut counts = self.counts();
        counts.bytes += raw.len() as u64;
        if raw.match_indices("call-").any(|(at, _)| !raw[at..].starts_with(own)) {
            counts.crossed += 1;
            if counts.words.len() < KEPT_MAX {
                counts
                    .words
                    .push(format!("CROSSED {own} heard {}", raw.chars().take(400).collect::<String>()));
            }
        }
    }
}
