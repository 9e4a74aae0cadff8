//! The load generator: closed loop or on a timetable, keep-alive, every answer checked.

mod caller;
mod check;
mod drive;
mod latency;
mod plan;
mod timetable;

use std::time::Duration;

use anyhow::Context as _;

pub(crate) use caller::Caller;
pub(crate) use drive::{Pace, drive, drive_and_skip, open};
pub(crate) use latency::Report;
pub(crate) use plan::{Op, Plan};

use crate::era::Era;

/// What `load` is asked to do.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The server, e.g. http://127.0.0.1:8080/mcp
    #[arg(long)]
    url: http::Uri,
    /// Which era to speak
    #[arg(long, value_enum, default_value_t = Era::Modern)]
    era: Era,
    /// What to ask for
    #[arg(long, value_enum, default_value_t = OpName::Call)]
    op: OpName,
    /// The tool to call [default: echo, payload or slow, by --op]
    #[arg(long)]
    tool: Option<String>,
    /// Connections, each with one call under way at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// How long to measure
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How long to call before measuring
    #[arg(long, default_value_t = 0.5)]
    warmup: f64,
    /// Calls per second on a fixed timetable, instead of as fast as answers come
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u32).range(1..))]
    open_loop: Option<u32>,
    /// `payload`: how many
    #[arg(long, default_value_t = 65_536)]
    bytes: usize,
    /// `progress`: events per call
    #[arg(long, default_value_t = 20)]
    steps: u64,
    /// `progress`: time between two events
    #[arg(long, default_value_t = 5)]
    interval_ms: u64,
    /// `list`: how many tools there must be [default: any number above 0]
    #[arg(long)]
    tools: Option<usize>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum OpName {
    Call,
    List,
    Payload,
    Progress,
}

/// Measures, and prints JSON. Fails if an answer was wrong.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let op = match options.op {
        OpName::Call => Op::Call,
        OpName::List => Op::List { tools: options.tools },
        OpName::Payload => Op::Payload { bytes: options.bytes },
        OpName::Progress => Op::Progress { steps: options.steps, interval_ms: options.interval_ms },
    };
    let tool = options.tool.clone().unwrap_or_else(|| op.tool().to_owned());
    let plan = Plan::new(&options.url, options.era, op, tool)?;
    let pace = options.open_loop.map_or(Pace::Closed, Pace::Open);
    let seconds = Duration::try_from_secs_f64(options.seconds).context("--seconds")?;
    let warmup = Duration::try_from_secs_f64(options.warmup).context("--warmup")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let callers = open(&plan, usize::from(options.connections)).await?;
        let (callers, _) = drive(callers, pace, warmup).await;
        let (callers, report) = drive(callers, pace, seconds).await;
        for caller in callers {
            caller.close().await;
        }
        anyhow::Ok(report)
    })?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    anyhow::ensure!(report.errors == 0, "{} of {} calls failed", report.errors, report.calls + report.errors);
    Ok(())
}
