//! Starts upstreams, floors and gateways, and measures them against each other.
//!
//! What is trusted is a ratio within a round: all targets of a cell are measured one after the other within seconds,
//! every second round in reverse order, and only the one under measurement and its upstreams run meanwhile.

mod cell;
mod conditions;
mod fleet;
mod goals;
mod inventory;
pub(crate) mod measure;
mod page;
mod plot;
pub(crate) mod process;
mod spread;
pub(crate) mod start;
mod table;
mod target;
pub(crate) mod usage;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use cell::Cell;
use conditions::Conditions;
use fleet::Fleet;
use measure::Sample;

use crate::peers::options::{Absent, Options as Peers};

/// Cells of one caller are measured in so many times as many rounds.
const LONE_ROUNDS: u32 = 8;

/// What `run` is asked to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The gateway's binary [default: built by cargo, release profile]
    #[arg(long, env = "TRUNKLINE_BIN")]
    trunkline: Option<PathBuf>,
    /// Measure only the upstream and the floors, whatever binary is named
    #[arg(long)]
    without_trunkline: bool,
    /// Everything once and small, to see that it works: one round of 0.5 s, inventories of a tenth. No figures to trust
    #[arg(long)]
    quick: bool,
    /// Rounds over all cells [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Length of one measurement [default: 1.2]
    #[arg(long)]
    seconds: Option<f64>,
    /// Calls before each measurement, in seconds [default: 0.3]
    #[arg(long)]
    warmup: Option<f64>,
    /// How often each inventory is taken [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: Option<u32>,
    /// Over how many calls memory may not grow [default: 100000]
    #[arg(long, value_name = "CALLS", value_parser = clap::value_parser!(u64).range(1..))]
    calls_for_growth: Option<u64>,
    /// Only cells and inventories whose name contains this, e.g. "echo", "C=16", "inventory" or "memory per"
    #[arg(long)]
    only: Option<String>,
    /// Fail if a figure is worse than what the goals refuse
    #[arg(long)]
    check_goals: bool,
    /// Where to write every sample and row as JSON
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace the generated part of this page, and the pictures in `plots` beside it [default: docs/performance.md]
    #[arg(long, num_args = 0..=1, default_missing_value = "docs/performance.md", value_name = "PAGE")]
    write_docs: Option<PathBuf>,
    #[command(flatten)]
    peers: Peers,
    /// What build this is, for the conditions: a commit, say
    #[arg(long, env = "TRUNKLINE_BENCH_BUILD")]
    build: Option<String>,
}

impl Options {
    const fn rounds(&self) -> u32 {
        match self.rounds {
            Some(rounds) => rounds,
            None if self.quick => 1,
            None => 5,
        }
    }

    const fn seconds(&self) -> f64 {
        match self.seconds {
            Some(seconds) => seconds,
            None if self.quick => 0.5,
            None => 1.2,
        }
    }

    const fn warmup(&self) -> f64 {
        match self.warmup {
            Some(warmup) => warmup,
            None if self.quick => 0.1,
            None => 0.3,
        }
    }

    const fn repeats(&self) -> u32 {
        match self.repeats {
            Some(repeats) => repeats,
            None if self.quick => 1,
            None => 3,
        }
    }

    fn fits(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }
}

/// Everything measured, as written to `--out`.
#[derive(Serialize)]
struct Results {
    conditions: Conditions,
    goals: Vec<goals::Judged>,
    starts: Vec<fleet::Start>,
    problems: Vec<String>,
    /// What peers could not do.
    remarks: Vec<String>,
    figures: Vec<inventory::Figure>,
    rows: Vec<table::Row>,
    samples: Vec<Sample>,
}

/// Measures, prints, writes. Fails after printing if anything was wrong.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let gateway = gateway(options)?;
    more_descriptors()?;
    let results = unless_interrupted(all(options, gateway))?;
    if let Some(path) = &options.out {
        let json = serde_json::to_string_pretty(&results)?;
        std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &options.write_docs {
        let plots = plot::all(&results);
        plot::write(&path.parent().context("a page is in a folder")?.join(page::PLOTS), &plots)?;
        page::write(path, &page::render(&results, &plots))?;
    }
    println!("{}", page::render(&results, &[]));
    println!("{}", table::summary(&results.rows));
    println!("goals: {}", goals::counts(&results.goals));
    ensure!(results.problems.is_empty(), "{} problems, listed above", results.problems.len());
    let refused = goals::refused(&results.goals);
    ensure!(refused == 0 || !options.check_goals, "{refused} goals are refused, listed above");
    Ok(())
}

