//! The suite's client mode: its mock servers against the gateway's upstream side.
//!
//! Each scenario is a mock server that watches its client. The suite starts [`behind`] as that client, once per
//! scenario. Scenarios about authorization are not here: the gateway is no OAuth client yet.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::behind;
use super::cell::Outcome;
use super::expected::Expected;
use super::network::Network;
use super::suite::{self, Scenario};
use crate::build;
use crate::peers::Peers;

/// Scenarios in which the mock server speaks this revision.
pub(crate) struct ClientCell {
    /// `2025-11-25` or `2026-07-28`.
    pub(crate) revision: &'static str,
    scored: &'static [&'static str],
    unscored: &'static [&'static str],
}

/// Every scenario of the frozen lists that is not about authorization.
pub(crate) const CELLS: [ClientCell; 2] = [
    ClientCell {
        revision: "2025-11-25",
        scored: &["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"],
        unscored: &["json-schema-2020-12-preservation"],
    },
    ClientCell {
        revision: "2026-07-28",
        scored: &[
            "tools_call",
            "request-metadata",
            "sep-2322-client-request-state",
            "http-standard-headers",
            "http-custom-headers",
            "http-invalid-tool-headers",
            "json-schema-ref-no-deref",
        ],
        unscored: &["json-schema-2020-12-preservation"],
    },
];

impl ClientCell {
    /// As in the summary line.
    pub(crate) fn name(&self) -> String {
        format!("client={}", self.revision)
    }

    /// Runs the cell; `None` on a machine that does not let us shut the mock servers in.
    pub(crate) fn run(&self, peers: &Peers, gateway: &Path, out: &Path) -> Result<Option<Outcome>> {
        let start = Instant::now();
        let Some(network) = Network::find() else { return Ok(None) };
        let name = format!("client-{}", self.revision);
        let out = out.join(&name);
        if out.exists() {
            fs::remove_dir_all(&out).with_context(|| format!("cannot empty {}", out.display()))?;
        }
        let file = build::root().join("tests/conformance").join(format!("{name}.yml"));
        let expected = Expected::read(&file)?;
        let mut all = Vec::new();
        for scenario in self.scored.iter().chain(self.unscored) {
            all.push(self.scenario(scenario, peers, gateway, &network, &out.join(scenario))?);
        }
        // One that does not count must not break unnoticed either.
        let (unexpected, remarks) = expected.compare(&all);
        let (scored, unscored) = all.split_at(self.scored.len());
        let passed = |list: &[Scenario]| list.iter().filter(|scenario| scenario.passed()).count();
        Ok(Some(Outcome {
            passed: passed(scored),
            total: scored.len(),
            unexpected,
            remarks,
            unscored: Some((passed(unscored), unscored.len())),
            took: start.elapsed(),
        }))
    }

    fn scenario(
        &self,
        scenario: &str,
        peers: &Peers,
        gateway: &Path,
        network: &Network,
        out: &Path,
    ) -> Result<Scenario> {
        fs::create_dir_all(out)?;
        let node = peers.path("PEER_NODE")?;
        let line = behind::command_line(gateway, &node, out)?;
        let mut command = network.command(&node);
        command.arg(peers.path("PEER_CONFORMANCE_2")?).args(["client", "--scenario", scenario]);
        command.args(["--spec-version", self.revision, "--command", &line]);
        command.args(["--timeout", &behind::LIMIT.as_millis().to_string()]);
        let checks = out.join("checks");
        command.arg("-o").arg(&checks);
        let log = out.join("suite.log");
        let (_, ok) = suite::said(command, &log)?;
        let Some(folder) = fs::read_dir(&checks).ok().and_then(|mut entries| entries.next()) else {
            bail!("the suite did not run {scenario}; see {}", log.display());
        };
        let mut failures = suite::failed_checks(&folder?.path().join("checks.json"), false)?;
        if !ok && failures.is_empty() {
            failures.push(("scenario".to_owned(), format!("the client failed; see {}", log.display())));
        }
        Ok(Scenario { name: scenario.to_owned(), failures })
    }
}
