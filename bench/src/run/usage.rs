//! What the kernel says a process has used.
//!
//! CPU time is read from the process's own clock (clock_getcpuclockid(3)), which counts nanoseconds and keeps what
//! ended threads have used. `utime` and `stime` of `/proc` come in ticks of 10 ms; here they only serve for children
//! that have ended, whose clocks went with them.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The unit of times in `/proc`: fixed at 100 per second for programs on every architecture Linux has.
const TICK: Duration = Duration::from_millis(10);

/// CPU time so far, and memory now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time of the process and its descendants, living and reaped, but not of those that are the
    /// kit's upstream.
    pub(crate) own: Duration,
    /// The same with them.
    pub(crate) family: Duration,
    /// Resident memory of the process itself.
    pub(crate) rss_kib: u64,
    /// Living descendants.
    pub(crate) children: usize,
    /// How many of them are the kit's upstream.
    pub(crate) upstreams: usize,
}

/// Asks the kernel. Fails if the process has gone.
pub(crate) fn of(id: u32) -> anyhow::Result<Usage> {
    let root = used(id).with_context(|| format!("process {id} has gone"))?;
    let descendants = descendants(id);
    let (mut own, mut family, mut upstreams) = (root, root, 0);
    for child in &descendants {
        // One that has gone meanwhile is counted by its parent when it has been waited for.
        let used = used(*child).unwrap_or_default();
        family += used;
        if is_upstream(*child) {
            upstreams += 1;
        } else {
            own += used;
        }
    }
    Ok(Usage { own, family, rss_kib: rss_kib(id).unwrap_or(0), children: descendants.len(), upstreams })
}

/// Its clock, and its reaped children.
fn used(id: u32) -> Option<Duration> {
    let reaped = stat(id)?.reaped;
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(id).ok()?)).ok()?;
    let own = Duration::from(clock_gettime(clock).ok()?);
    Some(own + TICK * u32::try_from(reaped).unwrap_or(u32::MAX))
}

/// Whether it is `trunkline-bench upstream`.
fn is_upstream(id: u32) -> bool {
    let binary = |id: &str| std::fs::read_link(Path::new("/proc").join(id).join("exe")).ok();
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let is_one = line.split(|byte| *byte == 0).nth(1) == Some(b"upstream");
    is_one && binary(&id.to_string()).is_some_and(|path| Some(path) == binary("self"))
}

/// Children, their children, and so on.
pub(crate) fn descendants(id: u32) -> Vec<u32> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    let all: Vec<(u32, u32)> = folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id| Some((id, stat(id)?.parent)))
        .collect();
    let mut family = vec![id];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(all.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child));
        next += 1;
    }
    family.split_off(1)
}

struct Stat {
    parent: u32,
    reaped: u64,
}

fn stat(id: u32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// proc_pid_stat(5). The name is in parentheses and may contain anything, also parentheses.
fn parse(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Field 3 of the manual is the first one here.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat { parent: u32::try_from(number(4)?).ok()?, reaped: number(16)? + number(17)? })
}

/// Memory resident now, counted page by page: the sum in `status` is off by up to 32 pages per core.
pub(crate) fn rss_kib(id: u32) -> Option<u64> {
    kib(&std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?, "Rss:")
}

/// The most that was resident since the start, or since [`forget_peak`].
pub(crate) fn peak_kib(id: u32) -> Option<u64> {
    kib(&std::fs::read_to_string(format!("/proc/{id}/status")).ok()?, "VmHWM:")
}

/// proc_pid_clear_refs(5): 5 sets the peak to what is resident now.
pub(crate) fn forget_peak(id: u32) -> anyhow::Result<()> {
    let path = format!("/proc/{id}/clear_refs");
    std::fs::write(&path, "5").with_context(|| format!("cannot write {path}"))
}

/// The first `key value kB`.
fn kib(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_whatever_the_name() {
        let line = "77 (a) b (c) S 12 77 77 0 -1 4194304 100 0 0 0 5 7 11 13 20 0 3 0 99 1 2";
        let stat = parse(line).unwrap();
        assert_eq!((stat.parent, stat.reaped), (12, 24));
        assert!(parse("nonsense").is_none());
    }

    #[test]
    fn reads_memory_whatever_stands_around_it() {
        let status = "Name:\tx\nVmHWM:\t    9000 kB\nVmRSS:\t    7000 kB\nThreads:\t3\n";
        assert_eq!(kib(status, "VmHWM:"), Some(9000));
        let rollup = "5581-7ffd ---p 00000000 00:00 0    [rollup]\nRss:    2648 kB\nPss_Dirty:   9 kB\n";
        assert_eq!(kib(rollup, "Rss:"), Some(2648));
        assert_eq!(kib(status, "VmSwap:"), None);
    }

    #[test]
    fn the_time_of_threads_that_have_ended_is_not_lost() {
        let before = of(std::process::id()).unwrap();
        let spun = std::thread::spawn(|| {
            let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
            let mut used = Duration::ZERO;
            while used < Duration::from_millis(20) {
                used = clock_gettime(clock).unwrap().into();
            }
            used
        })
        .join()
        .unwrap();
        let after = of(std::process::id()).unwrap();
        let counted = after.own.saturating_sub(before.own);
        assert!(counted >= spun, "{counted:?} of {spun:?}");
        assert!(after.family >= after.own && after.rss_kib > 100);
    }

    #[test]
    fn a_peak_is_at_least_what_is_there() {
        let id = std::process::id();
        forget_peak(id).unwrap();
        let filled = vec![1_u8; 32 << 20];
        assert!(peak_kib(id).unwrap() >= filled.len() as u64 / 1024, "{}", filled[1]);
    }
}
