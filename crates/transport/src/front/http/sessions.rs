//! The legacy sessions of this front: bounded, and ended when nobody uses them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use trunkline_observe::metrics::{Held, Metrics};

use super::super::session::Session;
use super::Front;

/// How often idle sessions are looked for.
const SWEEP: Duration = Duration::from_secs(30);

/// The sessions by id. Ids are 128 random bits, given out by us and never taken from a client.
pub(crate) struct Sessions {
    by_id: Mutex<HashMap<String, Arc<Session>>>,
    max: usize,
    idle: Duration,
    metrics: Arc<Metrics>,
}

impl Sessions {
    pub(crate) fn new(max: usize, idle: Duration, metrics: Arc<Metrics>) -> Self {
        Self { by_id: Mutex::default(), max, idle, metrics }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counted(&self) -> Held {
        self.metrics.gateway().sessions().hold()
    }

    /// Keeps a new session and gives it an id. When the table is full the longest idle session makes room; `None` when
    /// every one is in use.
    pub(crate) fn add(&self, session: Arc<Session>) -> Option<String> {
        let id = trunkline_runtime::random_id();
        let mut sessions = self.lock();
        if sessions.len() >= self.max {
            let idlest = sessions.iter().max_by_key(|(_, s)| s.idle_ms()).filter(|(_, s)| s.idle_ms() > 0);
            let gone = idlest.map(|(id, _)| id.clone())?;
            if let Some(gone) = sessions.remove(&gone) {
                gone.over.cancel();
            }
        }
        sessions.insert(id.clone(), session);
        Some(id)
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.lock().get(id).cloned()
    }

    /// Ends a session: its streams close, its calls are cancelled.
    pub(crate) fn remove(&self, id: &str) -> bool {
        let gone = self.lock().remove(id);
        if let Some(session) = &gone {
            session.over.cancel();
        }
        gone.is_some()
    }

    fn sweep(&self) {
        let limit = self.idle.as_millis() as u64;
        self.lock().retain(|_, session| {
            let keep = session.idle_ms() < limit;
            if !keep {
                session.over.cancel();
            }
            keep
        });
    }
}

/// Ends idle sessions now and then, until `stop`.
pub(crate) async fn sweep(front: Arc<Front>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = sleep(SWEEP.min(front.options.session_idle)) => front.sessions.sweep(),
            () = stop.cancelled() => return,
        }
    }
}
