//! Whether memory grows with the number of calls, half of them in each era.

use http::Uri;

use super::super::process::Process;
use super::super::start::{Floor, floor, settled, url};
use super::super::target::{FLOOR, GATEWAY};
use super::stage::{CONNECTIONS, Stage, callers, calls};
use super::{Measure, Reading};
use crate::era::Era;

pub(super) async fn take(stage: &Stage) -> anyhow::Result<Vec<Reading>> {
    let gateway = stage.gateway().await?;
    let grown = grown(stage, &gateway.process, &gateway.url()?).await?;
    drop(gateway);
    let (process, port) = floor(Floor::Proxy(stage.upstream.port), FLOOR, stage.folder.path()).await?;
    let floor = self::grown(stage, &process, &url(port).parse()?).await?;
    let with = format!("{} calls", stage.sizes.growth_calls);
    Ok(vec![
        Reading::new(Measure::RssGrowth, GATEWAY, grown, &*with),
        Reading::new(Measure::RssGrowth, FLOOR, floor, with),
    ])
}

/// MiB.
async fn grown(stage: &Stage, process: &Process, url: &Uri) -> anyhow::Result<f64> {
    let mut all = callers(url, Era::Modern, CONNECTIONS / 2).await?;
    all.append(&mut callers(url, Era::Legacy, CONNECTIONS / 2).await?);
    let all = calls(all, stage.sizes.warmup_calls).await?;
    let before = settled(process).await?;
    let _all = calls(all, stage.sizes.growth_calls).await?;
    let after = settled(process).await?;
    Ok((after as f64 - before as f64) / 1024.0)
}
