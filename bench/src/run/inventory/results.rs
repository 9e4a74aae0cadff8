//! How much memory large results need on their way: peak less what was there before.

use anyhow::Context as _;
use http::Uri;

use super::super::process::Process;
use super::super::start::{Floor, floor, settled, url};
use super::super::target::{FLOOR, GATEWAY};
use super::super::usage;
use super::stage::{CONNECTIONS, Stage, warm};
use super::{Measure, Reading};
use crate::era::Era;
use crate::load::{Op, Pace, Plan, drive, open};

const BYTES: usize = 1 << 20;
/// Small calls before.
const WARMUP_CALLS: u64 = 2000;

pub(super) async fn take(stage: &Stage) -> anyhow::Result<Vec<Reading>> {
    let gateway = stage.gateway().await?;
    let grown = peak(stage, &gateway.process, &gateway.url()?).await?;
    drop(gateway);
    let (process, port) = floor(Floor::Proxy(stage.upstream.port), FLOOR, stage.folder.path()).await?;
    let floor = peak(stage, &process, &url(port).parse()?).await?;
    let with = format!("{CONNECTIONS} connections");
    Ok(vec![
        Reading::new(Measure::ResultsGrowth, GATEWAY, grown, &*with),
        Reading::new(Measure::ResultsGrowth, FLOOR, floor, with),
    ])
}

/// MiB.
async fn peak(stage: &Stage, process: &Process, url: &Uri) -> anyhow::Result<f64> {
    warm(url, Era::Modern, WARMUP_CALLS).await?;
    let before = settled(process).await?;
    usage::forget_peak(process.id())?;
    let op = Op::Payload { bytes: BYTES };
    let plan = Plan::new(url, Era::Modern, op, op.tool().to_owned())?;
    let callers = open(&plan, CONNECTIONS).await?;
    let (_open, report) = drive(callers, Pace::Closed, stage.sizes.results).await;
    if let Some(error) = report.first_error {
        anyhow::bail!("{} calls failed, first: {error}", report.errors);
    }
    let peak = usage::peak_kib(process.id()).context("it has ended")?;
    Ok((peak as f64 - before as f64) / 1024.0)
}
