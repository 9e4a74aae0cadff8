//! What the helper process does.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, setsid};
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::SignalKind;

/// For the children to end by themselves after the gateway is gone.
const GRACE: Duration = Duration::from_secs(2);

/// Between two looks at who is left.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The whole life of the helper process: keeps the set of groups told on `line` (`+<id>` and `-<id>`, one per line),
/// and when `line` ends, ends every group that is left (SIGTERM, two seconds, SIGKILL) and returns. Not to be called
/// within a Tokio runtime.
pub fn run(line: impl Read) {
    let _shield = stand_apart();
    let groups = listen(line);
    end(groups);
}

/// Out of reach of Ctrl-C, of a closing terminal and of whoever ends the gateway's group. In vain at worst: then we
/// are merely easier to end, and the gateway starts us again.
fn stand_apart() -> Option<Runtime> {
    // Tokio's handlers do nothing by themselves, which is what ignoring means; setting our own needs unsafe code.
    // They hold for the whole process and are in place before we lead a session that can be found.
    let runtime = runtime::Builder::new_current_thread().enable_io().build().ok();
    if let Some(runtime) = &runtime {
        let _context = runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let _ = tokio::signal::unix::signal(kind);
        }
    }
    // Fails only when we lead a group already, which is apart enough.
    let _ = setsid();
    runtime
}

/// Collects groups until the line ends.
fn listen(line: impl Read) -> BTreeSet<i32> {
    let mut groups = BTreeSet::new();
    for order in BufReader::new(line).lines().map_while(Result::ok) {
        match parse(&order) {
            Some((true, group)) => groups.insert(group),
            Some((false, group)) => groups.remove(&group),
            None => false,
        };
    }
    groups
}

/// An order: whether to add, and which group. Group 0 would be our own and group 1 belongs to init.
fn parse(order: &str) -> Option<(bool, i32)> {
    let add = order.starts_with('+');
    let number = order.strip_prefix(['+', '-'])?;
    let group = number.bytes().all(|digit| digit.is_ascii_digit()).then(|| number.parse().ok())??;
    (group > 1).then_some((add, group))
}

fn end(mut groups: BTreeSet<i32>) {
    for group in &groups {
        signal(*group, Signal::SIGTERM);
        // A stopped process hears nothing until it goes on.
        signal(*group, Signal::SIGCONT);
    }
    let deadline = Instant::now() + GRACE;
    groups.retain(|group| is_alive(*group));
    while !groups.is_empty() && Instant::now() < deadline {
        std::thread::sleep(LOOK_EVERY);
        groups.retain(|group| is_alive(*group));
    }
    for group in &groups {
        signal(*group, Signal::SIGKILL);
    }
}

fn signal(group: i32, signal: Signal) {
    // It may have ended meanwhile, which is what we want.
    let _ = killpg(Pid::from_raw(group), signal);
}

fn is_alive(group: i32) -> bool {
    killpg(Pid::from_raw(group), None).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{listen, parse};

    #[test]
    fn groups_come_and_go_and_nonsense_is_passed_over() {
        let groups = listen(&b"+100\n+200\nhello\n-100\n+300\n-999\n"[..]);
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), [200, 300]);
    }

    #[test]
    fn our_own_group_and_that_of_init_are_never_taken() {
        for order in ["+0", "+1", "+-5", "++7", "+", "", "7", "+99999999999", "+ 7"] {
            assert_eq!(parse(order), None, "{order}");
        }
        assert_eq!(parse("-42"), Some((false, 42)));
    }
}
