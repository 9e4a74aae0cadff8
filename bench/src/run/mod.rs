//! Starts upstreams, floors and gateways, and measures them against each other.
//!
//! What is trusted is a ratio within a round: all targets of a cell are measured one after the other within seconds,
//! every second round in reverse order, and only the one under measurement and its upstreams run meanwhile.

mod cell;
mod conditions;
mod fleet;
mod measure;
mod page;
pub(crate) mod process;
mod spread;
mod table;
pub(crate) mod usage;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use cell::Cell;
use conditions::Conditions;
use fleet::Fleet;
use measure::Sample;

/// What `run` is asked to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The gateway's binary [default: built by cargo, release profile]
    #[arg(long)]
    trunkline: Option<PathBuf>,
    /// Measure only the upstream and the floors
    #[arg(long, conflicts_with = "trunkline")]
    without_trunkline: bool,
    /// Rounds over all cells
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Length of one measurement
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Calls before each measurement, in seconds
    #[arg(long, default_value_t = 0.3)]
    warmup: f64,
    /// Only cells whose name contains this, e.g. "echo" or "C=16"
    #[arg(long)]
    only: Option<String>,
    /// Where to write every sample and row as JSON
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace the generated part of this page [default: docs/performance.md]
    #[arg(long, num_args = 0..=1, default_missing_value = "docs/performance.md", value_name = "PAGE")]
    write_docs: Option<PathBuf>,
    /// What build this is, for the conditions: a commit, say
    #[arg(long, env = "TRUNKLINE_BENCH_BUILD")]
    build: Option<String>,
}

/// Everything measured, as written to `--out`.
#[derive(Serialize)]
struct Results {
    conditions: Conditions,
    starts: Vec<fleet::Start>,
    problems: Vec<String>,
    rows: Vec<table::Row>,
    samples: Vec<Sample>,
}

/// Measures, prints, writes. Fails after printing if anything was wrong.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let gateway = gateway(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let results = runtime.block_on(async {
        tokio::select! {
            results = all(options, gateway) => results,
            // The fleet goes with the future that owned it, and its processes with the fleet.
            () = interrupted() => bail!("interrupted; everything started has been ended"),
        }
    })?;
    if let Some(path) = &options.out {
        let json = serde_json::to_string_pretty(&results)?;
        std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let report = page::render(&results);
    if let Some(path) = &options.write_docs {
        page::write(path, &report)?;
    }
    println!("{report}");
    println!("{}", table::summary(&results.rows));
    ensure!(results.problems.is_empty(), "{} problems, listed above", results.problems.len());
    Ok(())
}

async fn all(options: &Options, gateway: Option<PathBuf>) -> anyhow::Result<Results> {
    let length = Duration::try_from_secs_f64(options.seconds).context("--seconds")?;
    let warmup = Duration::try_from_secs_f64(options.warmup).context("--warmup")?;
    let mut cells = cell::all();
    cells.retain(|cell| options.only.as_ref().is_none_or(|only| cell.name().contains(only.as_str())));
    ensure!(!cells.is_empty(), "no cell has such a name");
    let mut fleet = Fleet::start(gateway.as_deref(), &cells).await?;
    let mut samples = Vec::new();
    let mut problems = std::mem::take(&mut fleet.problems);
    for round in 0..options.rounds {
        for (cell, target) in order(&cells, round) {
            let Some(target) = fleet.target(target) else { continue };
            let name = format!("round {}, {}, {}", round + 1, cell.name(), target.name);
            eprintln!("{name}");
            match fleet.measure(cell, target, round, warmup, length).await {
                Ok(sample) => {
                    if let Some(error) = &sample.report.first_error {
                        problems.push(format!("{name}: {} errors, first: {error}", sample.report.errors));
                    }
                    samples.push(sample);
                }
                Err(error) => problems.push(format!("{name}: {error:#}")),
            }
        }
    }
    let rows = table::rows(&cells, &samples);
    let conditions = Conditions::gather(options, gateway.as_deref());
    Ok(Results { conditions, starts: std::mem::take(&mut fleet.starts), problems, rows, samples })
}

/// All measurements of a round; every second round runs backwards.
fn order(cells: &[Cell], round: u32) -> Vec<(&Cell, &'static str)> {
    let mut order: Vec<_> =
        cells.iter().flat_map(|cell| cell.targets.iter().map(move |target| (cell, *target))).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// The binary to measure. Built anew unless given, because a stale one would be measured without anybody noticing.
fn gateway(options: &Options) -> anyhow::Result<Option<PathBuf>> {
    if options.without_trunkline {
        return Ok(None);
    }
    if let Some(path) = &options.trunkline {
        return Ok(Some(path.canonicalize().with_context(|| format!("no binary at {}", path.display()))?));
    }
    let cargo = std::env::var_os("CARGO")
        .context("give --trunkline PATH, or start this by `cargo run` so that it can be built")?;
    let built = std::process::Command::new(cargo).args(["build", "--release", "-p", "trunkline"]).status()?;
    ensure!(built.success(), "the gateway does not build");
    // This binary lies beside it when run from the release profile, and one folder away when not.
    let own = std::env::current_exe()?;
    let target =
        own.parent().and_then(|folder| folder.parent()).context("this binary has no target folder")?;
    Ok(Some(target.join("release").join("trunkline")))
}

/// Ctrl-C, or being asked to end.
pub(crate) async fn interrupted() {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            // Without a handler the signal ends the process by itself.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_round_runs_backwards() {
        let cells = cell::all();
        let names =
            |round| order(&cells, round).iter().map(|(cell, target)| (cell.name(), *target)).collect();
        let (there, mut back): (Vec<_>, Vec<_>) = (names(0), names(1));
        assert_ne!(there, back);
        back.reverse();
        assert_eq!(there, back);
    }
}
