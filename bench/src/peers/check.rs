//! Whether peers can what they claim, seen with the load generator; and a first rough figure.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::call::{first_answer, listening, once};
use super::options::{Absent, Options};
use super::peer::{AtHand, Upstream, Wire};
use crate::era::Era;
use crate::load::{Op, Pace, Plan, drive, open};
use crate::run::process::Process;
use crate::run::start::free_port;
use crate::run::{unless_interrupted, usage};

/// Tools of the upstream: ten with `echo`, `payload` and `slow`.
const FILLERS: usize = 7;
const TOOLS: usize = 10;
/// Callers of the rough figure.
const CALLERS: usize = 4;
/// How long calls are made for it.
const LENGTH: Duration = Duration::from_secs(2);
/// Calls of a kind that must all be right. One of the peers loses the last event of nearly every call, but not of all.
const SEVERAL: usize = 5;
/// How long a peer that was killed may still hold its port.
const END_LIMIT: Duration = Duration::from_secs(5);
/// How often that is looked at.
const END_POLL: Duration = Duration::from_millis(5);
/// A call with progress, short but with several events.
const PROGRESS: Op = Op::Progress { steps: 5, interval_ms: 2 };

/// What `peers` is asked to do.
#[derive(clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    peers: Options,
    /// Start each that is at hand and see what it can, in each era
    #[arg(long)]
    check: bool,
}

/// Prints a table. With `--check`, fails if a peer differs from its claims.
pub(super) fn run(options: &Check) -> anyhow::Result<()> {
    let (here, absent) = options.peers.or_all().at_hand()?;
    let mut problems = Vec::new();
    if options.check {
        unless_interrupted(async {
            check_all(&here, &mut problems).await;
            Ok(())
        })?;
    } else {
        for peer in &here {
            let wires: Vec<_> = peer.claims.wires.iter().map(|wire| wire.word()).collect();
            println!("{:<18}{} (upstream: {})", peer.claims.name, peer.label(), wires.join(", "));
        }
    }
    for Absent { name, reason } in &absent {
        println!("{name:<18}not at hand: {reason}");
    }
    for problem in &problems {
        println!("problem: {problem}");
    }
    ensure!(problems.is_empty(), "{} claims do not hold", problems.len());
    Ok(())
}

async fn check_all(here: &[AtHand], problems: &mut Vec<String>) {
    println!(
        "| peer | upstream | era | echo | list | progress | calls/s, C={CALLERS} | CPU µs per call, noisy |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for peer in here {
        for wire in peer.claims.wires {
            if let Err(error) = check(peer, *wire, problems).await {
                problems.push(format!("{}, {}: {error:#}", peer.label(), wire.word()));
            }
        }
    }
}

async fn check(peer: &AtHand, wire: Wire, problems: &mut Vec<String>) -> anyhow::Result<()> {
    let (logs, home) = (tempfile::tempdir()?, tempfile::tempdir()?);
    // Declared behind the folders, so that they end before those go, and the peer before its upstream.
    let (_server, upstream) = match wire {
        Wire::Stdio => (None, Upstream::own_child(FILLERS)?),
        Wire::Http => {
            let (server, url) = upstream(logs.path()).await?;
            (Some(server), Upstream::Http(url))
        }
    };
    let port = free_port()?;
    let mut process =
        Process::start(peer.command(port, &upstream, home.path())?, peer.claims.name, logs.path())?;
    listening(&mut process, port).await?;
    for era in [Era::Modern, Era::Legacy] {
        row(peer, wire, era, port, &mut process, problems).await?;
    }
    drop(process);
    let limit = Instant::now() + END_LIMIT;
    while let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        // What has been killed ends when it next runs; whoever listens on was left behind.
        ensure!(Instant::now() < limit, "something of it still listens: {error}");
        tokio::time::sleep(END_POLL).await;
    }
    Ok(())
}

/// One line of the table.
async fn row(
    peer: &AtHand,
    wire: Wire,
    era: Era,
    port: u16,
    process: &mut Process,
    problems: &mut Vec<String>,
) -> anyhow::Result<()> {
    let (url, echo) = (peer.url(port)?, peer.tool(Op::Call.tool()));
    let claimed = peer.claims.eras.contains(&era);
    if claimed {
        first_answer(process, &url, era, &echo).await?;
    }
    let mut see = async |what: &str, op: Op, claimed: bool| {
        let seen = several(&url, era, op, &peer.tool(op.tool())).await;
        if seen.is_ok() != claimed {
            let why = seen.as_ref().err().map_or_else(|| "it can".to_owned(), |error| format!("{error:#}"));
            problems.push(format!("{}, {}, {}, {what}: {why}", peer.label(), wire.word(), era.word()));
        }
        if seen.is_ok() { "yes" } else { "no" }
    };
    let echoes = see("echo", Op::Call, claimed).await;
    let lists = see("list", Op::List { tools: Some(TOOLS) }, claimed).await;
    let progress = see("progress", PROGRESS, peer.claims.progress.contains(&(wire, era))).await;
    let (rate, cpu) =
        if claimed { rough(&url, era, &echo, process).await? } else { ("-".into(), "-".into()) };
    let (label, wire, era) = (peer.label(), wire.word(), era.word());
    println!("| {label} | {wire} | {era} | {echoes} | {lists} | {progress} | {rate} | {cpu} |");
    Ok(())
}

/// One after the other, until one is wrong.
async fn several(url: &http::Uri, era: Era, op: Op, tool: &str) -> anyhow::Result<()> {
    for _ in 0..SEVERAL {
        once(url, era, op, tool).await?;
    }
    Ok(())
}

/// Calls per second, and CPU of the peer with all its children, so with the upstream where that is a child.
async fn rough(url: &http::Uri, era: Era, tool: &str, process: &Process) -> anyhow::Result<(String, String)> {
    let plan = Plan::new(url, era, Op::Call, tool.to_owned())?;
    let callers = open(&plan, CALLERS).await?;
    let before = usage::of(process.id())?.family;
    let (callers, report) = drive(callers, Pace::Closed, LENGTH).await;
    let used = usage::of(process.id())?.family.saturating_sub(before);
    for caller in callers {
        caller.close().await;
    }
    ensure!(
        report.errors == 0,
        "{} errors, first: {}",
        report.errors,
        report.first_error.unwrap_or_default()
    );
    let cpu = used.as_secs_f64() * 1e6 / report.calls as f64;
    Ok((format!("{:.0}", report.calls_per_s), format!("{cpu:.0}")))
}

/// The kit's upstream over HTTP, answering.
async fn upstream(logs: &std::path::Path) -> anyhow::Result<(Process, http::Uri)> {
    let port = free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["upstream", "--port", &port.to_string(), "--tools", &FILLERS.to_string()]);
    let mut process = Process::start(command, "upstream", logs)?;
    listening(&mut process, port).await?;
    Ok((process, format!("http://127.0.0.1:{port}/mcp").parse()?))
}
