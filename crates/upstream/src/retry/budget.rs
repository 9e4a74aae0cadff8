//! How many calls may be repeated: a share of all calls and a few a second. Without it, repeating would be one more load
//! on a server that fails because of its load.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Seconds of the allowance per second that can be saved up.
const SAVED_SECS: u32 = 10;

/// A bucket of tokens; each repeated call takes one.
#[derive(Debug)]
pub(crate) struct Budget {
    percent: u32,
    per_second: u32,
    filled: Mutex<Filled>,
}

#[derive(Debug)]
struct Filled {
    tokens: f64,
    /// Repeated calls so far: they are no share of themselves.
    taken: u64,
    /// Calls of the upstream when it was last filled.
    calls: u64,
    at: Instant,
}

impl Budget {
    /// A bucket with one second's allowance in it.
    pub(crate) fn new(percent: u32, per_second: u32, calls: u64, now: Instant) -> Self {
        let filled = Filled { tokens: f64::from(per_second), taken: 0, calls, at: now };
        Self { percent, per_second, filled: Mutex::new(filled) }
    }

    /// Takes a token, if there is one. `calls` is how many the upstream had so far, repeated ones included: the bucket is
    /// filled when it is looked at, so that a call that is not repeated costs nothing.
    pub(crate) fn take(&self, calls: u64, now: Instant) -> bool {
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = calls.saturating_sub(filled.taken).max(filled.calls);
        let more = (calls - filled.calls) as f64 * f64::from(self.percent) / 100.0;
        let secs = now.saturating_duration_since(filled.at).as_secs_f64();
        let most = f64::from(self.per_second * SAVED_SECS).max(f64::from(self.percent)).max(1.0);
        filled.tokens = (filled.tokens + more + secs * f64::from(self.per_second)).min(most);
        (filled.calls, filled.at) = (calls, now);
        let enough = filled.tokens >= 1.0;
        if enough {
            filled.tokens -= 1.0;
            filled.taken += 1;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_comes_back_with_calls_and_with_time() {
        let now = Instant::now();
        let budget = Budget::new(20, 2, 0, now);
        assert!(budget.take(0, now) && budget.take(0, now) && !budget.take(0, now));
        assert!(budget.take(7, now) && !budget.take(7, now), "a fifth of five calls, and two of them again");
        let later = now + Duration::from_millis(500);
        assert!(budget.take(7, later) && !budget.take(7, later));
    }

    #[tokio::test(start_paused = true)]
    async fn repeated_calls_are_no_reason_to_repeat_more() {
        let now = Instant::now();
        let budget = Budget::new(100, 0, 0, now);
        let again = (1..50).take_while(|calls| budget.take(*calls, now)).count();
        assert_eq!(again, 1, "one call, however often it is sent");
    }

    proptest! {
        #[test]
        fn never_more_is_taken_than_was_allowed(
            steps in prop::collection::vec((0..50_u64, 0..400_u64, 1..20_u32), 1..50),
            percent in 0..100_u32,
            per_second in 0..10_u32,
        ) {
            let begun = Instant::now();
            let budget = Budget::new(percent, per_second, 0, begun);
            let (mut calls, mut ms, mut taken) = (0, 0, 0_u32);
            for (more, later, asked) in steps {
                calls += more;
                ms += later;
                for _ in 0..asked {
                    taken += u32::from(budget.take(calls, begun + Duration::from_millis(ms)));
                }
                let allowed = f64::from(per_second) * (1.0 + ms as f64 / 1000.0)
                    + calls as f64 * f64::from(percent) / 100.0;
                prop_assert!(f64::from(taken) <= allowed + 1e-6, "{taken} of {allowed}");
            }
        }
    }
}
