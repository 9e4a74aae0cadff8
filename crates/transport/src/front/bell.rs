//! Wakers that know whether they rang.
//!
//! Everything about a client's connection happens in one task, and that is polled for many reasons: the client's socket,
//! the server's, an event that can be written, timers. Two things would make each of them expensive:
//!
//! - A call lies deep in that task, and polling it to learn that nothing has changed costs more than most reasons do.
//!   Behind a bell it is polled only when it was woken.
//! - Parts of the task wake one another while it runs: hyper's dispatcher and the body it gives away do so once per
//!   request. A task that is woken while it runs is queued again, and queueing wakes another thread to help. Behind a
//!   bell it just goes on.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// How often a future that wakes itself is polled in a row before others have their turn.
const IN_A_ROW: usize = 4;

/// What a future behind it is woken by. For one future at a time.
#[derive(Clone)]
pub(crate) struct Bell {
    chime: Arc<Chime>,
    /// The same as the future knows it.
    waker: Waker,
}

#[derive(Default)]
struct Chime {
    rung: AtomicBool,
    /// Whoever polled last.
    listener: AtomicWaker,
}

impl Wake for Chime {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.listener.wake();
    }
}

impl Bell {
    pub(crate) fn new() -> Self {
        let chime = Arc::<Chime>::default();
        Self { waker: Waker::from(Arc::clone(&chime)), chime }
    }

    /// One that has rung: what comes behind it is polled at first.
    pub(crate) fn rung() -> Self {
        let bell = Self::new();
        bell.ring();
        bell
    }

    /// Another future comes behind it, which may have been polled before: what woke it so far does not count, so it is
    /// polled at first.
    pub(crate) fn ring(&self) {
        self.chime.rung.store(true, Ordering::Release);
    }

    /// Polls the future if it was woken since the last time.
    pub(crate) fn poll_if_rung<F: Future>(&self, future: Pin<&mut F>, cx: &Context<'_>) -> Poll<F::Output> {
        // First of all: who rings from now on must wake this task.
        self.chime.listener.register(cx.waker());
        // Cleared before the poll: a wake-up during it is a reason for another.
        if self.chime.rung.swap(false, Ordering::AcqRel) {
            future.poll(&mut Context::from_waker(&self.waker))
        } else {
            Poll::Pending
        }
    }

    /// Polls the future, and again if it was woken meanwhile, as it is by itself.
    pub(crate) fn poll_till_quiet<F: Future>(
        &self,
        mut future: Pin<&mut F>,
        cx: &Context<'_>,
    ) -> Poll<F::Output> {
        for _ in 0..IN_A_ROW {
            // While it is polled nobody need be woken: whether it rang is looked at afterwards.
            self.chime.listener.take();
            self.chime.rung.store(false, Ordering::Relaxed);
            let polled = future.as_mut().poll(&mut Context::from_waker(&self.waker));
            if polled.is_ready() {
                return polled;
            }
            self.chime.listener.register(cx.waker());
            // It may have rung before the listener was there.
            if !self.chime.rung.load(Ordering::Acquire) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    #[test]
    fn it_is_polled_at_first_and_then_only_when_it_was_woken() {
        let polls = Arc::new(AtomicUsize::new(0));
        let (counted, kept) = (Arc::clone(&polls), Arc::new(AtomicWaker::new()));
        let (waking, bell) = (Arc::clone(&kept), Bell::rung());
        let mut future = poll_fn(move |cx| {
            waking.register(cx.waker());
            if counted.fetch_add(1, Ordering::Relaxed) == 2 { Poll::Ready(7) } else { Poll::Pending }
        });
        let cx = Context::from_waker(Waker::noop());
        let mut poll = || bell.poll_if_rung(Pin::new(&mut future), &cx);
        for _ in 0..3 {
            assert!(poll().is_pending());
        }
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        kept.wake();
        assert!(poll().is_pending() && poll().is_pending());
        assert_eq!(polls.load(Ordering::Relaxed), 2);
        kept.wake();
        assert_eq!(poll(), Poll::Ready(7));
    }

    #[test]
    fn a_future_that_wakes_itself_is_polled_again() {
        let (mut left, bell) = (3, Bell::rung());
        let mut future = poll_fn(move |cx| {
            left -= 1;
            cx.waker().wake_by_ref();
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        let done = poll_fn(|cx| bell.poll_if_rung(Pin::new(&mut future), cx));
        runtime().block_on(async { tokio::time::timeout(LONG, done).await }).unwrap();
    }

    #[test]
    fn till_it_is_quiet_it_is_polled_again_at_once_and_nobody_is_woken() {
        let (woken, bell, mut polls) = (Arc::<Woken>::default(), Bell::new(), 0);
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        let mut wakes_itself = |times: usize| {
            polls = 0;
            let mut future = poll_fn(|cx| -> Poll<()> {
                polls += 1;
                if polls <= times {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            });
            assert!(bell.poll_till_quiet(Pin::new(&mut future), &cx).is_pending());
            polls
        };
        assert_eq!([wakes_itself(0), wakes_itself(1)], [1, 2]);
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        assert_eq!(wakes_itself(usize::MAX), IN_A_ROW, "others must have their turn");
        assert!(woken.0.load(Ordering::Relaxed) > 0, "and then it goes on");
    }

    #[tokio::test]
    async fn a_wake_up_reaches_whoever_polled_last() {
        let kept = Arc::new(AtomicWaker::new());
        let (waking, told) = (Arc::clone(&kept), Arc::new(AtomicBool::new(false)));
        let (heard, bell) = (Arc::clone(&told), Bell::rung());
        let mut future = poll_fn(move |cx| {
            waking.register(cx.waker());
            if heard.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        });
        // Somebody polls and goes; another task takes over and finds nothing to do.
        assert!(bell.poll_if_rung(Pin::new(&mut future), &Context::from_waker(Waker::noop())).is_pending());
        let waiting =
            tokio::spawn(async move { poll_fn(|cx| bell.poll_if_rung(Pin::new(&mut future), cx)).await });
        tokio::task::yield_now().await;
        told.store(true, Ordering::Release);
        kept.wake();
        tokio::time::timeout(LONG, waiting).await.expect("a lost wake-up").unwrap();
    }

    #[test]
    fn a_wake_up_at_any_moment_is_not_lost() {
        for round in 0..1_000 {
            let (send, receive) = tokio::sync::oneshot::channel();
            let sending = std::thread::spawn(move || send.send(5));
            let (outer, inner) = (Bell::new(), Bell::rung());
            let got = async {
                let mut receive = pin!(receive);
                // As in a connection's task: a call behind its bell, in what is polled till it is quiet.
                let mut call = pin!(poll_fn(|cx| inner.poll_if_rung(receive.as_mut(), cx)));
                let got = poll_fn(|cx| outer.poll_till_quiet(call.as_mut(), cx));
                tokio::time::timeout(LONG, got).await
            };
            assert_eq!(runtime().block_on(got).expect("a lost wake-up"), Ok(5), "{round}");
            sending.join().unwrap().unwrap();
        }
    }
}
