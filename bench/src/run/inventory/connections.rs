//! How many connections the first thousand calls of a gateway need.

use anyhow::Context as _;

use super::super::measure::connections;
use super::super::target::GATEWAY;
use super::stage::{CONNECTIONS, Stage, callers, calls};
use super::{Measure, Reading};
use crate::era::Era;

const CALLS: u64 = 1000;

pub(super) async fn take(stage: &Stage) -> anyhow::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    let counted = async || connections(Some(stage.upstream.port)).await?.context("the upstream counts");
    for (era, measure) in
        [(Era::Modern, Measure::ModernConnections), (Era::Legacy, Measure::LegacyConnections)]
    {
        let gateway = stage.gateway().await?;
        let before = counted().await?;
        let _open = calls(callers(&gateway.url()?, era, CONNECTIONS).await?, CALLS).await?;
        // The second question came over a connection of its own.
        let count = counted().await?.saturating_sub(before + 1);
        readings.push(Reading::new(measure, GATEWAY, count as f64, format!("{CALLS} calls")));
    }
    Ok(readings)
}
