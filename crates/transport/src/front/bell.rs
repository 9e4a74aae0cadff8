//! Knowing whether a future was woken.
//!
//! A connection's task is polled for many reasons: its client's socket, an event that can be written, its timers. A
//! call that runs in it lies deep, and polling it to learn that nothing has changed costs more than the event that was
//! the reason. With a bell it is polled only when it was woken, or never was polled before.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// A future that is polled only when it was woken.
pub(crate) struct Belled<F> {
    future: F,
    bell: Arc<Bell>,
    /// The bell as the future knows it.
    waker: Waker,
}

struct Bell {
    rung: AtomicBool,
    /// Whoever polled last.
    ringer: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.ringer.wake();
    }
}

impl<F: Future + Unpin> Belled<F> {
    /// A future that may have been polled before: what woke it so far does not count, so it is polled at first.
    pub(crate) fn new(future: F) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), ringer: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&bell));
        Self { future, bell, waker }
    }

    /// Polls the future if there is a reason to.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<F::Output> {
        // First of all: who rings from now on must wake this task.
        self.bell.ringer.register(cx.waker());
        // Cleared before the poll: a wake-up during it is a reason for another.
        if self.bell.rung.swap(false, Ordering::AcqRel) {
            Pin::new(&mut self.future).poll(&mut Context::from_waker(&self.waker))
        } else {
            Poll::Pending
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_is_polled_at_first_and_then_only_when_it_was_woken() {
        let polls = Arc::new(AtomicUsize::new(0));
        let (counted, kept) = (Arc::clone(&polls), Arc::new(AtomicWaker::new()));
        let waking = Arc::clone(&kept);
        let mut belled = Belled::new(poll_fn(move |cx| {
            waking.register(cx.waker());
            if counted.fetch_add(1, Ordering::Relaxed) == 2 { Poll::Ready(7) } else { Poll::Pending }
        }));
        let cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(belled.poll(&cx).is_pending());
        }
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        kept.wake();
        assert!(belled.poll(&cx).is_pending() && belled.poll(&cx).is_pending());
        assert_eq!(polls.load(Ordering::Relaxed), 2);
        kept.wake();
        assert_eq!(belled.poll(&cx), Poll::Ready(7));
    }

    #[test]
    fn a_future_that_wakes_itself_is_polled_again() {
        let mut left = 3;
        let mut belled = Belled::new(poll_fn(move |cx| {
            left -= 1;
            cx.waker().wake_by_ref();
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        }));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let done = poll_fn(|cx| belled.poll(cx));
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), done).await }).unwrap();
    }

    #[tokio::test]
    async fn a_wake_up_reaches_whoever_polled_last() {
        let kept = Arc::new(AtomicWaker::new());
        let (waking, told) = (Arc::clone(&kept), Arc::new(AtomicBool::new(false)));
        let heard = Arc::clone(&told);
        let mut belled = Belled::new(poll_fn(move |cx| {
            waking.register(cx.waker());
            if heard.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        }));
        // Somebody polls and goes; another task takes over and finds nothing to do.
        assert!(belled.poll(&Context::from_waker(Waker::noop())).is_pending());
        let waiting = tokio::spawn(async move { poll_fn(|cx| belled.poll(cx)).await });
        tokio::task::yield_now().await;
        told.store(true, Ordering::Release);
        kept.wake();
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("a lost wake-up").unwrap();
    }

    #[test]
    fn a_wake_up_at_any_moment_is_not_lost() {
        for _ in 0..500 {
            let (send, receive) = tokio::sync::oneshot::channel();
            let mut belled = Belled::new(receive);
            let sending = std::thread::spawn(move || send.send(5));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let got = poll_fn(|cx| belled.poll(cx));
            let got = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), got).await });
            assert_eq!(got.expect("a lost wake-up"), Ok(5));
            sending.join().unwrap().unwrap();
        }
    }
}
