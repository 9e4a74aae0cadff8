//! How often a server is asked about a task.

use std::time::Duration;

use trunkline_protocol::tasks::Task;

/// Never more often than this, whatever the server allows.
const FLOOR: Duration = Duration::from_millis(500);
/// A server that wants to be asked less often than this is asked this often: somebody waits.
const CEILING: Duration = Duration::from_mins(5);
/// A task that does not change is asked about ever more rarely, down to this.
const RARELY: Duration = Duration::from_secs(5);

/// The waits between questions about one task.
#[derive(Debug)]
pub(crate) struct Pace {
    least: Duration,
    next: Duration,
}

impl Pace {
    pub(crate) fn of(task: &Task) -> Self {
        let least = least(task);
        Self { least, next: least }
    }

    /// The wait before the next question, given what the last one told.
    pub(crate) fn wait(&mut self, task: &Task, changed: bool) -> Duration {
        self.least = least(task);
        self.next = if changed { self.least } else { self.next.max(self.least) };
        let wait = self.next;
        self.next = (wait + wait / 2).min(RARELY.max(self.least));
        wait
    }
}

fn least(task: &Task) -> Duration {
    task.poll_ms.map_or(FLOOR, Duration::from_millis).clamp(FLOOR, CEILING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(poll_ms: Option<u64>) -> Task {
        Task { poll_ms, ..Task::ended("now", 0) }
    }

    #[test]
    fn a_server_is_never_asked_more_often_than_it_wants_and_ever_more_rarely() {
        let fast = task(Some(1));
        let mut pace = Pace::of(&fast);
        let waits: Vec<u128> = (0..9).map(|_| pace.wait(&fast, false).as_millis()).collect();
        assert_eq!(waits, [500, 750, 1125, 1687, 2531, 3796, 5000, 5000, 5000]);
        assert_eq!(pace.wait(&fast, true).as_millis(), 500);
        for (wanted, least) in [(Some(8000), 8000), (None, 500), (Some(u64::MAX), 300_000)] {
            let slow = task(wanted);
            let mut pace = Pace::of(&slow);
            for _ in 0..5 {
                assert!(pace.wait(&slow, false).as_millis() >= least);
            }
        }
        // A server that changes its mind is heard.
        assert_eq!(pace.wait(&task(Some(9000)), true).as_millis(), 9000);
    }
}
