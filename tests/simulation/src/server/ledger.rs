//! What became of calls at servers: who got which when, and how it ended there.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How a call that came to a server ended there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was refused before it ran: the HTTP status, and how long the client is to wait.
    Refused(u16, Option<Duration>),
    /// It runs.
    Runs,
    /// It ran, and was answered.
    Answered,
    /// It ran, and the server broke off.
    BrokenOff,
    /// It ran until nobody wanted its answer any more.
    GivenUp,
}

/// One time that a call came to a server.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The server, by its own name.
    pub server: String,
    /// When it came.
    pub at: Instant,
    /// How it ended.
    pub fate: Fate,
    /// When it last gave a sign of life.
    pub last_sign: Instant,
    /// It will say nothing more.
    pub hangs: bool,
    /// When it was over.
    pub over: Option<Instant>,
}

impl Arrival {
    /// Whether it ran.
    pub const fn ran(&self) -> bool {
        !matches!(self.fate, Fate::Refused(..))
    }

    /// How long the server asked its client to wait.
    pub const fn patience(&self) -> Option<Duration> {
        match self.fate {
            Fate::Refused(429 | 503, after) => after,
            _ => None,
        }
    }

    /// When the server ended it by itself, so that whoever sent it knew of the end only then.
    pub const fn ended_itself(&self) -> Option<Instant> {
        match self.fate {
            Fate::Refused(..) | Fate::Answered | Fate::BrokenOff => self.over,
            Fate::Runs | Fate::GivenUp => None,
        }
    }
}

/// What became of all calls, in the order in which they came.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<BTreeMap<String, Vec<Arrival>>>);

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Arrival>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every time that a call came to a server.
    pub fn of(&self, call: &str) -> Vec<Arrival> {
        self.lock().get(call).cloned().unwrap_or_default()
    }

    /// How often a call has come to servers.
    pub fn times(&self, call: &str) -> usize {
        self.lock().get(call).map_or(0, Vec::len)
    }

    /// Notes that a call came, and how it stands; the number of this time.
    pub(super) fn arrived(&self, call: &str, server: &str, fate: Fate) -> usize {
        let now = Instant::now();
        let over = matches!(fate, Fate::Refused(..)).then_some(now);
        let mut all = self.lock();
        let arrivals = all.entry(call.to_owned()).or_default();
        let server = server.to_owned();
        arrivals.push(Arrival { server, at: now, fate, last_sign: now, hangs: false, over });
        arrivals.len() - 1
    }

    /// Notes something about one of those times.
    pub(super) fn change(&self, call: &str, number: usize, change: impl FnOnce(&mut Arrival)) {
        if let Some(arrival) = self.lock().get_mut(call).and_then(|arrivals| arrivals.get_mut(number)) {
            change(arrival);
        }
    }
}
