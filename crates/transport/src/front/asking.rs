//! Questions to a legacy client while its call runs: real requests on the call's own stream or pipe, whose answers come
//! back as messages of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;
use trunkline_model::{Ask, AskAnswer, Note, Notes, Text};
use trunkline_protocol::asks::Translation;
use trunkline_protocol::{Message, Revision, Scanned, compose};

use super::notes::{self, Pad};
use super::session::Session;

/// Most questions of one session that wait for an answer at a time.
const OPEN_MAX: usize = 64;
/// What the ids of our questions begin with; a client answers with the same id.
const PREFIX: &str = "trunkline-";

type Reply = Box<dyn FnOnce(AskAnswer) + Send>;

/// A question that waits for its answer.
struct Open {
    /// The id that the answer has.
    id: String,
    method: Text,
    translation: Translation,
    voice: Voice,
    reply: Reply,
}

/// The questions of one session that wait for an answer.
#[derive(Default)]
pub(crate) struct Questions {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Open>>,
}

impl Questions {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a question; `None` when it cannot be put: the revision has none of its kind, too many are open, or nobody
    /// listens. Then `ask` is dropped, which is a refusal.
    fn put(&self, ask: Ask, revision: Revision, voice: &Voice) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("{PREFIX}{number}");
        let translation = Translation::downward(&ask.method, &ask.params, revision, &id)?;
        let open = Open { id, method: ask.method, translation, voice: voice.clone(), reply: ask.reply };
        self.say(number, open).then_some(number)
    }

    fn say(&self, number: u64, question: Open) -> bool {
        let message = compose::request_named(&question.id, &question.method, question.translation.params());
        let voice = question.voice.clone();
        let mut open = self.open();
        if open.len() >= OPEN_MAX {
            return false;
        }
        open.insert(number, question);
        drop(open);
        let said = voice.say(message);
        if !said {
            // Nobody will answer what was not asked.
            self.forget(&[number]);
        }
        said
    }

    /// Takes an answer of the client. One to a question that nobody put, or that was answered before, is dropped. One
    /// that the server would not take is asked for once more, under another id.
    pub(crate) fn answer(&self, scanned: &Scanned) {
        let Some(id) = scanned.id_bytes().and_then(|id| serde_json::from_slice::<String>(&id).ok()) else {
            return;
        };
        let number = id.strip_prefix(PREFIX).and_then(|id| id.split('-').next()?.parse::<u64>().ok());
        let Some(number) = number else { return };
        let mut waiting = self.open();
        if waiting.get(&number).is_none_or(|question| question.id != id) {
            return;
        }
        let Some(question) = waiting.remove(&number) else { return };
        drop(waiting);
        // Copied: an answer may be kept longer than the block that it was read into.
        let copy = |span: &trunkline_model::Span| Bytes::copy_from_slice(scanned.at(span));
        match (&scanned.result, &scanned.error) {
            (Some(result), _) => match question.translation.answer(&copy(result)) {
                Ok(answer) => (question.reply)(AskAnswer::Result(answer)),
                Err(again) => {
                    let id = format!("{PREFIX}{number}-2");
                    self.say(number, Open { id, translation: *again, ..question });
                }
            },
            (None, Some(error)) => (question.reply)(AskAnswer::Refused(copy(error))),
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
#[derive(Clone)]
pub(crate) enum Voice {
    /// The event stream of its exchange.
    Pad(Arc<Pad>),
    /// The pipe.
    Outbox(mpsc::Sender<Message>),
}

impl Voice {
    /// Whether it was said.
    fn say(&self, message: Message) -> bool {
        match self {
            Self::Pad(pad) => {
                pad.say(message);
                true
            }
            Self::Outbox(outbox) => outbox.try_send(message).is_ok(),
        }
    }
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
        if let Some(number) = self.session.questions.put(ask, self.session.revision, &self.voice) {
            self.put.lock().unwrap_or_else(PoisonError::into_inner).push(number);
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
