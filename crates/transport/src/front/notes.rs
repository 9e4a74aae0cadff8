//! Notes on their way from a running call to its caller: a small queue that costs nothing until it is used.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;
use trunkline_model::{Note, Notes, Quiet};
use trunkline_protocol::{Message, compose, method};

/// Notes a slow reader may lag behind. Beyond it the oldest are dropped: newer progress says more.
const BACKLOG: usize = 256;
/// Bytes a slow reader may lag behind, for the same reason: a log message may be as large as an answer.
const BACKLOG_BYTES: usize = 1 << 20;

/// The notes of one call.
#[derive(Default)]
pub(crate) struct Pad {
    queue: Mutex<Queue>,
    /// Something is in the queue: a look at an empty one takes no lock.
    filled: AtomicBool,
    reader: AtomicWaker,
    /// Nobody reads any more.
    left: AtomicBool,
}

#[derive(Default)]
struct Queue {
    notes: VecDeque<Note>,
    bytes: usize,
    /// Requests to the client. They are few, and never dropped: somebody waits for their answers.
    requests: VecDeque<Message>,
}

impl Queue {
    fn pop(&mut self) -> Option<Note> {
        let note = self.notes.pop_front()?;
        self.bytes -= size(&note);
        Some(note)
    }

    fn push(&mut self, note: Note) {
        let size = size(&note);
        // It would drive out all others and still not fit.
        if size > BACKLOG_BYTES {
            return;
        }
        while self.notes.len() >= BACKLOG || self.bytes + size > BACKLOG_BYTES {
            self.pop();
        }
        self.bytes += size;
        self.notes.push_back(note);
    }
}

fn size(note: &Note) -> usize {
    match note {
        Note::Progress(params) | Note::Log(_, params) => params.len(),
    }
}

impl Pad {
    /// Where the notes of a call go, and the pad to read them from; no pad when the client cannot take events, for
    /// notes that nobody reads would only take room.
    pub(crate) fn of_client(events: bool) -> (Arc<dyn Notes>, Option<Arc<Self>>) {
        if !events {
            return (Arc::new(Quiet), None);
        }
        let pad = Arc::<Self>::default();
        (Arc::clone(&pad) as Arc<dyn Notes>, Some(pad))
    }

    /// The client has closed the stream; its call may go on.
    pub(crate) fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    /// Whether somebody reads.
    pub(crate) fn is_read(&self) -> bool {
        !self.left.load(Ordering::Relaxed)
    }

    /// Puts a request to the client.
    pub(crate) fn say(&self, request: Message) {
        self.fill(|queue| queue.requests.push_back(request));
    }

    /// The reader is at work and looks here before it rests: nothing that comes meanwhile need wake it. What a server
    /// says over HTTP is heard by the reader's own task, which would wake itself for every note, and with itself
    /// another thread that comes to its help.
    pub(crate) fn attend(&self) {
        self.reader.take();
    }

    /// The next message; registers the reader to be woken for another.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Option<Message> {
        if let Some(message) = self.take() {
            return Some(message);
        }
        self.reader.register(cx.waker());
        // A note may have come between the look and the registration.
        self.take()
    }

    /// The next message, if there is one: notes in their order, then requests.
    pub(crate) fn take(&self) -> Option<Message> {
        if !self.filled.load(Ordering::Acquire) {
            return None;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let note = queue.pop();
        let next = note.map(message).or_else(|| queue.requests.pop_front());
        self.filled.store(!queue.notes.is_empty() || !queue.requests.is_empty(), Ordering::Release);
        next
    }

    fn fill(&self, fill: impl FnOnce(&mut Queue)) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        fill(&mut queue);
        self.filled.store(true, Ordering::Release);
        drop(queue);
        self.reader.wake();
    }
}

impl Notes for Pad {
    fn note(&self, note: Note) {
        self.fill(|queue| queue.push(note));
    }
}

/// A note as a notification. Progress and log notifications are the same in every revision.
pub(crate) fn message(note: Note) -> Message {
    match note {
        Note::Progress(params) => compose::progress(params),
        Note::Log(_, params) => compose::notification(method::LOG_MESSAGE, &params),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use bytes::Bytes;

    fn progress(size: usize, fill: u8) -> Note {
        Note::Progress(Bytes::from(vec![fill; size]))
    }

    fn rest(pad: &Pad) -> Vec<u8> {
        let notes = std::iter::from_fn(|| pad.take());
        notes
            .map(|message| {
                let text = message.into_bytes();
                text[memchr::memmem::find(&text, b"\"params\":").unwrap() + 9]
            })
            .collect()
    }

    #[test]
    fn a_reader_that_lags_loses_the_oldest_notes_by_number_and_by_bytes() {
        let pad = Pad::default();
        for n in 0..BACKLOG + 2 {
            pad.note(progress(1, n as u8));
        }
        assert_eq!(rest(&pad).len(), BACKLOG);
        for n in 0..6 {
            pad.note(progress(BACKLOG_BYTES / 4, n));
        }
        assert_eq!(rest(&pad), [2, 3, 4, 5]);
    }

    #[test]
    fn a_note_too_large_for_the_pad_does_not_drive_out_the_others() {
        let pad = Pad::default();
        pad.note(progress(1, 7));
        pad.note(progress(BACKLOG_BYTES + 1, 8));
        assert_eq!(rest(&pad), [7]);
    }

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_reader_at_work_is_not_woken_and_finds_what_came_meanwhile() {
        let (pad, woken) = (Pad::default(), Arc::<Woken>::default());
        let waker = Arc::clone(&woken).into();
        let cx = Context::from_waker(&waker);
        let times = || woken.0.load(Ordering::Relaxed);
        assert!(pad.poll(&cx).is_none());
        pad.note(progress(1, 1));
        assert_eq!(times(), 1, "a reader at rest is woken");
        pad.attend();
        pad.note(progress(1, 2));
        assert!(pad.poll(&cx).is_some() && pad.poll(&cx).is_some() && pad.poll(&cx).is_none());
        pad.attend();
        pad.note(progress(1, 3));
        assert_eq!(times(), 1, "a reader at work is not");
        assert!(pad.poll(&cx).is_some(), "but finds the note before it rests");
    }

    #[test]
    fn a_note_at_any_moment_reaches_a_reader_that_rests_and_works_in_turns() {
        const NOTES: usize = 2_000;
        let pad = Arc::<Pad>::default();
        let server = Arc::clone(&pad);
        let saying = std::thread::spawn(move || {
            for n in 0..NOTES {
                server.note(progress(1, n as u8));
                // Never more than the pad keeps.
                while server.queue.lock().unwrap().notes.len() > BACKLOG / 2 {
                    std::thread::yield_now();
                }
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let heard = runtime.block_on(async {
            let mut heard = 0;
            let all = std::future::poll_fn(|cx| {
                pad.attend();
                while pad.poll(cx).is_some() {
                    heard += 1;
                }
                if heard == NOTES { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            });
            tokio::time::timeout(std::time::Duration::from_secs(20), all).await.map(|()| heard)
        });
        saying.join().unwrap();
        assert_eq!(heard.expect("a lost wake-up"), NOTES);
    }

    #[test]
    fn a_client_that_cannot_take_events_has_no_pad_to_fill() {
        assert!(Pad::of_client(false).1.is_none());
        let (notes, pad) = Pad::of_client(true);
        notes.note(progress(1, 1));
        assert!(pad.unwrap().take().is_some());
    }
}
