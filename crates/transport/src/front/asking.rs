//! Questions to a legacy client while its call runs: real requests on the call's own stream or pipe, whose answers come
//! back as messages of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use trunkline_model::{Ask, AskAnswer, Note, Notes};
use trunkline_protocol::{Message, Revision, Scanned, asks, compose};

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
    fn put(&self, ask: Ask, revision: Revision) -> Option<(u64, Message)> {
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

    fn forget(&self, numbers: &[u64]) {
        let mut open = self.open();
        for number in numbers {
            open.remove(number);
        }
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
    put: Mutex<Vec<u64>>,
}

impl Asking {
    pub(crate) fn through(voice: Voice, session: Arc<Session>) -> Arc<dyn Notes> {
        Arc::new(Self { voice, session, put: Mutex::default() })
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
        let Some((number, message)) = self.session.questions.put(ask, self.session.revision) else { return };
        self.put.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        let said = match &self.voice {
            Voice::Pad(pad) => {
                pad.say(message);
                true
            }
            Voice::Outbox(outbox) => outbox.try_send(message).is_ok(),
        };
        if !said {
            // Nobody will answer what was not asked.
            self.session.questions.forget(&[number]);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let put = std::mem::take(&mut *self.put.lock().unwrap_or_else(PoisonError::into_inner));
        if !put.is_empty() {
            self.session.questions.forget(&put);
        }
    }
}
