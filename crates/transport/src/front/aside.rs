//! What servers say or ask outside of any call: it goes to the stream of its own that a legacy session has open.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use trunkline_model::{Ask, Note, Notes};
use trunkline_protocol::{Message, Revision};

use super::asking::Questions;
use super::notes;

/// Messages that wait for the stream to be read; a client that reads none of them is asked no more.
const BACKLOG: usize = 64;

/// The place where such messages wait. Without a reader it takes none.
pub(crate) struct Aside {
    questions: Arc<Questions>,
    revision: Revision,
    waiting: Mutex<VecDeque<Message>>,
    /// The server's number of each open question, and ours.
    put: Mutex<Vec<(u64, u64)>>,
    come: Notify,
    readers: AtomicUsize,
}

impl Aside {
    pub(crate) fn new(questions: Arc<Questions>, revision: Revision) -> Self {
        Self {
            questions,
            revision,
            waiting: Mutex::default(),
            put: Mutex::default(),
            come: Notify::new(),
            readers: AtomicUsize::new(0),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self) -> MutexGuard<'_, Vec<(u64, u64)>> {
        self.put.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `false` when there is nobody to hear it, or it was not heard for too long.
    fn say(&self, message: Message) -> bool {
        if self.readers.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut waiting = self.waiting();
        if waiting.len() >= BACKLOG {
            return false;
        }
        waiting.push_back(message);
        drop(waiting);
        self.come.notify_one();
        true
    }
}

impl Notes for Aside {
    fn note(&self, note: Note) {
        self.say(notes::message(&note));
    }

    fn ask(&self, ask: Ask) {
        if self.readers.load(Ordering::Relaxed) == 0 {
            // Dropped, and refused by that.
            return;
        }
        let theirs = ask.number;
        let Some((ours, message)) = self.questions.put(ask, self.revision) else { return };
        {
            let mut put = self.put();
            // Those that were answered are not told of; the list stays as short as the questions may be many.
            put.retain(|(_, ours)| self.questions.is_open(*ours));
            put.push((theirs, ours));
        }
        if !self.say(message) {
            self.questions.forget([ours]);
        }
    }

    fn withdraw(&self, theirs: u64) {
        let ours = {
            let mut put = self.put();
            let at = put.iter().position(|(one, _)| *one == theirs);
            at.map(|at| put.swap_remove(at).1)
        };
        if let Some(ours) = ours {
            let message = self.questions.take_back(ours);
            self.say(message);
        }
    }
}

/// A stream that reads what is said aside, for as long as it lives.
pub(crate) struct Listening(Arc<Aside>);

impl Listening {
    pub(crate) fn to(aside: &Arc<Aside>) -> Self {
        aside.readers.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(aside))
    }

    /// The next message. Cancel safe.
    pub(crate) async fn next(&self) -> Message {
        loop {
            let message = self.0.waiting().pop_front();
            match message {
                Some(message) => return message,
                None => self.0.come.notified().await,
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::Relaxed);
        // Another stream of the session may take over.
        self.0.come.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn ask(number: u64, told: &Arc<AtomicUsize>) -> Ask {
        let told = Arc::clone(told);
        let reply = Box::new(move |_| {
            told.fetch_add(1, Ordering::SeqCst);
        });
        Ask { number, server: "s".into(), method: "roots/list".into(), params: Bytes::new(), reply }
    }

    #[tokio::test]
    async fn without_a_stream_nothing_is_asked_and_a_question_taken_back_is_told() {
        let questions = Arc::<Questions>::default();
        let aside = Arc::new(Aside::new(Arc::clone(&questions), Revision::LEGACY_LATEST));
        let told = Arc::<AtomicUsize>::default();
        aside.ask(ask(1, &told));
        assert!(aside.waiting().is_empty() && aside.put().is_empty());
        let listening = Listening::to(&aside);
        aside.ask(ask(2, &told));
        let text = listening.next().await.into_bytes();
        assert!(memchr::memmem::find(&text, b"roots/list").is_some());
        aside.withdraw(2);
        let text = listening.next().await.into_bytes();
        assert!(memchr::memmem::find(&text, b"notifications/cancelled").is_some());
        assert_eq!(told.load(Ordering::SeqCst), 0);
    }
}
