//! Questions to a legacy client while its call runs: real requests on the call's own stream or pipe, whose answers come
//! back as messages of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use trunkline_model::{Ask, AskAnswer, Note, Notes};
use trunkline_protocol::{Message, Revision, Scanned, asks, compose, method};

use super::notes::{self, Pad};
use super::pipe::Outbox;
use super::session::Session;

/// Most questions of one session that wait for an answer at a time.
const OPEN_MAX: usize = 64;
/// What the ids of our questions begin with; a client answers with the same id.
const PREFIX: &str = "trunkline-";

type Reply = Box<dyn FnOnce(AskAnswer) + Send>;

/// The questions of one session that wait for an answer.
#[derive(Default)]
pub(crate) struct Questions {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Reply>>,
}

impl Questions {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Reply>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a question and makes the request of it; `None` when too many are open.
    pub(crate) fn put(&self, ask: Ask, revision: Revision) -> Option<(u64, Message)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("{PREFIX}{number}");
        let params = asks::params_downward(&ask.method, &ask.params, revision, &id);
        let message = compose::request_named(&id, &ask.method, &params);
        let mut open = self.open();
        if open.len() >= OPEN_MAX {
            return None;
        }
        open.insert(number, ask.reply);
        Some((number, message))
    }

    /// Whether the question waits for its answer.
    pub(crate) fn is_open(&self, number: u64) -> bool {
        self.open().contains_key(&number)
    }

    /// Takes an answer of the client. One to a question that nobody put, or that was answered before, is dropped.
    pub(crate) fn answer(&self, scanned: &Scanned) {
        let id = scanned.id_bytes().and_then(|id| serde_json::from_slice::<String>(&id).ok());
        let number = id.as_deref().and_then(|id| id.strip_prefix(PREFIX)?.parse().ok());
        let Some(reply) = number.and_then(|number: u64| self.open().remove(&number)) else { return };
        // Copied: an answer may be kept longer than the block that it was read into.
        let copy = |span: &trunkline_model::Span| Bytes::copy_from_slice(scanned.at(span));
        match (&scanned.result, &scanned.error) {
            (Some(result), _) => reply(AskAnswer::Result(copy(result))),
            (None, Some(error)) => reply(AskAnswer::Refused(copy(error))),
            (None, None) => {}
        }
    }

    pub(crate) fn forget(&self, numbers: impl IntoIterator<Item = u64>) {
        // Dropping a reply may do something of its own; not under the lock.
        let gone: Vec<Option<Reply>> = {
            let mut open = self.open();
            numbers.into_iter().map(|number| open.remove(&number)).collect()
        };
        drop(gone);
    }

    /// Takes a question back; the message that tells the client.
    pub(crate) fn take_back(&self, number: u64) -> Message {
        self.forget([number]);
        let params = format!(
            "{{\"requestId\":\"{PREFIX}{number}\",\"reason\":\"the server needs no answer any more\"}}"
        );
        compose::notification(method::CANCELLED, &Bytes::from(params))
    }
}

/// Where what we say during a call goes.
pub(crate) enum Voice {
    /// The event stream of its exchange.
    Pad(Arc<Pad>),
    /// The pipe.
    Outbox(Outbox),
}

/// The notes of one call of a session that can be asked. Ends the call's open questions with the call.
pub(crate) struct Asking {
    voice: Voice,
    session: Arc<Session>,
    /// The server's number of each question, and ours.
    put: Mutex<Vec<(u64, u64)>>,
}

impl Asking {
    pub(crate) fn through(voice: Voice, session: Arc<Session>) -> Arc<dyn Notes> {
        Arc::new(Self { voice, session, put: Mutex::default() })
    }

    fn say(&self, message: Message) -> bool {
        match &self.voice {
            Voice::Pad(pad) => {
                pad.say(message);
                true
            }
            Voice::Outbox(outbox) => outbox.try_send(message).is_ok(),
        }
    }
}

impl Notes for Asking {
    fn note(&self, note: Note) {
        match &self.voice {
            Voice::Pad(pad) => pad.note(note),
            Voice::Outbox(outbox) => {
                // A full outbox drops notes rather than hold up the server they come from.
                let _ = outbox.try_send(notes::message(&note));
            }
        }
    }

    fn ask(&self, ask: Ask) {
        let theirs = ask.number;
        let Some((number, message)) = self.session.questions.put(ask, self.session.revision) else { return };
        self.put.lock().unwrap_or_else(PoisonError::into_inner).push((theirs, number));
        if !self.say(message) {
            // Nobody will answer what was not asked.
            self.session.questions.forget([number]);
        }
    }

    fn withdraw(&self, theirs: u64) {
        let number = {
            let mut put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
            let at = put.iter().position(|(one, _)| *one == theirs);
            at.map(|at| put.swap_remove(at).1)
        };
        if let Some(number) = number {
            self.say(self.session.questions.take_back(number));
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let put = std::mem::take(&mut *self.put.lock().unwrap_or_else(PoisonError::into_inner));
        if !put.is_empty() {
            self.session.questions.forget(put.into_iter().map(|(_, ours)| ours));
        }
    }
}
