//! The open questions of one task of a legacy server, for a modern client: listed by `tasks/get`, answered by
//! `tasks/update`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::timeout;
use trunkline_model::{Ask, AskAnswer, Note, Notes, Text};
use trunkline_protocol::{asks, rounds, tasks};

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
    questions: Vec<Question>,
    /// Questions so far, for their keys: none is used twice in a task's life.
    asked: usize,
    /// Somebody waits for the task at its server.
    listening: bool,
}

struct Question {
    key: String,
    number: u64,
    method: Text,
    params: Bytes,
    reply: Box<dyn FnOnce(AskAnswer) + Send>,
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
        let open = std::mem::take(&mut inner.questions);
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
        let all = inner.questions.iter().map(|one| (one.key.as_str(), &one.method, &one.params));
        Some(rounds::questions(all))
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
        let mut replies = Vec::new();
        {
            let mut inner = self.inner();
            let mut left = Vec::new();
            for question in std::mem::take(&mut inner.questions) {
                match rounds::response(responses, &question.key, &question.method) {
                    Some(raw) => replies.push((question.reply, raw)),
                    None => left.push(question),
                }
            }
            inner.questions = left;
        }
        for (reply, raw) in replies {
            reply(AskAnswer::Result(raw));
        }
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
        inner.asked += 1;
        let kind = match &*ask.method {
            asks::ELICIT => "elicit",
            asks::SAMPLE => "sample",
            _ => "roots",
        };
        let key = format!("{kind}_{}", inner.asked);
        let Ask { number, method, params, reply, .. } = ask;
        // Which task it is about is said by the answer that lists it.
        let params = tasks::unrelated(&params);
        inner.questions.push(Question { key, number, method, params, reply });
        drop(inner);
        self.come.notify_one();
    }

    fn withdraw(&self, number: u64) {
        let mut inner = self.inner();
        let at = inner.questions.iter().position(|one| one.number == number);
        let gone = at.map(|at| inner.questions.remove(at));
        drop(inner);
        drop(gone);
    }
}
