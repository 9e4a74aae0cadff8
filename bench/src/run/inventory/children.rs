//! Whether a stdio upstream stays one process however often it is called.

use super::super::start::{Gateway, children};
use super::super::target::STDIO;
use super::super::usage;
use super::stage::{Stage, warm};
use super::{Measure, Reading};
use crate::era::Era;

pub(super) async fn take(stage: &Stage) -> anyhow::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    for (era, measure) in [(Era::Modern, Measure::ModernChildren), (Era::Legacy, Measure::LegacyChildren)] {
        let mut gateway = Gateway::start(&stage.binary, STDIO, &children(1)?, stage.folder.path())?;
        gateway.come_up("echo").await?;
        let calls = stage.sizes.calls;
        warm(&gateway.url()?, era, calls).await?;
        // The gateway's own helper process is no upstream.
        let count = usage::of(gateway.process.id())?.upstreams as f64;
        readings.push(Reading::new(measure, STDIO, count, format!("{calls} calls")));
    }
    Ok(readings)
}
