//! What happened, in order; and what should not have.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// The log of one history.
#[derive(Debug)]
pub struct History {
    silent: bool,
    began: Instant,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<String>,
    broken: Vec<String>,
}

impl History {
    /// An empty one, which begins now.
    pub fn begin() -> Self {
        Self { silent: false, began: Instant::now(), kept: Mutex::default() }
    }

    /// One that keeps nothing, for servers that run for hours.
    pub fn silent() -> Self {
        Self { silent: true, ..Self::begin() }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what somebody did.
    pub fn note(&self, who: impl Display, what: impl Display) {
        if self.silent {
            return;
        }
        let ms = self.began.elapsed().as_micros() as f64 / 1000.0;
        self.kept().lines.push(format!("{ms:>12.3} {who:<8} {what}"));
    }

    /// Writes down that a law was broken.
    pub fn broken(&self, law: &str, how: impl Display) {
        self.note("LAW", format!("{law}: {how}"));
        self.kept().broken.push(format!("{law}: {how}"));
    }

    /// Breaks `law` unless `kept`.
    pub fn law(&self, law: &str, kept: bool, how: impl Display) {
        if !kept {
            self.broken(law, how);
        }
    }

    /// Everything that happened.
    pub fn lines(&self) -> Vec<String> {
        self.kept().lines.clone()
    }

    /// The laws that were broken.
    pub fn broken_laws(&self) -> Vec<String> {
        self.kept().broken.clone()
    }
}
