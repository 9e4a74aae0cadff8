//! Who calls, what they can be asked, and how long they stay.

use std::fmt;
use std::net::IpAddr;
use std::ops::BitOr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::{Era, Notes};

/// Who calls. Lives as long as the session for legacy clients, as long as the request for modern ones.
#[derive(Clone, Debug)]
pub struct Caller {
    /// How the caller speaks.
    pub era: Era,
    /// The caller's client information object, as raw JSON.
    pub info: Option<Bytes>,
    /// The caller's declared capabilities object, as raw JSON.
    pub capabilities: Bytes,
    /// What of it lets servers ask the caller something.
    pub offers: Offers,
    /// The caller's session; `None` for callers without one.
    pub stay: Option<Arc<Stay>>,
    /// The address its connection comes from; `None` on a pipe. Never what a header says: anybody can write one.
    pub peer: Option<IpAddr>,
}

impl Caller {
    /// One with nothing special about it: it says nothing of itself, can be asked nothing, and has no session and no address.
    pub fn new(era: Era) -> Self {
        Self {
            era,
            info: None,
            capabilities: Bytes::from_static(b"{}"),
            offers: Offers::NONE,
            stay: None,
            peer: None,
        }
    }
}

/// What a client declared that it can be asked for. Servers are told no more than this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Offers(u8);

impl Offers {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Elicitation by form.
    pub const FORM: Self = Self(1);
    /// Elicitation by URL.
    pub const URL: Self = Self(1 << 1);
    /// Sampling.
    pub const SAMPLING: Self = Self(1 << 2);
    /// Sampling with tools.
    pub const SAMPLING_TOOLS: Self = Self(1 << 3);
    /// Sampling with context of servers.
    pub const SAMPLING_CONTEXT: Self = Self(1 << 4);
    /// Roots.
    pub const ROOTS: Self = Self(1 << 5);

    /// Whether all of `other` is offered.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is offered.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Offers {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A client's stay: what servers keep for one client lives as long as this.
pub struct Stay {
    number: u64,
    aside: Arc<dyn Notes>,
    ends: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl Stay {
    /// A stay. Its number must be its own; `aside` takes what a server says or asks outside of any call.
    pub fn new(number: u64, aside: Arc<dyn Notes>) -> Self {
        Self { number, aside, ends: Mutex::default() }
    }

    /// Which stay it is.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Takes what a server says or asks outside of any call.
    pub fn aside(&self) -> &Arc<dyn Notes> {
        &self.aside
    }

    /// Runs `end` when the stay is over. It must be short.
    pub fn on_end(&self, end: impl FnOnce() + Send + 'static) {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(end));
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        for end in std::mem::take(&mut *self.ends.lock().unwrap_or_else(PoisonError::into_inner)) {
            end();
        }
    }
}

impl fmt::Debug for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stay").field("number", &self.number).finish_non_exhaustive()
    }
}
