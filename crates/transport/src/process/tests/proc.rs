//! What the kernel says about processes and descriptors.

use std::fs;
use std::time::Duration;

/// One process as `/proc/<pid>/stat` shows it.
struct Process {
    state: String,
    parent: u32,
    group: u32,
}

fn processes() -> Vec<Process> {
    let stats = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        fs::read_to_string(entry.path().join("stat")).ok()
    });
    let parse = |stat: String| {
        // The command may hold spaces; the fields begin after its closing parenthesis.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned);
        let state = fields.next()?;
        Some(Process { state, parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
    };
    stats.filter_map(parse).collect()
}

/// Processes of a group that still run.
pub(super) fn alive(group: u32) -> usize {
    processes().iter().filter(|process| process.group == group && process.state != "Z").count()
}

/// Whether the leader of a group, or another of our children in it, waits to be reaped.
pub(super) fn has_zombie(group: u32) -> bool {
    let own = std::process::id();
    processes().iter().any(|process| process.group == group && process.parent == own && process.state == "Z")
}

/// Whether some process of a group is stopped by a signal.
pub(super) fn is_stopped(group: u32) -> bool {
    processes().iter().any(|process| process.group == group && process.state == "T")
}

/// Children of ours in any state, and open descriptors.
pub(super) fn children_and_descriptors() -> (usize, usize) {
    let own = std::process::id();
    let children = processes().iter().filter(|process| process.parent == own).count();
    (children, fs::read_dir("/proc/self/fd").unwrap().count())
}

/// Waits until `condition` holds; ten seconds without it fail the test.
pub(super) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), holds).await;
    assert!(waited.is_ok(), "never happened: {what}");
}
