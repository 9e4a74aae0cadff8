//! How attempts are spaced: exponential, with jitter, and reset only by what stood for a while.

use std::time::Duration;

use crate::options::Backoff;

/// What stood this long was a success: the next failure starts with a short wait again. A handshake or an accepted
/// stream alone proves nothing; many servers fail right after it.
pub(crate) const STEADY: Duration = Duration::from_secs(30);

/// Counts failures in a row.
#[derive(Debug)]
pub(crate) struct Spacing {
    backoff: Backoff,
    failures: u32,
}

impl Spacing {
    /// No failure yet.
    pub(crate) const fn new(backoff: Backoff) -> Self {
        Self { backoff, failures: 0 }
    }

    /// Whether the last attempt ended well.
    pub(crate) const fn fresh(&self) -> bool {
        self.failures == 0
    }

    /// Forgets the failures.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure after something `stood` (zero for an attempt that came to nothing), and says how long to wait.
    pub(crate) fn failed(&mut self, stood: Duration) -> Duration {
        self.failures = if stood > STEADY { 1 } else { self.failures.saturating_add(1) };
        let doublings = (self.failures - 1).min(16);
        let full = self.backoff.first.saturating_mul(1 << doublings).min(self.backoff.max);
        // Spread over the upper half, so that many upstreams of one dead host do not come back in step.
        let spread = u32::from(trunkline_runtime::random_byte());
        full / 2 + (full / 2) * spread / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spacing() -> Spacing {
        Spacing::new(Backoff { first: Duration::from_millis(200), max: Duration::from_secs(30) })
    }

    #[test]
    fn waits_double_up_to_the_longest_and_stay_in_their_upper_half() {
        let mut spacing = spacing();
        for full in [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
            let wait = spacing.failed(Duration::ZERO).as_millis();
            assert!((full / 2..=full).contains(&wait), "{wait} of {full}");
        }
    }

    #[test]
    fn only_what_stood_for_a_while_shortens_the_wait_again() {
        let mut spacing = spacing();
        for _ in 0..8 {
            spacing.failed(Duration::ZERO);
        }
        assert!(spacing.failed(STEADY).as_secs() >= 15, "it stood too short");
        assert!(spacing.failed(STEADY + Duration::from_secs(1)).as_millis() <= 200);
    }
}
