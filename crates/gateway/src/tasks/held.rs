//! One task that the gateway keeps something for: the conversation that knows it, its questions, or its result.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trunkline_model::{Caller, Era, Outcome, Text};
use trunkline_protocol::tasks::{Status, Task};
use trunkline_upstream::Hold;

use super::ids::Owner;
use super::inbox::Inbox;

/// How long a task without a limit of its own is kept after it was last asked about.
const KEPT: Duration = Duration::from_hours(1);
/// Longest time that any task is kept.
const KEPT_MAX: Duration = Duration::from_hours(24);
/// Most questions of one task.
pub(crate) const QUESTIONS_MAX: usize = 1024;

/// One task.
pub(crate) struct Held {
    pub(crate) key: [u8; 16],
    /// Counts tasks; the order of lists.
    pub(crate) number: u64,
    pub(crate) owner: Owner,
    /// The id that its owner knows.
    pub(crate) id: Text,
    pub(crate) server: Arc<str>,
    /// The server's own id; empty for a call that ended at once.
    pub(crate) original: Text,
    /// How its server speaks.
    pub(crate) back: Era,
    /// What the task was made on, where only that knows it.
    pub(crate) hold: Option<Hold>,
    /// Who made it, if that is a modern client; a legacy one's stay must not be kept alive from here.
    pub(crate) maker: Option<Arc<Caller>>,
    /// Its open questions, for a modern client of a legacy server.
    pub(crate) inbox: Arc<Inbox>,
    /// Its owner gave it up.
    pub(crate) given_up: CancellationToken,
    /// It is kept no longer.
    pub(crate) over: CancellationToken,
    pub(crate) expires: watch::Sender<Instant>,
    made: Instant,
    state: Mutex<State>,
    _room: OwnedSemaphorePermit,
}

/// What changes about a task.
pub(crate) struct State {
    /// What was last heard of it.
    pub(crate) task: Task,
    /// What came of it, if that is kept here.
    pub(crate) outcome: Option<Outcome>,
    /// The questions that were put to the client, by the server's key.
    pub(crate) asked: HashSet<Text>,
}

/// What a task is made of.
pub(crate) struct New {
    pub(crate) owner: Owner,
    pub(crate) server: Arc<str>,
    pub(crate) back: Era,
    pub(crate) task: Task,
    pub(crate) hold: Option<Hold>,
    pub(crate) maker: Option<Arc<Caller>>,
    pub(crate) outcome: Option<Outcome>,
}

impl Held {
    pub(super) fn new(key: [u8; 16], number: u64, id: Text, new: New, room: OwnedSemaphorePermit) -> Self {
        let made = Instant::now();
        let this = Self {
            key,
            number,
            owner: new.owner,
            id,
            server: new.server,
            original: new.task.id.clone(),
            back: new.back,
            hold: new.hold,
            maker: new.maker,
            inbox: Arc::default(),
            given_up: CancellationToken::new(),
            over: CancellationToken::new(),
            expires: watch::Sender::new(made),
            made,
            state: Mutex::new(State { task: new.task.bare(), outcome: new.outcome, asked: HashSet::new() }),
            _room: room,
        };
        this.renew();
        this
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what was heard of the task.
    pub(crate) fn heard(&self, task: &Task) {
        let mut state = self.state();
        // A task that was given up stays so, whatever its server makes of it.
        if state.task.status != Status::Cancelled {
            state.task = task.bare();
        }
        drop(state);
        self.renew();
    }

    /// Counts the time that the task is kept from now on.
    fn renew(&self) {
        let ttl = self.state().task.ttl_ms.map(Duration::from_millis);
        let until = match ttl {
            // What the server says counts from its clock; a little longer does no harm.
            Some(ttl) => self.made + ttl.min(KEPT_MAX) + Duration::from_secs(5),
            None => (Instant::now() + KEPT).min(self.made + KEPT_MAX),
        };
        self.expires.send_if_modified(|old| {
            let changed = *old != until;
            *old = until;
            changed
        });
    }

    pub(crate) fn is_over(&self) -> bool {
        *self.expires.borrow() <= Instant::now()
    }
}
