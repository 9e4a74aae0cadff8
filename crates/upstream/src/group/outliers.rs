//! Members of a server that fail while others do not: they are left out for a while.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// When a member is left out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Failures in a row that have a member left out.
    pub consecutive: u32,
    /// How long the first time; each time after adds as much.
    pub time: Duration,
    /// Longest time.
    pub time_max: Duration,
    /// Most members left out, in percent. One is always left in.
    pub percent_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            consecutive: 3,
            time: Duration::from_secs(10),
            time_max: Duration::from_mins(5),
            percent_max: 50,
        }
    }
}

/// Who is left out. Time is handed in.
#[derive(Debug)]
pub(crate) struct Outliers {
    begun: Instant,
    members: Box<[Member]>,
}

#[derive(Debug, Default)]
struct Member {
    /// Failures in a row.
    row: AtomicU32,
    /// Milliseconds from the beginning to the end of the time for which it is left out.
    until: AtomicU64,
    /// How often it was left out, less how often it did well since.
    times: AtomicU32,
}

impl Outliers {
    pub(crate) fn new(members: usize, now: Instant) -> Self {
        Self { begun: now, members: (0..members).map(|_| Member::default()).collect() }
    }

    /// Whether a member is left out.
    pub(crate) fn leaves_out(&self, index: usize, now: Instant) -> bool {
        let until = self.members[index].until.load(Ordering::Relaxed);
        until != 0 && self.since(now) < until
    }

    /// A call of a member has ended; `true` when the member is left out from now on.
    pub(crate) fn ended(&self, index: usize, failed: bool, options: &Options, now: Instant) -> bool {
        let member = &self.members[index];
        if !failed {
            if member.row.load(Ordering::Relaxed) != 0 {
                member.row.store(0, Ordering::Relaxed);
                let _ = member.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
            }
            return false;
        }
        let row = member.row.fetch_add(1, Ordering::Relaxed) + 1;
        if row < options.consecutive || self.leaves_out(index, now) {
            return false;
        }
        let all = self.members.len();
        let out = (0..all).filter(|other| self.leaves_out(*other, now)).count();
        let most = (all * options.percent_max as usize / 100).min(all - 1);
        if out >= most {
            return false;
        }
        let times = member.times.fetch_add(1, Ordering::Relaxed) + 1;
        let wait = options.time.saturating_mul(times).min(options.time_max);
        member.row.store(0, Ordering::Relaxed);
        member.until.store(self.since(now) + (wait.as_millis() as u64).max(1), Ordering::Relaxed);
        true
    }

    fn since(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begun).as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(outliers: &Outliers, index: usize, times: u32, now: Instant) -> bool {
        (0..times).fold(false, |_, _| outliers.ended(index, true, &Options::default(), now))
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_that_fails_in_a_row_is_left_out_for_ever_longer() {
        let now = Instant::now();
        let outliers = Outliers::new(2, now);
        assert!(!fail(&outliers, 0, 2, now));
        outliers.ended(0, false, &Options::default(), now);
        assert!(!fail(&outliers, 0, 2, now), "an answer between them");
        assert!(fail(&outliers, 0, 1, now) && outliers.leaves_out(0, now + 9 * SECOND));
        let later = now + 10 * SECOND;
        assert!(!outliers.leaves_out(0, later));
        assert!(fail(&outliers, 0, 3, later) && outliers.leaves_out(0, later + 19 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn never_more_than_the_allowed_part_is_left_out() {
        let now = Instant::now();
        let outliers = Outliers::new(5, now);
        let out = (0..5).filter(|index| fail(&outliers, *index, 3, now)).count();
        assert_eq!(out, 2);
        let pair = Outliers::new(2, now);
        assert!(fail(&pair, 1, 3, now) && !fail(&pair, 0, 9, now));
    }
}
