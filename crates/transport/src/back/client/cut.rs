//! Connections that are cut from outside: when the process ends, what runs over them must hear so while it can still tell its
//! client. A child process ends its calls by ending itself; a server over the network goes on.
//!
//! A connection is known here from its opening on. A call costs nothing more than the look at a flag when it has to wait.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// One connection, as it is cut. One task waits on it at a time.
#[derive(Default)]
pub(super) struct Line {
    cut: AtomicBool,
    waiting: AtomicWaker,
}

impl Line {
    /// For who has to wait for the connection: an error once it is cut.
    pub(super) fn poll_cut<T>(&self, cx: &Context<'_>) -> Poll<io::Result<T>> {
        self.waiting.register(cx.waker());
        // It may have been cut between the last look and the registration.
        if self.is_cut() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the gateway is ending",
            )));
        }
        Poll::Pending
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.waiting.wake();
    }
}

/// All connections that are open.
#[derive(Default)]
pub(super) struct Lines(Mutex<Vec<Weak<Line>>>);

impl Lines {
    pub(super) fn open(&self) -> Arc<Line> {
        let line = Arc::<Line>::default();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == lines.capacity() {
            lines.retain(|line| line.strong_count() > 0);
        }
        lines.push(Arc::downgrade(&line));
        line
    }

    pub(super) fn cut(&self) {
        let lines = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        // Not under the lock: who is woken may open another.
        lines.iter().filter_map(Weak::upgrade).for_each(|line| line.cut());
    }
}
