//! A rule: which fault, for whom, how often and when.

use std::time::Duration;

use super::About;
use crate::globs::Globs;

/// One thing that shall go wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What goes wrong.
    pub kind: Kind,
    /// With which servers, by the operator's names; `None` with all.
    pub servers: Option<Globs>,
    /// In calls of which tools, by the servers' own names; `None` in all, and in requests that call none.
    pub tools: Option<Globs>,
    /// In requests of this method; `None` in all that a client makes. Requests of the gateway's own (reading lists, say)
    /// are concerned only when their method is named.
    pub method: Option<String>,
    /// Of clients of which name, as they give it; `None` of all.
    pub clients: Option<Globs>,
    /// How many of the requests concerned, in hundredths.
    pub percentage: f64,
    /// When.
    pub window: Window,
    /// By which requests are picked: the same seed picks the same ones.
    pub seed: u64,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request goes out this much later, and up to `jitter` more.
    Delay {
        /// At least.
        by: Duration,
        /// And up to this on top.
        jitter: Duration,
    },
    /// The request does not go out.
    Abort(Abort),
    /// The answer ends before its end.
    Truncate,
    /// The answer is no message.
    Garbage,
    /// The answer is lost: the caller waits in vain.
    Drop,
    /// What the server says during the request (progress, log messages) arrives twice.
    Duplicate,
    /// The request waits, for so long or for ever, before it goes out.
    Stall(Option<Duration>),
}

/// How a request fails that does not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// The server cannot be reached.
    Unreachable,
    /// The connection breaks when the request has gone out, as far as anybody can tell.
    Broken,
    /// The server answers with this HTTP status.
    Status(u16),
}

impl Kind {
    /// The word in configurations, logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Delay { .. } => "delay",
            Self::Abort(_) => "abort",
            Self::Truncate => "truncate",
            Self::Garbage => "garbage",
            Self::Drop => "drop",
            Self::Duplicate => "duplicate",
            Self::Stall(_) => "stall",
        }
    }
}

/// When a rule holds, counted from the moment when it took effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// From then on.
    pub from: Duration,
    /// Until then; `None` is for ever.
    pub until: Option<Duration>,
}

impl Window {
    pub(super) fn holds(&self, age: Duration) -> bool {
        age >= self.from && self.until.is_none_or(|until| age < until)
    }
}

impl Rule {
    /// A rule for every call.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            servers: None,
            tools: None,
            method: None,
            clients: None,
            percentage: 100.0,
            window: Window::default(),
            seed: 0,
        }
    }

    pub(super) fn concerns(&self, about: About<'_>) -> bool {
        let fits = |patterns: &Option<Globs>, name: Option<&str>| {
            patterns.as_ref().is_none_or(|patterns| name.is_some_and(|name| patterns.admit(name)))
        };
        let method = match &self.method {
            Some(method) => *method == about.method,
            None => about.called,
        };
        method
            && fits(&self.servers, Some(about.server))
            && fits(&self.tools, about.tool)
            && (self.clients.is_none() || fits(&self.clients, about.client.and_then(name).as_deref()))
    }

    /// The chance of the request with this number, if the rule hits it.
    pub(super) fn draws(&self, number: u64) -> Option<u64> {
        let chance = mixed(self.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        // The upper 53 bits as a number from 0 to 1.
        let drawn = (chance >> 11) as f64 / (1_u64 << 53) as f64;
        (drawn * 100.0 < self.percentage).then(|| mixed(chance))
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
pub(super) fn mixed(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The name in a client's information object. Rules that look at it are for trying things out: it is parsed each time.
fn name(info: &[u8]) -> Option<String> {
    let info: serde_json::Value = serde_json::from_slice(info).ok()?;
    info["name"].as_str().map(str::to_owned)
}
