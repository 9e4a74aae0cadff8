//! Under what conditions a run was made: what somebody needs to repeat it, or to doubt it.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::Options;
use crate::peers::peer::AtHand;

#[derive(Serialize)]
pub(super) struct Conditions {
    pub(super) unix_time: u64,
    pub(super) build: String,
    pub(super) gateway: String,
    /// Peers that took part, with their versions.
    pub(super) peers: Vec<String>,
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) memory: String,
    pub(super) kernel: String,
    pub(super) congestion_control: String,
    /// With huge pages, memory comes in steps of 2 MiB.
    pub(super) huge_pages: String,
    pub(super) load_average: String,
    pub(super) rounds: u32,
    pub(super) seconds: f64,
    pub(super) warmup: f64,
    pub(super) repeats: u32,
    /// Sizes of a try: no figures to trust.
    pub(super) quick: bool,
}

impl Conditions {
    pub(super) fn gather(options: &Options, gateway: Option<&Path>, peers: &[AtHand]) -> Self {
        Self {
            unix_time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs()),
            build: options.build.clone().unwrap_or_else(|| "not named".to_owned()),
            gateway: gateway.map_or_else(|| "none".to_owned(), version),
            peers: peers.iter().map(AtHand::label).collect(),
            cpu: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory: field("/proc/meminfo", "MemTotal"),
            kernel: line("/proc/sys/kernel/osrelease"),
            congestion_control: line("/proc/sys/net/ipv4/tcp_congestion_control"),
            huge_pages: chosen(&line("/sys/kernel/mm/transparent_hugepage/enabled")),
            load_average: line("/proc/loadavg"),
            rounds: options.rounds(),
            seconds: options.seconds(),
            warmup: options.warmup(),
            repeats: options.repeats(),
            quick: options.quick,
        }
    }
}

fn version(gateway: &Path) -> String {
    let said =
        Command::new(gateway).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if said.is_empty() { "of unknown version".to_owned() } else { said }
}

fn line(path: &str) -> String {
    std::fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// The word in brackets, by which the kernel marks the setting in force.
fn chosen(settings: &str) -> String {
    let word = settings.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    word.map_or(settings, |(word, _)| word).to_owned()
}

/// The first `key : value` of a file.
fn field(path: &str, key: &str) -> String {
    line(path)
        .lines()
        .find_map(|line| line.strip_prefix(key)?.split_once(':'))
        .map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_in_force_is_told() {
        assert_eq!(chosen("always [madvise] never"), "madvise");
        assert_eq!(chosen("unknown"), "unknown");
    }
}
