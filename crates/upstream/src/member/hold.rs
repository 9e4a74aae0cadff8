//! What a call runs on, and how its use of a member is counted.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use trunkline_model::{Call, Era, Outcome};

use super::Shared;
use crate::pool::Lease;
use crate::session::{Lost, Session};

/// What a call runs on.
pub(super) enum Conversation {
    Shared(Arc<Session>),
    Own(Lease),
}

impl Conversation {
    pub(super) fn session(&self) -> &Arc<Session> {
        match self {
            Self::Shared(session) => session,
            Self::Own(lease) => &lease.session,
        }
    }
}

/// What a call ran on, kept for later calls that must run on the same: a legacy server may know a task only there.
/// Counts as a use of the server, which is not stopped for being idle meanwhile.
pub struct Hold {
    conversation: Conversation,
    /// The member that it belongs to, where there are several.
    pub(crate) member: Option<usize>,
    _running: Running<Arc<Shared>>,
}

impl Hold {
    pub(super) fn new(conversation: Conversation, running: Running<Arc<Shared>>) -> Self {
        Self { conversation, member: None, _running: running }
    }

    /// The same, of this one of several members.
    pub(crate) fn of(self, member: usize) -> Self {
        Self { member: Some(member), ..self }
    }

    /// The era spoken there.
    pub fn era(&self) -> Era {
        self.conversation.session().era()
    }

    /// Runs one call there.
    pub(crate) async fn call(&self, call: &Call, target: Option<&str>) -> Result<Outcome, Lost> {
        // What is asked about a call that ran is let through whatever became of other calls.
        self.conversation.session().call(call, target, &[], false).await.map(|(served, _)| served.outcome())
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("era", &self.era()).finish_non_exhaustive()
    }
}

/// Counts a call while it runs.
pub(super) struct Running<S: Deref<Target = Shared>>(S);

impl<S: Deref<Target = Shared>> Running<S> {
    pub(super) fn begin(shared: S) -> Self {
        shared.uses.fetch_add(1, Ordering::Relaxed);
        shared.running.fetch_add(1, Ordering::SeqCst);
        // Before the session is looked at: see `Shared::retire_unused`.
        fence(Ordering::SeqCst);
        Self(shared)
    }
}

impl<S: Deref<Target = Shared>> Drop for Running<S> {
    fn drop(&mut self) {
        self.0.uses.fetch_add(1, Ordering::Relaxed);
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
