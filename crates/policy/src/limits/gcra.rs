//! The generic cell rate algorithm: a leaky bucket as one number.
//!
//! ITU-T Recommendation I.371, annex A (virtual scheduling). A cell remembers its *theoretical arrival time*: when it would be
//! empty again if nothing more came. A call moves that on by the interval of its units, and is refused if that would put
//! it further ahead of the clock than a whole burst takes.

use std::time::Duration;

use super::options::Rate;

/// One rate limit as arithmetic. Times are nanoseconds since any fixed beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gcra {
    /// Time that one unit takes.
    interval: u64,
    /// Time that a whole burst takes.
    depth: u64,
}

/// A refusal, with what the caller may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late {
    /// Units that are left now.
    pub(super) left: u64,
    /// When the call would be admitted, if nothing else came; `None` when it never would: it costs more than a burst.
    pub(super) after: Option<Duration>,
}

impl Gcra {
    /// A limit of this rate, with so many units at once.
    pub(super) fn new(rate: Rate, burst: u32) -> Self {
        let period = u64::try_from(rate.period.as_nanos()).unwrap_or(u64::MAX);
        // Rounded up, so that the rate is never exceeded.
        let interval = period.div_ceil(u64::from(rate.count.max(1))).max(1);
        Self { interval, depth: interval.saturating_mul(u64::from(burst.max(1))) }
    }

    /// What the cell becomes when so many units are taken at `now`; 0 is a cell of which nothing was ever taken.
    ///
    /// # Errors
    /// When there are not so many left.
    pub(super) fn take(self, cell: u64, cost: u32, now: u64) -> Result<u64, Late> {
        let begun = cell.max(now);
        let next = begun.saturating_add(self.interval.saturating_mul(u64::from(cost)));
        let ahead = next - now;
        if ahead <= self.depth {
            return Ok(next);
        }
        let never = self.interval.saturating_mul(u64::from(cost)) > self.depth;
        Err(Late {
            left: self.depth.saturating_sub(begun - now) / self.interval,
            after: (!never).then(|| Duration::from_nanos(ahead - self.depth)),
        })
    }

    /// How a client can be told the limit: so many units in a time of whole seconds.
    pub(super) fn policy(self) -> (u64, Duration) {
        const SECOND: u64 = 1_000_000_000;
        let burst = self.depth / self.interval;
        if self.depth >= SECOND {
            (burst, Duration::from_secs(self.depth.div_ceil(SECOND)))
        } else {
            (burst.max(SECOND / self.interval), Duration::from_secs(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limit(count: u32, millis: u64, burst: u32) -> Gcra {
        Gcra::new(Rate { count, period: Duration::from_millis(millis) }, burst)
    }

    #[test]
    fn a_burst_goes_at_once_and_then_one_at_a_time() {
        let gcra = limit(10, 1000, 3);
        let mut cell = 0;
        for _ in 0..3 {
            cell = gcra.take(cell, 1, 5_000_000_000).unwrap();
        }
        let late = gcra.take(cell, 1, 5_000_000_000).unwrap_err();
        assert_eq!(late, Late { left: 0, after: Some(Duration::from_millis(100)) });
        assert!(gcra.take(cell, 1, 5_100_000_000).is_ok());
    }

    #[test]
    fn what_costs_more_than_a_burst_is_never_admitted_and_says_so() {
        let late = limit(10, 1000, 3).take(0, 4, 7).unwrap_err();
        assert_eq!(late, Late { left: 3, after: None });
    }

    #[test]
    fn a_policy_is_told_in_whole_seconds() {
        assert_eq!(limit(100, 1000, 20).policy(), (100, Duration::from_secs(1)));
        assert_eq!(limit(10, 60_000, 10).policy(), (10, Duration::from_mins(1)));
        assert_eq!(limit(1, 1000, 5).policy(), (5, Duration::from_secs(5)));
    }

    proptest! {
        /// Over any window, from any admitted call to any later one, no more than a burst and what the rate gives in
        /// that time. And no fewer than a bucket that fills at the rate would let through: the two are the same.
        #[test]
        fn never_more_than_the_rate_over_any_window_and_never_less_than_a_bucket(
            count in 1_u32..50,
            period_ms in 1_u64..5_000,
            burst in 1_u32..30,
            calls in prop::collection::vec((0_u64..400_000_000, 1_u32..6), 1..200),
        ) {
            let gcra = limit(count, period_ms, burst);
            let (mut now, mut cell) = (0_u64, 0_u64);
            let mut level = gcra.depth;
            let mut admitted: Vec<(u64, u64)> = Vec::new();
            for (wait, cost) in calls {
                now += wait;
                level = (level + wait).min(gcra.depth);
                let needed = u64::from(cost) * gcra.interval;
                match gcra.take(cell, cost, now) {
                    Ok(next) => {
                        prop_assert!(needed <= level);
                        level -= needed;
                        cell = next;
                        admitted.push((now, u64::from(cost)));
                    }
                    Err(late) => {
                        prop_assert!(needed > level);
                        prop_assert_eq!(late.left, level / gcra.interval);
                        if let Some(after) = late.after {
                            let then = now + after.as_nanos() as u64;
                            prop_assert!(gcra.take(cell, cost, then).is_ok());
                            prop_assert!(gcra.take(cell, cost, then - 1).is_err());
                        }
                    }
                }
            }
            for (from, (begin, _)) in admitted.iter().enumerate() {
                let mut sum = 0;
                for (end, cost) in &admitted[from..] {
                    sum += cost;
                    let allowed = u64::from(burst) + (end - begin) / gcra.interval;
                    prop_assert!(sum <= allowed, "{sum} in {} ns, allowed {allowed}", end - begin);
                }
            }
        }
    }
}
