//! The open questions of one task of a legacy server, for a modern client: listed by `tasks/get`, answered by
//! `tasks/update`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::timeout;
use trunkline_model::{Ask, Note, Notes};
use trunkline_protocol::{rounds, tasks};

use crate::questions::Questions;

/// Most questions of one task that are open at a time.
const OPEN_MAX: usize = 32;

/// Questions that wait for answers.
#[derive(Default)]
pub(crate) struct Inbox {
    inner: Mutex<Inner>,
    come: Notify,
}

#[derive(Default)]
struct Inner {
    questions: Questions,
    /// Somebody waits for the task at its server.
    listening: bool,
}

impl Inbox {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this caller is the one to wait for the task at its server; it says so when it stops.
    pub(crate) fn begin_listening(&self) -> bool {
        !std::mem::replace(&mut self.inner().listening, true)
    }

    pub(crate) fn stop_listening(&self) {
        let mut inner = self.inner();
        inner.listening = false;
        // Nobody takes their answers to the server any more.
        let open = inner.questions.take();
        drop(inner);
        drop(open);
        self.come.notify_one();
    }

    /// The open questions as the `inputRequests` of a modern task; `None` when there are none.
    pub(crate) fn listed(&self) -> Option<Bytes> {
        let inner = self.inner();
        if inner.questions.is_empty() {
            return None;
        }
        Some(rounds::questions(inner.questions.listed()))
    }

    /// Waits for a question, or for the end of listening, but not for long.
    pub(crate) async fn wait(&self, patience: Duration) {
        let come = self.come.notified();
        if self.inner().questions.is_empty() {
            let _ = timeout(patience, come).await;
        }
    }

    /// Takes the answers that fit open questions; others are ignored, as the extension wants it.
    pub(crate) fn answer(&self, responses: &Bytes) {
        let answered = self.inner().questions.answer(responses);
        answered.say();
    }
}

impl Notes for Inbox {
    // Notes about tasks go to nobody: the extension has no place for them.
    fn note(&self, _note: Note) {}

    fn ask(&self, ask: Ask) {
        let mut inner = self.inner();
        if inner.questions.len() >= OPEN_MAX || !inner.listening {
            drop(inner);
            // Dropped, and refused by that.
            return;
        }
        // Which task it is about is said by the answer that lists it.
        let params = tasks::unrelated(&ask.params);
        inner.questions.add(Ask { params, ..ask });
        drop(inner);
        self.come.notify_one();
    }

    fn withdraw(&self, number: u64) {
        let mut inner = self.inner();
        let gone = inner.questions.withdraw(number);
        drop(inner);
        drop(gone);
    }
}
