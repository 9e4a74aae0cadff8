//! When calls are due in the open loop.
//!
//! A closed loop waits for each answer, so a server that stalls is asked less while it stalls, and its worst moments
//! are hardly seen ("coordinated omission", Gil Tene). Here every call has its time beforehand, and its latency counts
//! from that time, whether or not a connection was free to begin it.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// The shortest sleep of whoever calls the times out. A hundred thousand sleeps a second would take half a processor from
/// what is measured; calls that are due within one are called out together, and their wait counts.
const SLEEP_MIN: Duration = Duration::from_micros(200);

/// So many calls, evenly spaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timetable {
    start: Instant,
    per_second: u32,
    calls: u64,
}

impl Timetable {
    pub(super) fn new(start: Instant, per_second: u32, length: Duration) -> Self {
        let calls = (length.as_secs_f64() * f64::from(per_second)).round().max(1.0);
        #[expect(clippy::cast_sign_loss, reason = "at least 1")]
        Self { start, per_second, calls: calls as u64 }
    }

    /// When a call is due, counted from 0. Taken from its number, so that rounding does not add up.
    fn due(&self, number: u64) -> Instant {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.per_second);
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// All times, in order.
    fn times(self) -> impl Iterator<Item = Instant> {
        (0..self.calls).map(move |number| self.due(number))
    }

    /// Hands out each time when it has come. A thread of its own, because tokio's timer is only exact to a
    /// millisecond. It ends with the timetable, or when nobody listens any more.
    pub(super) fn call_out(self) -> (mpsc::Receiver<Instant>, JoinHandle<()>) {
        // Room for all: one that is not begun on time waits here, and its wait counts.
        let (sender, receiver) = mpsc::channel(usize::try_from(self.calls).unwrap_or(usize::MAX >> 4));
        let thread = std::thread::spawn(move || {
            // The default lets the kernel wake us 50 µs late to save power. Without it we are late, not wrong.
            let _ = nix::sys::prctl::set_timerslack(1);
            for due in self.times() {
                let wait = due.saturating_duration_since(Instant::now());
                if !wait.is_zero() {
                    std::thread::sleep(wait.max(SLEEP_MIN));
                }
                if sender.try_send(due).is_err() {
                    return;
                }
            }
        });
        (receiver, thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::latency::{Report, Tally};

    #[test]
    fn times_are_even_and_do_not_drift() {
        let start = Instant::now();
        let table = Timetable::new(start, 3, Duration::from_secs(1000));
        assert_eq!(table.calls, 3000);
        assert_eq!(table.due(0), start);
        assert_eq!(table.due(3), start + Duration::from_secs(1));
        assert_eq!(table.due(2997), start + Duration::from_secs(999));
    }

    /// One caller, a server that takes 100 µs but once stalls for a second. Times are made up: nothing sleeps.
    fn stalled(from_the_timetable: bool) -> Report {
        let start = Instant::now();
        let table = Timetable::new(start, 1000, Duration::from_secs(10));
        let mut tally = Tally::new();
        let mut free = start;
        for (number, due) in table.times().enumerate() {
            let begun = due.max(free);
            free = begun + Duration::from_micros(if number == 2000 { 1_000_000 } else { 100 });
            let latency = free - if from_the_timetable { due } else { begun };
            tally.right(latency, Some(begun - due), &[]);
        }
        tally.report(Duration::from_secs(10))
    }

    #[test]
    fn a_stall_is_felt_by_every_call_it_delays() {
        let report = stalled(true);
        // A tenth of the calls fall due during the stall; the last of them have waited least.
        assert!(report.p90_us > 50_000.0, "{report:?}");
        assert!(report.p99_us > 800_000.0, "{report:?}");
        assert!(report.begun_late_p99_us.is_some_and(|late| late > 800_000.0), "{report:?}");
    }

    #[test]
    fn measured_from_their_beginning_the_same_calls_look_fine() {
        let report = stalled(false);
        assert!(report.p999_us < 101.0, "{report:?}");
    }
}
