//! Questions for roots that belong to no call. Servers ask for roots as soon as a conversation is open, or a little later;
//! conversations of modern callers are opened for a call, so the next call's caller is asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use trunkline_protocol::asks;

use crate::asking::Way;

/// How long such a question waits for a call.
const WAIT: Duration = Duration::from_secs(2);
/// Most that wait at a time; further ones are answered for an absent user.
const WAITING_MAX: usize = 4;

/// The questions that wait.
#[derive(Default)]
pub(crate) struct Early(Mutex<Vec<Waiting>>);

/// One of them, until a call or the end of its time takes it.
type Waiting = Arc<Mutex<Option<Question>>>;

/// A question for roots: the server's id of it and its params, raw.
pub(crate) struct Question {
    pub(crate) id: Bytes,
    pub(crate) params: Bytes,
}

fn taken(one: &Waiting) -> Option<Question> {
    one.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn refuse(question: &Question, way: &Way) {
    if let Some(answer) = asks::unanswered(&question.id, asks::ROOTS) {
        way.tell_soon(answer);
    }
}

impl Early {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a question for the next call; `way` is where the answer of an absent user goes when none comes in time.
    pub(crate) fn keep(&self, question: Question, way: Way) {
        let mut waiting = self.waiting();
        waiting.retain(|one| one.lock().unwrap_or_else(PoisonError::into_inner).is_some());
        if waiting.len() >= WAITING_MAX {
            drop(waiting);
            return refuse(&question, &way);
        }
        let one: Waiting = Arc::new(Mutex::new(Some(question)));
        waiting.push(Arc::clone(&one));
        drop(waiting);
        tokio::spawn(async move {
            sleep(WAIT).await;
            if let Some(question) = taken(&one) {
                refuse(&question, &way);
            }
        });
    }

    /// All that wait, for a call that begins.
    pub(crate) fn take(&self) -> Vec<Question> {
        std::mem::take(&mut *self.waiting()).iter().filter_map(taken).collect()
    }

    /// The server took a question back.
    pub(crate) fn forget(&self, id: &[u8]) {
        self.waiting().retain(|one| {
            let one = one.lock().unwrap_or_else(PoisonError::into_inner);
            one.as_ref().is_some_and(|question| question.id != id)
        });
    }
}
