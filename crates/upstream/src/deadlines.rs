//! The two deadlines of a call: silence, which signs of life renew, and the whole, which nothing renews.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;
use trunkline_runtime::Alarm;

/// Longest time that a call may wait for its user in all; beyond it the clock runs again.
const THINKING_MAX: Duration = Duration::from_hours(1);

/// When a call last gave a sign of life.
#[derive(Debug)]
pub(crate) struct Signs {
    begun: Instant,
    /// Microseconds from `begun` to the last sign.
    last: AtomicU64,
    thinking: Mutex<Thinking>,
}

/// How long users have been thinking about what the call asks them.
#[derive(Debug, Default)]
struct Thinking {
    questions: usize,
    since: Option<Instant>,
    before: Duration,
}

impl Signs {
    /// None yet: silence counts from now.
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), last: AtomicU64::new(0), thinking: Mutex::default() }
    }

    /// A sign of life.
    pub(crate) fn now(&self) {
        self.last.fetch_max(self.begun.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    /// A question went to the user: until it is answered the clock stands still.
    pub(crate) fn thinking(&self) {
        let mut thinking = self.lock();
        thinking.questions += 1;
        thinking.since.get_or_insert_with(Instant::now);
    }

    /// A question was answered.
    pub(crate) fn thought(&self) {
        let mut thinking = self.lock();
        thinking.questions = thinking.questions.saturating_sub(1);
        if thinking.questions == 0
            && let Some(since) = thinking.since.take()
        {
            thinking.before += since.elapsed();
            drop(thinking);
            self.now();
        }
    }

    /// How long it stood still so far, and whether it stands now.
    fn stood(&self) -> (Duration, bool) {
        let thinking = self.lock();
        let now = thinking.since.map_or(Duration::ZERO, |since| since.elapsed());
        (
            (thinking.before + now).min(THINKING_MAX),
            thinking.since.is_some() && thinking.before + now < THINKING_MAX,
        )
    }

    fn lock(&self) -> MutexGuard<'_, Thinking> {
        self.thinking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> Instant {
        self.begun + Duration::from_micros(self.last.load(Ordering::Relaxed))
    }
}

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// Silence.
    pub(crate) idle: Duration,
    /// Everything.
    pub(crate) total: Duration,
}

impl Deadlines {
    /// Waits for `work`; the error is the deadline that passed. The work stays where it is: the future of what is moved here
    /// would have room for it twice.
    pub(crate) async fn hold<T>(
        self,
        mut work: Pin<&mut impl Future<Output = T>>,
        signs: Option<&Signs>,
    ) -> Result<T, Duration> {
        let started = Instant::now();
        let mut end = started + self.total;
        let mut silent_until = started + self.idle;
        let mut alarm = Alarm::since(started, self.idle.min(self.total));
        loop {
            alarm.reset(silent_until.min(end));
            let done = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending => Pin::new(&mut alarm).poll(cx).map(|()| None),
            });
            if let Some(done) = done.await {
                return Ok(done);
            }
            let now = Instant::now();
            let (stood, stands) = signs.map_or((Duration::ZERO, false), Signs::stood);
            end = started + self.total + stood;
            if stands {
                // The user's time is not the server's.
                end = end.max(now + self.idle);
                silent_until = now + self.idle;
                continue;
            }
            if now >= end {
                return Err(self.total);
            }
            // From the last sign, not from now: else silence could last nearly twice as long.
            silent_until = signs.map_or(started, Signs::last) + self.idle;
            if silent_until <= now {
                return Err(self.idle);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;

    use tokio::time::{sleep, sleep_until};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn silence_is_counted_from_the_last_sign_of_life() {
        let (signs, begun) = (Signs::new(), Instant::now());
        let deadlines = Deadlines { idle: 10 * SECOND, total: 1000 * SECOND };
        let work = async {
            sleep(4 * SECOND).await;
            signs.now();
            pending::<()>().await;
        };
        assert_eq!(deadlines.hold(pin!(work), Some(&signs)).await, Err(10 * SECOND));
        assert_eq!(begun.elapsed().as_secs(), 14);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_renews_the_total_deadline_and_the_fault_names_it() {
        let (signs, begun) = (Signs::new(), Instant::now());
        let deadlines = Deadlines { idle: 2 * SECOND, total: 7 * SECOND };
        let work = async {
            loop {
                sleep(SECOND).await;
                signs.now();
            }
        };
        let ended: Result<(), _> = deadlines.hold(pin!(work), Some(&signs)).await;
        assert_eq!((ended, begun.elapsed().as_secs()), (Err(7 * SECOND), 7));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_a_user_thinks_counts_for_neither_deadline() {
        let (signs, begun) = (Signs::new(), Instant::now());
        let deadlines = Deadlines { idle: 5 * SECOND, total: 20 * SECOND };
        let work = async {
            sleep(2 * SECOND).await;
            signs.thinking();
            sleep(100 * SECOND).await;
            signs.thinking();
            signs.thought();
            sleep(10 * SECOND).await;
            signs.thought();
            pending::<()>().await;
        };
        assert_eq!(deadlines.hold(pin!(work), Some(&signs)).await, Err(5 * SECOND));
        // Whole periods of silence are slept through, so the end may come a little late, never early.
        let ended = begun.elapsed().as_secs();
        assert!((117..=122).contains(&ended), "{ended}");
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_in_time_is_not_touched() {
        let deadlines = Deadlines { idle: 2 * SECOND, total: 7 * SECOND };
        let work = async {
            sleep_until(Instant::now() + SECOND).await;
            5
        };
        assert_eq!(deadlines.hold(pin!(work), None).await, Ok(5));
    }
}
