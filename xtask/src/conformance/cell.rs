//! One cell: fixture, gateway, suite, comparison.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::expected::Expected;
use super::{front, suite};
use crate::build;
use crate::guard::{Guarded, Output};
use crate::peers::Peers;

/// For the fixture and the gateway to be up. Node on a busy machine takes its time.
const START_LIMIT: Duration = Duration::from_mins(1);

/// What the suite speaks, and what the fixture speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// `2025-11-25`, `2026-07-28`, `0.1.16` or `all`.
    pub(crate) front: &'static str,
    /// `dual`, `modern-only`, `legacy-only` or `rmcp`.
    pub(crate) back: &'static str,
}

/// How a cell went.
pub(crate) struct Outcome {
    /// Scored scenarios that passed.
    pub(crate) passed: usize,
    /// Scored scenarios.
    pub(crate) total: usize,
    /// Failures that the cell's file does not name, and names in it that do not fail any more.
    pub(crate) unexpected: usize,
    /// What there is to say about failures.
    pub(crate) remarks: Vec<String>,
    /// Scenarios that ran without counting: passed and all.
    pub(crate) unscored: Option<(usize, usize)>,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Cell {
    /// As in the summary line.
    pub(crate) fn name(&self) -> String {
        format!("front={} back={}", self.front, self.back)
    }

    fn file_name(&self) -> String {
        format!("{}--{}", self.front, self.back)
    }

    /// Runs the cell. What the suite wrote stays in a folder of its own under `out`.
    pub(crate) fn run(&self, peers: &Peers, gateway: &Path, out: &Path) -> Result<Outcome> {
        let start = Instant::now();
        let out = out.join(self.file_name());
        if out.exists() {
            fs::remove_dir_all(&out).with_context(|| format!("cannot empty {}", out.display()))?;
        }
        fs::create_dir_all(&out)?;
        let (_fixture, upstream) = self.fixture(peers)?;
        let (gateway, url) = front::start(gateway, &upstream, &out, START_LIMIT)?;
        let results = suite::run(peers, self.front, &url, &out);
        fs::write(out.join("gateway.log"), gateway.drain().join("\n"))?;
        let results = results?;

        let file = build::root().join("tests/conformance").join(format!("{}.yml", self.file_name()));
        let (unexpected, remarks) = Expected::read(&file)?.compare(&results.scored);
        Ok(Outcome {
            passed: results.scored.iter().filter(|scenario| scenario.passed()).count(),
            total: results.scored.len(),
            unexpected,
            remarks,
            unscored: (!results.unscored.is_empty()).then(|| {
                (results.unscored.iter().filter(|scenario| scenario.passed()).count(), results.unscored.len())
            }),
            took: start.elapsed(),
        })
    }

    fn fixture(&self, peers: &Peers) -> Result<(Guarded, String)> {
        let mut command = if self.back == super::RMCP {
            Command::new(peers.path("PEER_RMCP_SUITE")?)
        } else {
            let mut node = Command::new(peers.path("PEER_NODE")?);
            node.arg(build::root().join("tests/peers/fixtures/ts-server.mjs")).args(["--mode", self.back]);
            node
        };
        command.args(["--port", "0"]);
        let fixture = Guarded::start("the fixture", command, Output::Stdout)?;
        let url = fixture.wait_for(START_LIMIT, |line| {
            let said: Value = serde_json::from_str(line).ok()?;
            said.get("url")?.as_str().map(str::to_owned)
        })?;
        Ok((fixture, url))
    }
}
