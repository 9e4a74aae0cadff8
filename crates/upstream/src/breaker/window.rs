//! The calls that a breaker remembers: how many, how many failed, how many were slow. No lock: a call that races with
//! the turn of a bucket may be counted in the wrong one or not at all, which moves a rate by one call.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::options;

/// Parts of a time window. Calls leave it one part at a time.
const BUCKETS: u64 = 10;

/// How a remembered call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) calls: u32,
    pub(super) failed: u32,
    pub(super) slow: u32,
}

#[derive(Debug)]
pub(super) enum Window {
    Time { width_us: u64, buckets: Box<[Bucket]> },
    Calls { next: AtomicU64, slots: Box<[AtomicU8]>, counts: Counts },
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    calls: AtomicU32,
    failed: AtomicU32,
    slow: AtomicU32,
}

impl Counts {
    fn add(&self, mark: Mark) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if mark.failed {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        if mark.slow {
            self.slow.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn totals(&self) -> Totals {
        Totals {
            calls: self.calls.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            slow: self.slow.load(Ordering::Relaxed),
        }
    }

    fn clear(&self) {
        for count in [&self.calls, &self.failed, &self.slow] {
            count.store(0, Ordering::Relaxed);
        }
    }
}

/// One part of a time window.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Which part of all time it holds, plus one; zero holds none.
    turn: AtomicU64,
    counts: Counts,
}

const USED: u8 = 1;
const FAILED: u8 = 2;
const SLOW: u8 = 4;

impl Window {
    pub(super) fn new(kind: options::Window) -> Self {
        match kind {
            options::Window::Time(span) => Self::Time {
                width_us: (span.as_micros() as u64 / BUCKETS).max(1),
                buckets: (0..BUCKETS).map(|_| Bucket::default()).collect(),
            },
            options::Window::Calls(most) => Self::Calls {
                next: AtomicU64::new(0),
                slots: (0..most.max(1)).map(|_| AtomicU8::new(0)).collect(),
                counts: Counts::default(),
            },
        }
    }

    /// Remembers a call that ended `at`, counted from the breaker's beginning.
    pub(super) fn add(&self, mark: Mark, at: Duration) {
        match self {
            Self::Time { width_us, buckets } => {
                let turn = at.as_micros() as u64 / width_us + 1;
                let bucket = &buckets[(turn % BUCKETS) as usize];
                let held = bucket.turn.load(Ordering::Relaxed);
                if held != turn
                    && bucket.turn.compare_exchange(held, turn, Ordering::Relaxed, Ordering::Relaxed).is_ok()
                {
                    bucket.counts.clear();
                }
                bucket.counts.add(mark);
            }
            Self::Calls { next, slots, counts } => {
                let at = next.fetch_add(1, Ordering::Relaxed) % slots.len() as u64;
                let new = USED | if mark.failed { FAILED } else { 0 } | if mark.slow { SLOW } else { 0 };
                let old = slots[at as usize].swap(new, Ordering::Relaxed);
                for (flag, count) in [(USED, &counts.calls), (FAILED, &counts.failed), (SLOW, &counts.slow)] {
                    match (old & flag != 0, new & flag != 0) {
                        (false, true) => _ = count.fetch_add(1, Ordering::Relaxed),
                        (true, false) => _ = count.fetch_sub(1, Ordering::Relaxed),
                        _ => {}
                    }
                }
            }
        }
    }

    /// What the window holds `at` this time.
    pub(super) fn totals(&self, at: Duration) -> Totals {
        match self {
            Self::Time { width_us, buckets } => {
                let turn = at.as_micros() as u64 / width_us + 1;
                let mut sum = Totals::default();
                for bucket in buckets {
                    let held = bucket.turn.load(Ordering::Relaxed);
                    if held > 0 && held + BUCKETS > turn {
                        let part = bucket.counts.totals();
                        sum.calls += part.calls;
                        sum.failed += part.failed;
                        sum.slow += part.slow;
                    }
                }
                sum
            }
            Self::Calls { counts, .. } => counts.totals(),
        }
    }

    /// Forgets every call.
    pub(super) fn clear(&self) {
        match self {
            Self::Time { buckets, .. } => {
                for bucket in buckets {
                    bucket.turn.store(0, Ordering::Relaxed);
                }
            }
            Self::Calls { slots, counts, .. } => {
                for slot in slots {
                    slot.store(0, Ordering::Relaxed);
                }
                counts.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const FAILED: Mark = Mark { failed: true, slow: false };

    #[test]
    fn a_time_window_forgets_what_is_older_than_it() {
        let window = Window::new(options::Window::Time(10 * SECOND));
        window.add(FAILED, Duration::ZERO);
        window.add(Mark::default(), 5 * SECOND);
        assert_eq!(window.totals(9 * SECOND), Totals { calls: 2, failed: 1, slow: 0 });
        assert_eq!(window.totals(10 * SECOND), Totals { calls: 1, failed: 0, slow: 0 });
        assert_eq!(window.totals(15 * SECOND), Totals::default());
        // The bucket of the first call, a turn later.
        window.add(FAILED, 20 * SECOND);
        assert_eq!(window.totals(20 * SECOND), Totals { calls: 1, failed: 1, slow: 0 });
    }

    #[test]
    fn a_window_of_calls_holds_the_last_ones() {
        let window = Window::new(options::Window::Calls(3));
        let slow = Mark { failed: false, slow: true };
        for mark in [FAILED, FAILED, slow, Mark::default()] {
            window.add(mark, Duration::ZERO);
        }
        assert_eq!(window.totals(Duration::ZERO), Totals { calls: 3, failed: 1, slow: 1 });
        window.clear();
        window.add(Mark::default(), Duration::ZERO);
        assert_eq!(window.totals(Duration::ZERO), Totals { calls: 1, failed: 0, slow: 0 });
    }
}
