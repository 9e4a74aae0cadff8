//! What an operator and a client may know about one upstream.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use trunkline_model::{Era, ListKind};
use trunkline_protocol::hello::Introduction;
use trunkline_protocol::list::Item;

/// The state of one upstream, with the reason where it is not well.
#[derive(Clone, Debug)]
pub struct Status {
    /// Where it stands.
    pub phase: Phase,
    /// Since when.
    pub since: SystemTime,
    /// How it is spoken to, once known.
    pub era: Option<Era>,
    /// How long the handshake took, once it succeeded.
    pub handshake: Option<Duration>,
    /// Starts so far: processes or connections.
    pub starts: u64,
    /// The last lines the process wrote to stderr; for the operator, never for clients.
    pub stderr: Vec<String>,
}

/// Where an upstream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Being started or connected for the first time, or again after a call woke it.
    Starting,
    /// Serving.
    Ready,
    /// Serving, but a list could not be refreshed; the last good one is shown.
    Impaired(Arc<str>),
    /// Stopped because nobody needed it; the next call starts it.
    Idle,
    /// Not serving; holds the reason, in words fit for a client.
    Down {
        /// Why.
        reason: Arc<str>,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// Shut down with the gateway.
    Stopped,
}

impl Phase {
    /// One word for logs, metrics and `_meta`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Impaired(_) => "impaired",
            Self::Idle => "idle",
            Self::Down { .. } => "down",
            Self::Stopped => "stopped",
        }
    }

    /// Whether a first attempt has come to an end, well or badly.
    pub const fn settled(&self) -> bool {
        !matches!(self, Self::Starting)
    }

    /// The reason why it is not well.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Impaired(reason) | Self::Down { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

/// What an upstream offers: its introduction and its lists, the last good ones.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What it said of itself.
    pub introduction: Introduction,
    /// Tools, prompts, resources, templates and skills, each in the upstream's order.
    pub lists: [Arc<[Item]>; ListKind::COUNT],
    /// What it offers besides to clients that can be asked: lists as before, without what those have.
    pub extra: [Arc<[Item]>; ListKind::COUNT],
    /// Shortest time that a list may be kept, in milliseconds, when the upstream said one. Skills have their own.
    pub ttl_ms: Option<u64>,
    /// Whether every list said that it may be shown to anybody. Skills have their own.
    pub public: bool,
    /// How long the list of skills may be kept, in milliseconds, when the upstream said it.
    pub skills_ttl_ms: Option<u64>,
    /// Whether the list of skills may be shown to anybody.
    pub skills_public: bool,
    /// Whether the upstream tells us of changes by itself.
    pub pushes: bool,
    /// How often it has announced a change of each list, whether or not the list then differed.
    pub announced: [u64; ListKind::COUNT],
}

impl Offer {
    /// One of the lists.
    pub fn list(&self, kind: ListKind) -> &Arc<[Item]> {
        &self.lists[kind as usize]
    }

    /// Every item of a list, and whether it is offered only to clients that can be asked.
    pub fn items(&self, kind: ListKind) -> impl Iterator<Item = (&Item, bool)> {
        let (shared, extra) = (&self.lists[kind as usize], &self.extra[kind as usize]);
        // The shared list may have grown since the rest was read.
        let more = extra.iter().filter(|item| !shared.iter().any(|one| one.key == item.key));
        shared.iter().map(|item| (item, false)).chain(more.map(|item| (item, true)))
    }
}