async fn all(options: &Options, gateway: Option<PathBuf>) -> anyhow::Result<Results> {
    let mut cells = cell::all();
    let (peers, absent) = options.peers.at_hand()?;
    for peer in &peers {
        cell::join(&mut cells, peer);
    }
    cells.retain(|cell| options.fits(&cell.name()));
    let inventories = inventory::chosen(|name| options.fits(name));
    ensure!(!cells.is_empty() || !inventories.is_empty(), "no cell or inventory has such a name");
    let mut fleet = Fleet::start(gateway.as_deref(), &cells, &peers).await?;
    let mut problems = std::mem::take(&mut fleet.problems);
    let mut remarks = std::mem::take(&mut fleet.remarks);
    remarks
        .extend(absent.into_iter().map(|Absent { name, reason }| format!("{name} is not at hand: {reason}")));
    let starts = std::mem::take(&mut fleet.starts);
    let names: Vec<_> = peers.iter().map(|peer| peer.claims.name).collect();
    let mut trouble = |target: &str, what: String| {
        let is_peer = names.iter().any(|name| target.split(',').next() == Some(name));
        if is_peer { remarks.push(what) } else { problems.push(what) }
    };
    let samples = load(options, &fleet, &cells, &mut trouble).await?;
    // Inventories start what they need themselves.
    drop(fleet);
    let figures = match &gateway {
        Some(binary) => inventory::take(&inventories, binary, options, &mut problems).await?,
        None => Vec::new(),
    };
    Ok(Results {
        conditions: Conditions::gather(options, gateway.as_deref(), &peers),
        goals: goals::judge(&samples, &figures),
        starts,
        problems,
        remarks,
        figures,
        rows: table::rows(&cells, &samples),
        samples,
    })
}

/// All rounds over all cells.
async fn load(
    options: &Options,
    fleet: &Fleet,
    cells: &[Cell],
    trouble: &mut impl FnMut(&str, String),
) -> anyhow::Result<Vec<Sample>> {
    let length = Duration::try_from_secs_f64(options.seconds()).context("--seconds")?;
    let warmup = Duration::try_from_secs_f64(options.warmup()).context("--warmup")?;
    let mut samples = Vec::new();
    for (round, of_all) in rounds(options) {
        for (cell, target) in
            order(cells, round).into_iter().filter(|(cell, _)| of_all || cell.connections == 1)
        {
            let Some(target) = fleet.target(target) else { continue };
            let name = format!("round {}, {}, {}", round + 1, cell.name(), target.name);
            eprintln!("{name}");
            match fleet.measure(cell, target, round, warmup, length).await {
                Ok(sample) => {
                    if let Some(error) = &sample.report.first_error {
                        trouble(
                            &target.name,
                            format!("{name}: {} errors, first: {error}", sample.report.errors),
                        );
                    }
                    samples.push(sample);
                }
                Err(error) => trouble(&target.name, format!("{name}: {error:#}")),
            }
        }
    }
    Ok(samples)
}

/// The rounds, and whether they are over all cells or only over those of one caller. What a lone caller waits for depends on
/// which cores the kernel happens to take, for as long as it stays with them: only many rounds tell anything of that.
fn rounds(options: &Options) -> impl Iterator<Item = (u32, bool)> {
    let more = if options.quick { 1 } else { LONE_ROUNDS };
    let all = options.rounds();
    (0..all.saturating_mul(more)).map(move |round| (round, round < all))
}

/// Lets this process and those it starts hold as many connections as the machine allows.
fn more_descriptors() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("cannot raise the limit of open files")
}

/// All measurements of a round; every second round runs backwards.
fn order(cells: &[Cell], round: u32) -> Vec<(&Cell, &target::Name)> {
    let mut order: Vec<_> =
        cells.iter().flat_map(|cell| cell.targets.iter().map(move |target| (cell, target))).collect();
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

/// Does `work` on one thread, unless we are asked to end first. What it started goes with the futures that own it.
pub(crate) fn unless_interrupted<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = work => done,
            () = interrupted() => bail!("interrupted; everything started has been ended"),
        }
    })
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
        let names = |round| {
            order(&cells, round).iter().map(|(cell, target)| (cell.name(), target.to_string())).collect()
        };
        let (there, mut back): (Vec<_>, Vec<_>) = (names(0), names(1));
        assert_ne!(there, back);
        back.reverse();
        assert_eq!(there, back);
    }
}
