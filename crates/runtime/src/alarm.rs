//! Deadlines that usually do not pass.
//!
//! Every call is under deadlines, and hardly any of them passes. Setting a timer and taking it back costs two turns at
//! the runtime's timer wheel, under its lock, and an allocation. So timers are kept when their deadline is no longer
//! wanted, still running, and given to the next one who needs any that does not ring later: when a timer rings before
//! the deadline that it serves now, it is set anew. A timer is thus set about once per deadline's length and not once
//! per call.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, Sleep, sleep_until};

/// Timers kept by a thread; as many calls as one core has under way at a time, in order of magnitude.
const KEPT_MAX: usize = 256;

/// A deadline. As a future it resolves when the deadline has passed, never before.
#[derive(Debug)]
pub struct Alarm {
    at: Instant,
    /// How far away the deadline was when it was set: timers are kept by the order of magnitude of that.
    class: u32,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whom the timer wakes. As long as that is who asks, the timer need not be asked again before it rings.
    wakes: Option<Waker>,
}

impl Alarm {
    /// A deadline at `at`. No timer is needed until somebody waits for it.
    pub fn at(at: Instant) -> Self {
        let away = at.saturating_duration_since(Instant::now());
        Self { at, class: class(away), timer: None, wakes: None }
    }

    /// A deadline after `away`.
    pub fn after(away: Duration) -> Self {
        Self::since(Instant::now(), away)
    }

    /// A deadline at `away` after `now`, for who has just looked at the clock.
    pub fn since(now: Instant, away: Duration) -> Self {
        Self { at: now + away, class: class(away), timer: None, wakes: None }
    }

    /// When it is.
    pub fn deadline(&self) -> Instant {
        self.at
    }

    /// Moves the deadline. A later one costs nothing.
    pub fn reset(&mut self, at: Instant) {
        self.at = at;
        if let Some(timer) = self.timer.as_mut().filter(|timer| timer.deadline() > at) {
            timer.as_mut().reset(at);
            self.wakes = None;
        }
    }
}

fn class(away: Duration) -> u32 {
    (away.as_millis() as u64 | 1).ilog2()
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let timer = this.timer.get_or_insert_with(|| take(this.at, this.class));
        if this.wakes.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) && !timer.is_elapsed() {
            return Poll::Pending;
        }
        this.wakes = None;
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                this.wakes = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if Instant::now() >= this.at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(this.at);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            keep(timer, self.class);
        }
    }
}

/// The timers that a thread keeps, and whose they are: a timer works only in the runtime it was made in.
struct Kept {
    runtime: Option<Id>,
    timers: Vec<(u32, Pin<Box<Sleep>>)>,
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { runtime: None, timers: Vec::new() }) };
}

fn take(at: Instant, wanted: u32) -> Pin<Box<Sleep>> {
    let runtime = Handle::current().id();
    let kept = KEPT.with_borrow_mut(|kept| {
        if kept.runtime != Some(runtime) {
            kept.timers.clear();
            return None;
        }
        let found =
            kept.timers.iter().rposition(|(class, timer)| *class == wanted && timer.deadline() <= at)?;
        Some(kept.timers.swap_remove(found).1)
    });
    kept.unwrap_or_else(|| Box::pin(sleep_until(at)))
}

fn keep(mut timer: Pin<Box<Sleep>>, class: u32) {
    let Ok(runtime) = Handle::try_current().map(|handle| handle.id()) else { return };
    // Its task may be gone for long when it rings; a timer would keep its memory until then.
    if timer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
        return;
    }
    // At the end of a thread there is nothing to keep it in.
    let _ = KEPT.try_with(|kept| {
        let Ok(mut kept) = kept.try_borrow_mut() else { return };
        if kept.runtime != Some(runtime) {
            kept.timers.clear();
            kept.runtime = Some(runtime);
        }
        if kept.timers.len() < KEPT_MAX {
            kept.timers.push((class, timer));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    fn kept() -> usize {
        KEPT.with_borrow(|kept| kept.timers.len())
    }

    async fn waited_once(alarm: &mut Alarm) {
        poll_fn(|cx| {
            assert!(Pin::new(&mut *alarm).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_its_deadline_and_not_before() {
        let began = Instant::now();
        Alarm::after(Duration::from_secs(3)).await;
        assert_eq!(began.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_taken_over_serves_the_new_deadline() {
        let mut first = Alarm::after(Duration::from_secs(10));
        waited_once(&mut first).await;
        drop(first);
        assert_eq!(kept(), 1);
        tokio::time::advance(Duration::from_secs(4)).await;
        let began = Instant::now();
        let mut second = Alarm::after(Duration::from_secs(10));
        waited_once(&mut second).await;
        assert_eq!(kept(), 0, "it was taken over");
        second.await;
        assert_eq!(began.elapsed().as_secs(), 10, "not when the first would have rung");
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_rings_later_is_of_no_use() {
        let mut long = Alarm::after(Duration::from_secs(16));
        waited_once(&mut long).await;
        drop(long);
        let began = Instant::now();
        Alarm::after(Duration::from_secs(9)).await;
        assert_eq!(began.elapsed().as_secs(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_can_be_moved_both_ways() {
        let began = Instant::now();
        let mut alarm = Alarm::after(Duration::from_secs(5));
        waited_once(&mut alarm).await;
        alarm.reset(began + Duration::from_secs(9));
        waited_once(&mut alarm).await;
        alarm.reset(began + Duration::from_secs(7));
        alarm.await;
        assert_eq!(began.elapsed().as_secs(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_last_is_woken_however_often_others_asked() {
        let began = Instant::now();
        let mut alarm = Alarm::after(Duration::from_secs(5));
        for _ in 0..3 {
            waited_once(&mut alarm).await;
        }
        let other = tokio::spawn(async move {
            waited_once(&mut alarm).await;
            alarm.await;
        });
        tokio::time::timeout(Duration::from_mins(1), other).await.expect("a lost wake-up").unwrap();
        assert_eq!(began.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_set_anew_wakes_who_asked_before() {
        let began = Instant::now();
        let mut early = Alarm::after(Duration::from_secs(10));
        waited_once(&mut early).await;
        drop(early);
        tokio::time::advance(Duration::from_secs(4)).await;
        // Takes the timer over, which rings too early and is set anew; asked again and again meanwhile.
        let mut alarm = Alarm::after(Duration::from_secs(10));
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            let _ = Pin::new(&mut alarm).poll(cx).is_pending() && Pin::new(&mut alarm).poll(cx).is_pending();
            if began.elapsed().as_secs() >= 14 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(began.elapsed().as_secs(), 14);
        assert!(polls <= 4, "{polls}");
    }

    #[test]
    fn timers_of_another_runtime_are_not_used() {
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let mut alarm = Alarm::after(Duration::from_secs(10));
                waited_once(&mut alarm).await;
                drop(alarm);
                assert_eq!(kept(), 1);
            });
        }
    }
}
