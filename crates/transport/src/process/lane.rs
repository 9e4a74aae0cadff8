//! The pipe into a child, which whoever has something to say may write to when nobody else is at it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::AsyncWrite;

/// Slices handed to one `writev`; a message is usually two, itself and its line end.
const BATCH_SLICES: usize = 64;
/// Slices of a message that is written past the queue, its line end among them.
const DIRECT_SLICES: usize = 8;
const LINE_END: &[u8] = b"\n";
/// Longest message that is written past the queue, in bytes. A pipe takes as much whole or not at all (POSIX.1,
/// `PIPE_BUF`; 4096 on Linux).
pub(super) const DIRECT_BYTES_MAX: usize = 4096;

/// Where bytes go.
pub(super) type Sink = Box<dyn AsyncWrite + Send + Unpin>;

/// The pipe of one child.
#[derive(Default)]
pub(super) struct Lane {
    state: Mutex<State>,
    /// Messages that were queued and are not written yet. While there are any, nothing may be written past them. Not
    /// under the lock: who queues must not wait for who writes.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// `None` before the task runs that drains the queue, and after it.
    sink: Option<Sink>,
    /// What a write past the queue left over; it goes before everything else.
    rest: Vec<Bytes>,
}

/// What became of a message that was to be written at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Now {
    /// It is written.
    Written,
    /// Some of it is; the rest waits, and whoever drains the queue must be told.
    Begun,
    /// Nothing of it is: something waits, or the pipe is full or gone.
    Not,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self, sink: Sink) {
        self.lock().sink = Some(sink);
    }

    /// Closes the pipe.
    pub(super) fn close(&self) {
        let sink = self.lock().sink.take();
        drop(sink);
    }

    /// A message goes into the queue.
    pub(super) fn queued(&self) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
    }

    /// So many messages are written.
    pub(super) fn done(&self, messages: usize) {
        self.waiting.fetch_sub(messages, Ordering::AcqRel);
    }

    /// Moves what a write past the queue left over to the end of `pieces`; how many messages that is, none or one, which
    /// from now on count as queued.
    pub(super) fn take_rest(&self, pieces: &mut Vec<Bytes>) -> usize {
        let mut state = self.lock();
        if state.rest.is_empty() {
            return 0;
        }
        pieces.append(&mut state.rest);
        self.queued();
        1
    }

    /// Writes a message past the queue if nothing waits there and the pipe takes it at once.
    pub(super) fn write_now(&self, message: &[Bytes]) -> Now {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody writes.
            Err(TryLockError::WouldBlock) => return Now::Not,
        };
        if !state.rest.is_empty()
            || self.waiting.load(Ordering::Acquire) > 0
            || message.len() >= DIRECT_SLICES
        {
            return Now::Not;
        }
        let Some(sink) = &mut state.sink else { return Now::Not };
        let mut slices = [IoSlice::new(LINE_END); DIRECT_SLICES];
        for (slice, piece) in slices.iter_mut().zip(message) {
            *slice = IoSlice::new(piece);
        }
        // Nobody is to be woken by this: what the pipe does not take now is queued.
        let mut cx = Context::from_waker(Waker::noop());
        let wrote = Pin::new(sink).poll_write_vectored(&mut cx, &slices[..=message.len()]);
        let Poll::Ready(Ok(mut written @ 1..)) = wrote else { return Now::Not };
        for piece in message.iter().chain([&Bytes::from_static(LINE_END)]) {
            let step = written.min(piece.len());
            written -= step;
            if step < piece.len() {
                state.rest.push(piece.slice(step..));
            }
        }
        if state.rest.is_empty() { Now::Written } else { Now::Begun }
    }

    /// Writes some of `pieces`; how many bytes the pipe took. For whoever drains the queue.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, pieces: &[Bytes]) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); BATCH_SLICES];
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
        }
        match &mut self.lock().sink {
            Some(sink) => Pin::new(sink).poll_write_vectored(cx, &slices[..pieces.len().min(BATCH_SLICES)]),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").finish_non_exhaustive()
    }
}
