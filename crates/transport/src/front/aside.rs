//! What servers say or ask outside of any call, or of one that cannot be told: it goes to the stream of its own that a
//! legacy session has open, else to that of a call that runs.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use trunkline_model::{Ask, Note, Notes};
use trunkline_protocol::{Message, Revision};

use super::asking::{Put, Questions, Speak};
use super::notes::{self, Pad};

/// Messages that wait for the stream to be read; a client that reads none of them is asked no more.
const BACKLOG: usize = 64;

/// The place where such messages wait. With nobody who could pass them on it takes none.
pub(crate) struct Aside {
    me: Weak<Self>,
    questions: Arc<Questions>,
    revision: Revision,
    waiting: Mutex<VecDeque<Message>>,
    put: Put,
    come: Notify,
    readers: AtomicUsize,
    /// The streams of calls, the newest last.
    pads: Mutex<Vec<Weak<Pad>>>,
}

impl Aside {
    pub(crate) fn new(questions: Arc<Questions>, revision: Revision) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            questions,
            revision,
            waiting: Mutex::default(),
            put: Put::default(),
            come: Notify::new(),
            readers: AtomicUsize::new(0),
            pads: Mutex::default(),
        })
    }

    /// A call began that has an event stream.
    pub(crate) fn may_use(&self, pad: &Arc<Pad>) {
        let mut pads = self.pads.lock().unwrap_or_else(PoisonError::into_inner);
        pads.retain(|pad| pad.strong_count() > 0);
        pads.push(Arc::downgrade(pad));
    }

    /// The stream of the newest call that runs.
    fn pad(&self) -> Option<Arc<Pad>> {
        let pads = self.pads.lock().unwrap_or_else(PoisonError::into_inner);
        pads.iter().rev().filter_map(Weak::upgrade).find(|pad| pad.is_read())
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Speak for Aside {
    /// `false` when there is nobody to hear it, or it was not heard for too long.
    fn say(&self, message: Message) -> bool {
        if self.readers.load(Ordering::Relaxed) == 0 {
            let pad = self.pad();
            return pad.map(|pad| pad.say(message)).is_some();
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
        self.say(notes::message(note));
    }

    fn ask(&self, ask: Ask) {
        let theirs = ask.number;
        let voice: Weak<dyn Speak> = self.me.clone();
        if let Some(ours) = self.questions.put(ask, self.revision, voice) {
            self.put.add(theirs, ours, &self.questions);
        }
    }

    fn withdraw(&self, theirs: u64) {
        let ours = self.put.take(theirs);
        if let Some(message) = ours.and_then(|ours| self.questions.take_back(ours)) {
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

    #[test]
    fn without_a_stream_of_its_own_a_question_takes_that_of_a_call_which_is_read() {
        let questions = Arc::<Questions>::default();
        let aside = Aside::new(Arc::clone(&questions), Revision::LEGACY_LATEST);
        let told = Arc::<AtomicUsize>::default();
        let (first, second, third) = (Arc::<Pad>::default(), Arc::<Pad>::default(), Arc::<Pad>::default());
        for pad in [&first, &second, &third] {
            aside.may_use(pad);
        }
        drop(third);
        second.leave();
        aside.ask(ask(1, &told));
        assert!(first.take().is_some() && second.take().is_none());
        first.leave();
        aside.ask(ask(2, &told));
        assert!(first.take().is_none() && !aside.put.is_empty() && questions.open_count() == 1);
    }

    #[tokio::test]
    async fn without_a_stream_nothing_is_asked_and_a_question_taken_back_is_told() {
        let questions = Arc::<Questions>::default();
        let aside = Aside::new(Arc::clone(&questions), Revision::LEGACY_LATEST);
        let told = Arc::<AtomicUsize>::default();
        aside.ask(ask(1, &told));
        assert!(aside.waiting().is_empty() && aside.put.is_empty());
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
