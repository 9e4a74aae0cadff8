//! The official conformance suite through the gateway, cell by cell: in its server mode it is the gateway's client, in
//! its client mode the gateway's server.
//!
//! A server-mode cell is a front (what the suite speaks) and a back (what the fixture behind the gateway speaks). Each has a file of
//! expected failures in `tests/conformance/` that may only shrink.

mod behind;
mod cell;
mod client;
mod expected;
mod front;
mod network;
mod suite;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::build;
use crate::peers::Peers;
use crate::report::{Counts, Report};

pub(crate) use behind::{COMMAND as BEHIND, run as behind};
pub(crate) use cell::{Cell, Outcome};

/// The suites and revisions, as `--front` names them. `all` is everything that the second generation has, extensions
/// included.
const FRONTS: [&str; 4] = ["2025-11-25", "2026-07-28", "0.1.16", ALL];
const ALL: &str = "all";

/// The modes of the TypeScript fixture, and the one on rmcp.
const BACKS: [&str; 4] = ["dual", "modern-only", "legacy-only", RMCP];
const RMCP: &str = "rmcp";

/// `cargo xtask conformance`.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let (mut front, mut back, mut keep) = (None, None, None);
    let (mut client, mut requirements) = (false, None);
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        if flag == "--client" {
            client = true;
            continue;
        }
        let Some(value) = rest.next() else { bail!("{flag} wants a value") };
        match flag.as_str() {
            "--front" if FRONTS.contains(&value.as_str()) => front = Some(value.as_str()),
            "--back" if BACKS.contains(&value.as_str()) => back = Some(value.as_str()),
            "--requirements" if client::CELLS.iter().any(|cell| cell.revision == *value) => {
                requirements = Some(value.as_str());
            }
            "--keep" => keep = Some(PathBuf::from(value)),
            "--front" => bail!("--front is one of {}", FRONTS.join(", ")),
            "--back" => bail!("--back is one of {}", BACKS.join(", ")),
            "--requirements" => bail!("--requirements is 2025-11-25 or 2026-07-28"),
            _ => bail!("unknown argument {flag}"),
        }
    }
    if client && (front.is_some() || back.is_some()) {
        bail!("--front and --back are for the suite's server mode; without --client");
    }
    if requirements.is_some() && !client {
        bail!("--requirements goes with --client");
    }
    let peers = Peers::install()?;
    let gateway = build::gateway()?;
    let out = keep.unwrap_or_else(|| build::target_dir().join("conformance"));
    let mut report = Report::default();
    if !client {
        for cell in cells(front, back) {
            note(&cell.name(), cell.run(&peers, &gateway, &out), &mut report);
        }
    }
    if front.is_none() && back.is_none() {
        clients(requirements, &peers, &gateway, &out, &mut report);
    }
    println!("\nwhat the suite saw: {}", out.display());
    Ok(report.close())
}

/// The cells with this front and this back, or all.
pub(crate) fn cells<'a>(front: Option<&'a str>, back: Option<&'a str>) -> impl Iterator<Item = Cell> + 'a {
    let fronts = FRONTS.into_iter().filter(move |name| front.is_none_or(|wanted| wanted == *name));
    fronts.flat_map(move |front_name| {
        let backs = BACKS.into_iter().filter(move |name| back.is_none_or(|wanted| wanted == *name));
        // Only rmcp serves the extensions.
        let backs = backs.filter(move |back_name| front_name != ALL || *back_name == RMCP);
        backs.map(move |back_name| Cell { front: front_name, back: back_name })
    })
}

/// Runs the client-mode cells, those with this revision or all. Where they cannot run the report says so.
pub(crate) fn clients(
    revision: Option<&str>,
    peers: &Peers,
    gateway: &Path,
    out: &Path,
    report: &mut Report,
) {
    for cell in client::CELLS.iter().filter(|cell| revision.is_none_or(|wanted| wanted == cell.revision)) {
        let Some(outcome) = cell.run(peers, gateway, out).transpose() else {
            let why = "SKIPPED: no network namespace on this machine (`unshare -n`, `ip`), and the suite's servers \
                       listen on all addresses";
            report.add(
                &format!("conformance: {}", cell.name()),
                Counts::default(),
                Duration::ZERO,
                why.to_owned(),
            );
            continue;
        };
        note(&cell.name(), outcome, report);
    }
}

/// Says how a cell went, ending with its summary line.
pub(crate) fn note(cell: &str, outcome: Result<Outcome>, report: &mut Report) {
    println!("\n=== conformance {cell}");
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let failed = Counts { passed: 0, total: 1, failed: 1 };
            report.add(&format!("conformance: {cell}"), failed, Duration::ZERO, format!("{error:#}"));
            return;
        }
    };
    for line in &outcome.remarks {
        println!("  {line}");
    }
    if let Some((passed, total)) = outcome.unscored {
        println!("  not scored: {passed} of {total} pass");
    }
    let counts = Counts { passed: outcome.passed, total: outcome.total, failed: outcome.unexpected };
    report.add(&format!("conformance: {cell}"), counts, outcome.took, String::new());
}
