//! The suite itself: how it is called, and what it says.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::peers::Peers;

/// For one scenario. Direct runs of the whole suite take five seconds.
const SCENARIO_LIMIT_MS: &str = "15000";

/// For the whole suite, should it hang in between. Killed with the value that holds it.
const SUITE_LIMIT: std::time::Duration = std::time::Duration::from_mins(5);

/// One scenario and the checks of it that failed, with the suite's reason.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// The suite's name for it.
    pub(crate) name: String,
    /// Check and reason.
    pub(crate) failures: Vec<(String, String)>,
}

impl Scenario {
    /// Whether nothing failed.
    pub(crate) fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// What a run gave.
pub(crate) struct Results {
    /// Scenarios of the frozen list.
    pub(crate) scored: Vec<Scenario>,
    /// Scenarios that run without counting.
    pub(crate) unscored: Vec<Scenario>,
}

/// Runs the suite for `front` against `url`; its output stays in `out`.
pub(crate) fn run(peers: &Peers, front: &str, url: &str, out: &Path) -> Result<Results> {
    let first_generation = front == "0.1.16";
    let suite = peers.path(if first_generation { "PEER_CONFORMANCE_1" } else { "PEER_CONFORMANCE_2" })?;
    let mut command = Command::new(peers.path("PEER_NODE")?);
    command.arg(suite).args(["server", "--url", url]);
    if first_generation {
        command.args(["--suite", "all"]);
    } else if front == super::ALL {
        command.args(["--suite", "all", "--timeout", SCENARIO_LIMIT_MS]);
    } else {
        command.args(["--requirements", front, "--timeout", SCENARIO_LIMIT_MS]);
    }
    command.arg("-o").arg(out.join("checks"));
    let log = out.join("suite.log");
    let (said, _) = said(command, &log)?;
    let summary =
        Summary::parse(&said).with_context(|| format!("the suite gave no summary; see {}", log.display()))?;

    let mut results = Results { scored: Vec::new(), unscored: Vec::new() };
    for (name, ok) in summary.scenarios {
        let mut failures = failures(&out.join("checks"), &name, first_generation)?;
        if !ok && failures.is_empty() {
            failures.push(("scenario".to_owned(), "did not finish".to_owned()));
        }
        let to = if summary.unscored.contains(&name) { &mut results.unscored } else { &mut results.scored };
        to.push(Scenario { name, failures });
    }
    Ok(results)
}

/// Everything the suite printed, and whether it was content. That counts extensions too, so for a whole run it says
/// nothing.
pub(crate) fn said(mut command: Command, log: &Path) -> Result<(String, bool)> {
    let file = File::create(log)?;
    let errors = file.try_clone()?;
    let mut child =
        command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn().context("cannot start the suite")?;
    let deadline = std::time::Instant::now() + SUITE_LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if std::time::Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            bail!("the suite did not end within {SUITE_LIMIT:?}");
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    Ok((fs::read_to_string(log)?, status.success()))
}

/// The suite's closing lines.
struct Summary {
    scenarios: Vec<(String, bool)>,
    unscored: Vec<String>,
}

impl Summary {
    fn parse(said: &str) -> Option<Self> {
        let (_, closing) = said.rsplit_once("=== SUMMARY ===")?;
        let (mut scenarios, mut unscored) = (Vec::new(), Vec::new());
        let mut scored = true;
        for line in closing.lines() {
            let line = line.trim();
            scored &= !line.starts_with("Not scored");
            let Some((ok, rest)) = mark(line) else { continue };
            if scored {
                scenarios.push((rest.split(':').next().unwrap_or(rest).trim().to_owned(), ok));
            } else {
                unscored.push(rest.split(' ').next().unwrap_or(rest).to_owned());
            }
        }
        (!scenarios.is_empty()).then_some(Self { scenarios, unscored })
    }
}

fn mark(line: &str) -> Option<(bool, &str)> {
    let passed = line.strip_prefix("✓ ").map(|rest| (true, rest));
    passed.or_else(|| line.strip_prefix("✗ ").map(|rest| (false, rest)))
}

/// The checks of a scenario that failed. To the second generation a warning is a failure too.
fn failures(checks: &Path, scenario: &str, first_generation: bool) -> Result<Vec<(String, String)>> {
    let mut failures = Vec::new();
    for entry in fs::read_dir(checks).with_context(|| format!("cannot read {}", checks.display()))? {
        let entry = entry?;
        let folder = entry.file_name().to_string_lossy().into_owned();
        // server-<scenario>-2026-11-23T07-40-06-728Z
        let name = folder.strip_prefix("server-").and_then(|name| name.get(..name.len().checked_sub(25)?));
        if name != Some(scenario) {
            continue;
        }
        failures.extend(failed_checks(&entry.path().join("checks.json"), first_generation)?);
    }
    Ok(failures)
}

/// The checks in one file that failed, with the suite's reasons.
pub(crate) fn failed_checks(file: &Path, first_generation: bool) -> Result<Vec<(String, String)>> {
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let list: Vec<Value> = serde_json::from_slice(&text)?;
    let mut failures = Vec::new();
    for check in &list {
        let status = check["status"].as_str().unwrap_or_default();
        if status == "FAILURE" || (status == "WARNING" && !first_generation) {
            let reason = check["errorMessage"].as_str().unwrap_or("no reason given");
            let short: String = reason.lines().next().unwrap_or_default().chars().take(240).collect();
            failures.push((check["id"].as_str().unwrap_or("?").to_owned(), short));
        }
    }
    Ok(failures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_tells_scored_scenarios_from_the_others() {
        let said = "=== SUMMARY ===\n✓ tools-list: 2 passed, 0 failed\n✗ tasks-lifecycle: 1 passed, 8 failed\n\nTotal: 3 passed\n\nNot scored for 2026-07-28: 1 scenario(s) run, 1 failing.\n  ✗ tasks-lifecycle (extension)\n";
        let summary = Summary::parse(said).unwrap();
        assert_eq!(
            summary.scenarios,
            [("tools-list".to_owned(), true), ("tasks-lifecycle".to_owned(), false)]
        );
        assert_eq!(summary.unscored, ["tasks-lifecycle"]);
    }
}
