//! What is kept for those who wait: streams, idle connections, sessions.

use super::super::start::settled;
use super::super::target::GATEWAY;
use super::stage::{CONNECTIONS, Stage, callers, warm};
use super::{Measure, Reading};
use crate::era::Era;

/// Calls before memory is looked at, so that what the first ones need is there.
const WARMUP_CALLS: u64 = 2000;

/// Streams for news, each on a connection of its own; in the legacy era also with a session of its own.
pub(super) async fn streams(stage: &Stage, era: Era) -> anyhow::Result<Vec<Reading>> {
    let gateway = stage.gateway().await?;
    let url = gateway.url()?;
    warm(&url, era, WARMUP_CALLS).await?;
    let before = settled(&gateway.process).await?;
    let count = stage.sizes.streams;
    let mut open = Vec::with_capacity(count);
    for caller in callers(&url, era, count).await? {
        open.push(caller.wait_for_news().await?);
    }
    let after = settled(&gateway.process).await?;
    let measure = match era {
        Era::Modern => Measure::PerModernStream,
        Era::Legacy => Measure::PerLegacyStream,
    };
    Ok(vec![each(measure, before, after, open.len(), "streams")])
}

/// Connections on which one call was made.
pub(super) async fn connections(stage: &Stage, era: Era) -> anyhow::Result<Vec<Reading>> {
    let gateway = stage.gateway().await?;
    let url = gateway.url()?;
    warm(&url, era, WARMUP_CALLS).await?;
    let before = settled(&gateway.process).await?;
    let mut open = callers(&url, era, stage.sizes.idle).await?;
    for caller in &mut open {
        caller.call().await?;
    }
    let after = settled(&gateway.process).await?;
    let measure = match era {
        Era::Modern => Measure::PerModernConnection,
        Era::Legacy => Measure::PerLegacyConnection,
    };
    Ok(vec![each(measure, before, after, open.len(), "connections")])
}

/// Legacy sessions, all opened over the same few connections.
pub(super) async fn records(stage: &Stage) -> anyhow::Result<Vec<Reading>> {
    let gateway = stage.gateway().await?;
    let url = gateway.url()?;
    warm(&url, Era::Legacy, WARMUP_CALLS).await?;
    let mut open = callers(&url, Era::Legacy, CONNECTIONS).await?;
    let before = settled(&gateway.process).await?;
    let count = stage.sizes.records;
    for number in 0..count {
        open[number % CONNECTIONS].another_session().await?;
    }
    let after = settled(&gateway.process).await?;
    Ok(vec![each(Measure::PerRecord, before, after, count, "sessions")])
}

fn each(measure: Measure, before_kib: u64, after_kib: u64, count: usize, what: &str) -> Reading {
    let value = (after_kib as f64 - before_kib as f64) / count as f64;
    Reading::new(measure, GATEWAY, value, format!("{count} {what}"))
}
