//! What the kernel says a process has used.

use std::time::Duration;

use anyhow::Context as _;

/// The unit of times in `/proc`: fixed at 100 per second for programs on every architecture Linux has.
const TICK: Duration = Duration::from_millis(10);

/// CPU time so far, and memory now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time of the process itself.
    pub(crate) own: Duration,
    /// The same with its descendants, living and reaped.
    pub(crate) family: Duration,
    /// Resident memory of the process itself.
    pub(crate) rss_kib: u64,
    /// Living descendants.
    pub(crate) children: usize,
}

/// Reads `/proc`. Fails if the process has gone.
pub(crate) fn of(id: u32) -> anyhow::Result<Usage> {
    let root = stat(id).with_context(|| format!("process {id} has gone"))?;
    let descendants = descendants(id);
    let mut ticks = root.own + root.reaped;
    for child in &descendants {
        ticks += stat(*child).map_or(0, |stat| stat.own + stat.reaped);
    }
    Ok(Usage {
        own: duration(root.own),
        family: duration(ticks),
        rss_kib: rss_kib(id).unwrap_or(0),
        children: descendants.len(),
    })
}

/// Children, their children, and so on.
pub(super) fn descendants(id: u32) -> Vec<u32> {
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
    own: u64,
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
    Some(Stat {
        parent: u32::try_from(number(4)?).ok()?,
        own: number(14)? + number(15)?,
        reaped: number(16)? + number(17)?,
    })
}

fn rss_kib(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn duration(ticks: u64) -> Duration {
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_whatever_the_name() {
        let line = "77 (a) b (c) S 12 77 77 0 -1 4194304 100 0 0 0 5 7 11 13 20 0 3 0 99 1 2";
        let stat = parse(line).unwrap();
        assert_eq!((stat.parent, stat.own, stat.reaped), (12, 12, 24));
        assert!(parse("nonsense").is_none());
    }

    #[test]
    fn knows_itself() {
        let usage = of(std::process::id()).unwrap();
        assert!(usage.rss_kib > 100);
        assert!(usage.family >= usage.own);
    }
}
