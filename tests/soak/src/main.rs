//! The soak: the real gateway before four servers, under a mixed load with churn and faults, for as long as one likes.
//! `docs/testing.md` says what it does and how it judges.

mod fate;
mod page;
mod report;
mod sample;
mod servers;
mod tally;
mod trend;
mod upstream;
mod visitor;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use trunkline_e2e::gateway::Gateway;
use trunkline_simulation::chance::Chance;

use fate::Fate;
use page::Page;
use report::Report;
use sample::Look;
use servers::Reached;
use tally::Tally;
use visitor::Visitor;

/// How often the gateway is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Sessions of which nothing is heard end after this long; so the abandoned ones do.
const SESSION_IDLE: Duration = Duration::from_secs(10);
/// After the load: sessions end, parked calls are given up, idle connections (55 s) are closed.
const QUIET: Duration = Duration::from_secs(75);
/// Runs of less are short: more counts as noise.
const SHORT_MINUTES: f64 = 5.0;

#[derive(Parser)]
#[command(version, about = "Does the gateway grow, and does anything cross, when it is used for long?")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One of the servers
    Upstream(upstream::Options),
    /// The soak itself; the gateway is the program that TRUNKLINE_BIN names
    Run(Options),
}

#[derive(clap::Args)]
struct Options {
    /// How long the load lasts
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The same in hours
    #[arg(long, conflicts_with = "minutes")]
    hours: Option<f64>,
    /// Clients at a time
    #[arg(long, default_value_t = 12)]
    visitors: u64,
    /// Where the report goes
    #[arg(long, default_value = "target/soak")]
    out: PathBuf,
    /// Replace the generated part of this page, and the pictures in `plots` beside it [default: docs/soak.md]
    #[arg(long, num_args = 0..=1, default_missing_value = "docs/soak.md", value_name = "PAGE")]
    write_docs: Option<PathBuf>,
    /// The commit that was built, for the report
    #[arg(long, default_value = "not named")]
    commit: String,
    /// For chance: which clients come, what befalls the servers
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Upstream(options) => upstream::run(&options).map(|()| true),
        Command::Run(options) => run(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<bool> {
    let minutes = options.hours.map_or(options.minutes, |hours| hours * 60.0);
    let length = Duration::from_secs_f64(minutes * 60.0);
    // Before the load: nobody wants to hear after hours that the page is not there.
    let page = options.write_docs.as_deref().map(Page::open).transpose()?;
    let reached = Arc::new(Reached::start()?);
    let gateway = Gateway::with(json!({
        "mcpServers": reached.entries(0)?,
        "limits": { "sessionIdle": format!("{}s", SESSION_IDLE.as_secs()) },
    }));
    // The load must not take the cores from what it loads.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (tally, stop) = (Arc::<Tally>::default(), CancellationToken::new());
    let began = Instant::now();
    std::thread::sleep(Duration::from_secs(2));
    let before = Look::now(&gateway, began)?;
    let mut chance = Chance::new(options.seed);
    let mut load = tokio::task::JoinSet::new();
    for number in 1..=options.visitors {
        let visitor =
            Visitor { number, address: gateway.address(), tally: Arc::clone(&tally), stop: stop.clone() };
        load.spawn_on(visitor.live(chance.branch()), runtime.handle());
    }
    let fate = Fate {
        gateway: gateway.pid(),
        config: gateway.config(),
        reached: Arc::clone(&reached),
        tally: Arc::clone(&tally),
        stop: stop.clone(),
    };
    load.spawn_on(fate.run(chance.branch()), runtime.handle());
    let loaded = Instant::now();
    let mut looks = Vec::new();
    while loaded.elapsed() < length {
        std::thread::sleep(LOOK_EVERY);
        looks.push(Look::now(&gateway, loaded).context("the gateway has gone")?);
    }
    stop.cancel();
    runtime.block_on(async { while load.join_next().await.is_some() {} });
    std::thread::sleep(QUIET);
    let after = Look::now(&gateway, loaded)?;
    let log = gateway.log();
    for line in log.iter().filter(|line| line.contains("panicked")) {
        tally.strange(line);
    }
    let report = Report {
        machine: machine(),
        commit: options.commit.clone(),
        minutes,
        visitors: options.visitors,
        warm_up: (length.as_secs_f64() * 0.2).clamp(30.0, 120.0),
        short: minutes < SHORT_MINUTES,
        before,
        looks,
        after,
        counts: tally.counts().clone(),
    };
    drop(gateway);
    report.write(&options.out)?;
    if let Some(page) = page {
        page.put(&report)?;
    }
    println!("{}", report.words(""));
    println!("written to {}", options.out.display());
    Ok(report.wrongs().is_empty())
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores of {}, Linux {}", model.trim_start_matches([':', ' ', '\t']), kernel.trim())
}
