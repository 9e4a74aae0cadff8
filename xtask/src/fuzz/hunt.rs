//! One target for a while.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Walk, folder};
use crate::build;

/// Longest input, in bytes: what is looked for shows in less, and short inputs are many.
const INPUT_BYTES_MAX: usize = 4096;
/// Longest that one input may take, in seconds: more is a finding.
const INPUT_SECONDS_MAX: u64 = 5;
/// Most memory of a target, in MiB: more is a finding.
const MEMORY_MIB_MAX: u64 = 1024;
/// Where a walk that is to be the same each time begins.
const SEED: u32 = 8808;
/// Inputs found here that the next run goes on from. When there are more, it begins with the kept ones again.
const FOUND_MAX: usize = 20_000;

/// Where one target reads and writes.
pub(super) struct Hunt {
    target: String,
    /// What is kept in the repository.
    kept: PathBuf,
    /// What earlier runs on this machine found to reach something new.
    found: PathBuf,
    /// Inputs that broke a property.
    findings: PathBuf,
    log: PathBuf,
    walk: Walk,
}

impl Hunt {
    pub(super) fn new(target: &str, walk: Walk) -> Result<Self> {
        let fuzz = build::root().join("fuzz");
        let found = match walk {
            Walk::Onwards => "found",
            Walk::Repeated => "repeated",
        };
        let hunt = Self {
            target: target.to_owned(),
            kept: fuzz.join("corpus").join(target),
            found: folder().join(found).join(target),
            findings: fuzz.join("findings").join(target),
            log: folder().join("log").join(target),
            walk,
        };
        let most = match walk {
            Walk::Onwards => FOUND_MAX,
            Walk::Repeated => 0,
        };
        if fs::read_dir(&hunt.found).is_ok_and(|found| found.count() > most) {
            fs::remove_dir_all(&hunt.found).context("cannot begin anew")?;
        }
        for dir in [Some(&*hunt.found), Some(&*hunt.findings), hunt.log.parent()].into_iter().flatten() {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        }
        Ok(hunt)
    }

    /// Runs the target and returns how many inputs it tried.
    ///
    /// # Errors
    /// A finding, with what was wrong and the file that shows it.
    pub(super) fn run(&self, program: &Path, seconds: u64) -> Result<u64> {
        let output = File::create(&self.log).context("cannot write the log")?;
        let mut command = Command::new(program);
        command
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
            .arg(format!("-artifact_prefix={}/", self.findings.display()))
            .arg("-print_final_stats=1");
        if let Walk::Repeated = self.walk {
            command.arg(format!("-seed={SEED}"));
        }
        let words = build::root().join("fuzz/words").join(&self.target);
        if words.exists() {
            command.arg(format!("-dict={}", words.display()));
        }
        // What is found goes into the first; the others are only read.
        command.arg(&self.found).arg(&self.kept);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
        let log = String::from_utf8_lossy(&fs::read(&self.log)?).into_owned();
        if !status.success() {
            bail!("{}: {}", self.target, told(&log));
        }
        let runs = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        runs.and_then(|number| number.trim().parse().ok()).context("it did not say how many inputs it tried")
    }
}

/// What was wrong: the panic, and the file with the input.
fn told(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let panic = lines.iter().position(|line| line.contains("panicked at"));
    let from = panic.unwrap_or_else(|| lines.len().saturating_sub(12));
    let mut told: Vec<&str> = lines[from..].iter().take(8).copied().collect();
    told.extend(lines.iter().filter(|line| line.contains("Test unit written to")));
    told.push(
        "`cargo xtask fuzz` says more in docs/testing.md: how to look at a finding, and what becomes of it.",
    );
    told.join("\n")
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn a_finding_is_told_with_its_panic_and_its_file() {
        let log = "#1 INITED\nthread '<unnamed>' panicked at src/sse.rs:7:9:\nleft: 1\nright: 2\n==1== ERROR\nartifact_prefix='x/'; Test unit written to x/crash-1\n";
        let told = told(log);
        assert!(
            told.starts_with("thread") && told.contains("right: 2") && told.contains("x/crash-1"),
            "{told}"
        );
        assert!(!told.contains("INITED"));
    }
}
