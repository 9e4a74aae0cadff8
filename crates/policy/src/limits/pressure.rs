//! What the gateway itself can still bear: memory, and how late its event loop is.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Of 1024 new calls so many are refused.
const ALL: u32 = 1024;
/// How much more, or less, after each look at an event loop that is late, or is not.
const STEP: u32 = ALL / 16;

/// How the gateway is. Written by one task, read by every call.
#[derive(Debug, Default)]
pub struct Pressure {
    memory: AtomicBool,
    lag: AtomicU32,
    /// Whether the look before this one came late.
    was_late: AtomicBool,
    /// Spreads refusals evenly.
    turn: AtomicU32,
}

impl Pressure {
    /// Takes in a look at the process: resident bytes, and how late the event loop was. `most` is what memory and
    /// lateness may be.
    pub fn look(&self, resident: Option<usize>, late: Duration, most: (Option<usize>, Option<Duration>)) {
        let tight = match (resident, most.0) {
            // Once tight, until a twentieth more is free: else it would begin and end with every call.
            (Some(resident), Some(most)) if self.memory.load(Ordering::Relaxed) => {
                resident >= most / 100 * 85
            }
            (Some(resident), Some(most)) => resident >= most / 100 * 90,
            _ => false,
        };
        self.memory.store(tight, Ordering::Relaxed);
        let is_late = most.1.is_some_and(|most| late > most);
        // Once is no overload: whoever was stopped, or asleep with its machine, comes late once and is well.
        let again = self.was_late.swap(is_late, Ordering::Relaxed) && is_late;
        let share = self.lag.load(Ordering::Relaxed);
        let share = match (most.1, is_late) {
            (Some(_), true) if again => (share + STEP).min(ALL - STEP),
            (Some(_), true) => share,
            (Some(_), false) => share.saturating_sub(STEP),
            (None, _) => 0,
        };
        self.lag.store(share, Ordering::Relaxed);
    }

    /// Whether memory is tight: every new call is refused, and nobody should send any.
    pub fn is_tight(&self) -> bool {
        self.memory.load(Ordering::Relaxed)
    }

    /// Whether the call that comes now is to be refused, and why.
    pub(super) fn sheds(&self) -> Option<&'static str> {
        if self.is_tight() {
            return Some("the gateway is short of memory; try again later");
        }
        let share = self.lag.load(Ordering::Relaxed);
        if share == 0 {
            return None;
        }
        let before = self.turn.fetch_add(share, Ordering::Relaxed);
        let refused = before % ALL + share >= ALL;
        refused.then_some("the gateway has more to do than it can; try again later")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: (Option<usize>, Option<Duration>) = (Some(1000), Some(Duration::from_millis(500)));

    #[test]
    fn memory_above_nine_tenths_refuses_everything_new_until_some_is_free_again() {
        let pressure = Pressure::default();
        for (resident, tight) in [(890, false), (900, true), (860, true), (849, false), (890, false)] {
            pressure.look(Some(resident), Duration::ZERO, MOST);
            assert_eq!((pressure.is_tight(), pressure.sheds().is_some()), (tight, tight), "{resident}");
        }
        pressure.look(Some(999), Duration::ZERO, (None, None));
        assert!(!pressure.is_tight(), "without a bound it is never tight");
    }

    #[test]
    fn a_late_event_loop_refuses_a_share_that_grows_and_shrinks() {
        let pressure = Pressure::default();
        let refused = || (0..1024).filter(|_| pressure.sheds().is_some()).count();
        let late = Duration::from_millis(501);
        assert_eq!(refused(), 0);
        pressure.look(None, Duration::from_hours(1), MOST);
        assert_eq!(refused(), 0, "a process that was stopped is late once");
        pressure.look(None, late, MOST);
        assert_eq!(refused(), 64);
        pressure.look(None, late, MOST);
        assert_eq!(refused(), 128);
        (0..100).for_each(|_| pressure.look(None, late, MOST));
        assert_eq!(refused(), 960, "some are always tried: else it would never be known that it is over");
        (0..15).for_each(|_| pressure.look(None, Duration::ZERO, MOST));
        assert_eq!(refused(), 0);
    }
}
