//! Questions to a legacy client: real requests, whose answers come back as messages of their own. Those of a running call
//! go on the call's own stream or pipe.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use trunkline_model::{Ask, AskAnswer, Note, Notes, Text};
use trunkline_protocol::asks::Translation;
use trunkline_protocol::{Message, Revision, Scanned, compose, method};

use super::notes::{self, Pad};
use super::pipe::Outbox;
use super::session::Session;

/// Most questions of one session that wait for an answer at a time.
const OPEN_MAX: usize = 64;
/// What the ids of our questions begin with; a client answers with the same id.
const PREFIX: &str = "trunkline-";

type Reply = Box<dyn FnOnce(AskAnswer) + Send>;

/// Says messages to the client.
pub(crate) trait Speak: Send + Sync {
    /// Whether it was said.
    fn say(&self, message: Message) -> bool;
}

/// A question that waits for its answer.
struct Open {
    /// The id that the answer has.
    id: String,
    method: Text,
    translation: Translation,
    voice: Weak<dyn Speak>,
    reply: Reply,
}

/// The questions of one session that wait for an answer.
#[derive(Default)]
pub(crate) struct Questions {
    next: AtomicU64,
    open: Mutex<BTreeMap<u64, Open>>,
}

impl Questions {
    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a question; `None` when it cannot be put: the revision has none of its kind, too many are open, or nobody
    /// listens. Then `ask` is dropped, which is a refusal.
    pub(crate) fn put(&self, ask: Ask, revision: Revision, voice: Weak<dyn Speak>) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("{PREFIX}{number}");
        let translation = Translation::downward(&ask.method, &ask.params, revision, &id)?;
        let open = Open { id, method: ask.method, translation, voice, reply: ask.reply };
        self.say(number, open).then_some(number)
    }

    fn say(&self, number: u64, question: Open) -> bool {
        let message = compose::request_named(&question.id, &question.method, question.translation.params());
        let voice = question.voice.upgrade();
        let mut open = self.open();
        if open.len() >= OPEN_MAX {
            return false;
        }
        open.insert(number, question);
        drop(open);
        let said = voice.is_some_and(|voice| voice.say(message));
        if !said {
            // Nobody will answer what was not asked.
            self.forget([number]);
        }
        said
    }

    /// Whether the question waits for its answer.
    pub(crate) fn is_open(&self, number: u64) -> bool {
        self.open().contains_key(&number)
    }

    #[cfg(test)]
    pub(crate) fn open_count(&self) -> usize {
        self.open().len()
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

    pub(crate) fn forget(&self, numbers: impl IntoIterator<Item = u64>) {
        // Dropping a reply may do something of its own; not under the lock.
        let gone: Vec<Option<Open>> = {
            let mut open = self.open();
            numbers.into_iter().map(|number| open.remove(&number)).collect()
        };
        drop(gone);
    }

    /// Takes a question back; the message that tells the client, if it waits for the answer still.
    pub(crate) fn take_back(&self, number: u64) -> Option<Message> {
        let gone = self.open().remove(&number)?;
        let text = "the server needs no answer any more";
        let params = format!("{{\"requestId\":\"{}\",\"reason\":\"{text}\"}}", gone.id);
        Some(compose::notification(method::CANCELLED, &Bytes::from(params)))
    }
}

/// The open questions of one asker: the server's number of each, and ours.
#[derive(Default)]
pub(crate) struct Put(Mutex<Vec<(u64, u64)>>);

impl Put {
    fn lock(&self) -> MutexGuard<'_, Vec<(u64, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a question; those that were answered since are forgotten.
    pub(crate) fn add(&self, theirs: u64, ours: u64, questions: &Questions) {
        let mut put = self.lock();
        put.retain(|(_, ours)| questions.is_open(*ours));
        put.push((theirs, ours));
    }

    /// Our number of a question.
    pub(crate) fn take(&self, theirs: u64) -> Option<u64> {
        let mut put = self.lock();
        let at = put.iter().position(|(one, _)| *one == theirs)?;
        Some(put.swap_remove(at).1)
    }

    fn take_all(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut *self.lock())
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
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
    me: Weak<Self>,
    voice: Voice,
    session: Arc<Session>,
    put: Put,
}

impl Asking {
    pub(crate) fn through(voice: Voice, session: Arc<Session>) -> Arc<dyn Notes> {
        if let Voice::Pad(pad) = &voice {
            session.aside.may_use(pad);
        }
        Arc::new_cyclic(|me| Self { me: me.clone(), voice, session, put: Put::default() })
    }
}

impl Speak for Asking {
    fn say(&self, message: Message) -> bool {
        match &self.voice {
            Voice::Pad(pad) if pad.is_read() => {
                pad.say(message);
                true
            }
            // The client has lost the stream of its call; it may have another.
            Voice::Pad(_) => self.session.aside.say(message),
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
                let _ = outbox.try_send(notes::message(note));
            }
        }
    }

    fn ask(&self, ask: Ask) {
        let (theirs, questions) = (ask.number, &self.session.questions);
        let voice: Weak<dyn Speak> = self.me.clone();
        if let Some(ours) = questions.put(ask, self.session.revision, voice) {
            self.put.add(theirs, ours, questions);
        }
    }

    fn withdraw(&self, theirs: u64) {
        let ours = self.put.take(theirs);
        if let Some(message) = ours.and_then(|ours| self.session.questions.take_back(ours)) {
            self.say(message);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let put = self.put.take_all();
        if !put.is_empty() {
            self.session.questions.forget(put.into_iter().map(|(_, ours)| ours));
        }
    }
}
