//! Memory at rest: of the gateway alone, and of each thing it is configured with.

use super::super::start::{Gateway, Upstream, children, servers, settled, tools};
use super::super::target::{Behind, GATEWAY, TOOLS};
use super::stage::Stage;
use super::{Measure, Reading};
use crate::load::Op;

/// Items a page of a list has at most.
const PAGE: usize = 1000;

pub(super) async fn idle(stage: &Stage) -> anyhow::Result<Vec<Reading>> {
    let gateway = stage.gateway().await?;
    let mib = settled(&gateway.process).await? as f64 / 1024.0;
    Ok(vec![Reading::new(Measure::RssIdle, GATEWAY, mib, format!("one HTTP upstream of {TOOLS} tools"))])
}

/// Between ten and 110 servers.
pub(super) async fn per_upstream(stage: &Stage) -> anyhow::Result<Vec<Reading>> {
    let upstream = Upstream::start("both", 3, stage.folder.path()).await?;
    let few = of_servers(stage, &upstream, Behind { era: "both", servers: 10, tools: 3 }).await?;
    let many = of_servers(stage, &upstream, Behind { era: "both", servers: 110, tools: 3 }).await?;
    Ok(vec![Reading::new(Measure::PerUpstream, GATEWAY, (many - few) / 100.0, "110 against 10")])
}

/// Between ten and 10,000 tools of one server.
pub(super) async fn per_tool(stage: &Stage) -> anyhow::Result<Vec<Reading>> {
    const MANY: usize = 10_000;
    let upstream = Upstream::start("both", MANY, stage.folder.path()).await?;
    let few = of_servers(stage, &stage.upstream, Behind { era: "both", servers: 1, tools: TOOLS }).await?;
    let many = of_servers(stage, &upstream, Behind { era: "both", servers: 1, tools: MANY }).await?;
    let each = (many - few) / (MANY - TOOLS) as f64;
    Ok(vec![Reading::new(Measure::PerTool, GATEWAY, each, format!("{MANY} against {TOOLS}"))])
}

/// Between one child and nine.
pub(super) async fn per_child(stage: &Stage) -> anyhow::Result<Vec<Reading>> {
    let few = of_children(stage, 1).await?;
    let many = of_children(stage, 9).await?;
    Ok(vec![Reading::new(Measure::PerChild, GATEWAY, (many - few) / 8.0, "9 against 1")])
}

/// KiB.
async fn of_servers(stage: &Stage, upstream: &Upstream, behind: Behind) -> anyhow::Result<f64> {
    let servers = servers(behind, upstream.port);
    let gateway = Gateway::start(&stage.binary, GATEWAY, &servers, stage.folder.path())?;
    listed(gateway, behind.servers, behind.tools).await
}

/// KiB.
async fn of_children(stage: &Stage, count: usize) -> anyhow::Result<f64> {
    let gateway = Gateway::start(&stage.binary, GATEWAY, &children(count)?, stage.folder.path())?;
    listed(gateway, count, TOOLS).await
}

/// Memory when every server has answered and all their tools have been listed.
async fn listed(mut gateway: Gateway, servers: usize, each: usize) -> anyhow::Result<f64> {
    for tool in tools(servers, "echo") {
        gateway.come_up(&tool).await?;
    }
    let whole = Op::List { tools: Some((servers * each).min(PAGE)) };
    gateway.answer(whole, "echo").await?;
    Ok(settled(&gateway.process).await? as f64)
}
