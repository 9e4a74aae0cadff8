//! Places of which there are so many: connections, streams. How many may change while some are taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Places. When their number is lowered nobody is sent away: the next one is given when enough have come back.
#[derive(Debug)]
pub(crate) struct Slots {
    taken: AtomicUsize,
    max: AtomicUsize,
    freed: Notify,
}

/// A taken place; it comes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Slots>);

impl Slots {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), max: AtomicUsize::new(max), freed: Notify::new() })
    }

    /// Changes how many there are.
    pub(crate) fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::SeqCst);
        self.freed.notify_waiters();
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// A place, if there is one.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Slot> {
        let max = self.max.load(Ordering::SeqCst);
        let more = |taken: usize| (taken < max).then_some(taken + 1);
        let took = self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        took.is_ok().then(|| Slot(Arc::clone(self)))
    }

    /// A place, as soon as there is one. Cancel safe.
    pub(crate) async fn take(self: &Arc<Self>) -> Slot {
        self.when(|| self.try_take()).await
    }

    /// Waits until none is taken. Cancel safe.
    pub(crate) async fn empty(self: &Arc<Self>) {
        self.when(|| (self.taken() == 0).then_some(())).await;
    }

    async fn when<T>(&self, look: impl Fn() -> Option<T>) -> T {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Before the look: what is freed after it must wake us.
            freed.as_mut().enable();
            if let Some(found) = look() {
                return found;
            }
            freed.await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
        self.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_lower_number_holds_for_the_next_and_sends_nobody_away() {
        let slots = Slots::new(2);
        let (one, two) = (slots.take().await, slots.take().await);
        assert!(slots.try_take().is_none());
        slots.set_max(1);
        drop(one);
        assert!(slots.try_take().is_none(), "one is taken, and there is one");
        drop(two);
        assert!(slots.try_take().is_some());
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_a_place_that_comes_back_and_by_a_higher_number() {
        let slots = Slots::new(1);
        let first = slots.take().await;
        let mut waiting = Box::pin(slots.take());
        assert!(waiting.as_mut().now_or_never().is_none());
        slots.set_max(2);
        let second = waiting.await;
        let mut waiting = Box::pin(slots.take());
        let mut empty = Box::pin(slots.empty());
        assert!(waiting.as_mut().now_or_never().is_none() && empty.as_mut().now_or_never().is_none());
        drop(first);
        drop(waiting.await);
        drop(second);
        empty.await;
    }
}
