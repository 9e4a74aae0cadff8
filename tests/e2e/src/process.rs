//! Processes: guarded, and looked at through `/proc`.

use std::fs;
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait;

/// A child process that ends with this value, also when a test panics.
#[derive(Debug)]
pub struct Guarded(pub Child);

impl Guarded {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Both fail only for a process that has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a signal.
///
/// # Panics
/// When there is no such process.
pub fn signal(pid: u32, signal: Signal) {
    kill(as_pid(pid), signal).unwrap_or_else(|error| panic!("cannot send {signal} to {pid}: {error}"));
}

/// Whether a process exists and is no zombie.
pub fn lives(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// All living descendants of a process.
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut parents: Vec<(u32, u32)> = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(one) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end between the listing and the look.
        if let Some((state, parent)) = stat(one)
            && state != 'Z'
        {
            parents.push((one, parent));
        }
    }
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(one, _)| *one));
        at += 1;
    }
    found.remove(0);
    found
}

/// The command line, with spaces.
pub fn command_line(pid: u32) -> String {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&raw).replace('\0', " ")
}

/// The living processes whose command line contains `text`.
pub fn with_command(text: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| lives(pid) && command_line(pid).contains(text)).collect()
}

/// Resident memory in KiB.
///
/// # Panics
/// When the process has gone.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("VmRSS is a number")
}

/// How many files, sockets and pipes a process has open.
///
/// # Panics
/// When the process has gone.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process lives").count()
}

/// Processor time that it has used, in ticks of 10 ms.
///
/// # Panics
/// When the process has gone.
pub fn ticks(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let fields: Vec<&str> =
        text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    // Fields 14 and 15 of proc_pid_stat(5); the command and the process id before it are left out here.
    [11, 12]
        .iter()
        .map(|at| fields.get(*at).and_then(|ticks| ticks.parse::<u64>().ok()).expect("a number"))
        .sum()
}

/// Waits until none of these processes is left.
pub fn wait_until_gone(pids: &[u32], limit: Duration) {
    wait::until(limit, &format!("the end of {pids:?}"), || {
        let left: Vec<u32> = pids.iter().copied().filter(|&pid| lives(pid)).collect();
        left.is_empty().then_some(())
    });
}

/// State and parent. The command in brackets may hold anything, so the fields are counted from its end.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn as_pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("process ids are small"))
}
