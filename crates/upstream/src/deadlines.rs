//! The two deadlines of a call: silence, which signs of life renew, and the whole, which nothing renews.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// When a call last gave a sign of life.
#[derive(Debug)]
pub(crate) struct Signs {
    begun: Instant,
    /// Microseconds from `begun` to the last sign.
    last: AtomicU64,
}

impl Signs {
    /// None yet: silence counts from now.
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), last: AtomicU64::new(0) }
    }

    /// A sign of life.
    pub(crate) fn now(&self) {
        self.last.fetch_max(self.begun.elapsed().as_micros() as u64, Ordering::Relaxed);
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
    /// Waits for `work`; the error is the deadline that passed.
    pub(crate) async fn hold<T>(
        self,
        work: impl Future<Output = T>,
        signs: Option<&Signs>,
    ) -> Result<T, Duration> {
        let started = Instant::now();
        let end = started + self.total;
        let mut silent_until = started + self.idle;
        let mut work = std::pin::pin!(work);
        loop {
            if let Ok(done) = timeout_at(silent_until.min(end), work.as_mut()).await {
                return Ok(done);
            }
            let now = Instant::now();
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
        assert_eq!(deadlines.hold(work, Some(&signs)).await, Err(10 * SECOND));
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
        let ended: Result<(), _> = deadlines.hold(work, Some(&signs)).await;
        assert_eq!((ended, begun.elapsed().as_secs()), (Err(7 * SECOND), 7));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_in_time_is_not_touched() {
        let deadlines = Deadlines { idle: 2 * SECOND, total: 7 * SECOND };
        let work = async {
            sleep_until(Instant::now() + SECOND).await;
            5
        };
        assert_eq!(deadlines.hold(work, None).await, Ok(5));
    }
}
