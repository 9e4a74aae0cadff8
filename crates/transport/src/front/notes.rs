//! Notes on their way from a running call to its caller: a small queue that costs nothing until it is used.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;
use trunkline_model::{Note, Notes};
use trunkline_protocol::{Message, compose, method};

/// Notes a slow reader may lag behind. Beyond it the oldest progress is dropped: newer progress says more.
const BACKLOG: usize = 256;

/// The notes of one call.
#[derive(Default)]
pub(crate) struct Pad {
    queue: Mutex<VecDeque<Note>>,
    reader: AtomicWaker,
}

impl Pad {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The next note; registers the reader to be woken for another.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Option<Note> {
        if let Some(note) = self.take() {
            return Some(note);
        }
        self.reader.register(cx.waker());
        // A note may have come between the look and the registration.
        self.take()
    }

    pub(crate) fn take(&self) -> Option<Note> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl Notes for Pad {
    fn note(&self, note: Note) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() >= BACKLOG {
            queue.pop_front();
        }
        queue.push_back(note);
        drop(queue);
        self.reader.wake();
    }
}

/// A note as a notification. Progress and log notifications are the same in every revision.
pub(crate) fn message(note: &Note) -> Message {
    match note {
        Note::Progress(params) => compose::notification(method::PROGRESS, params),
        Note::Log(_, params) => compose::notification(method::LOG_MESSAGE, params),
    }
}
