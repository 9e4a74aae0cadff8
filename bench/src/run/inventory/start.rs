//! From the start of the process to the first right answer.

use serde_json::json;

use super::super::start::{Gateway, free_port, server, servers, tools, url};
use super::super::target::{Behind, GATEWAY, TOOLS};
use super::stage::Stage;
use super::{Measure, Reading};
use crate::load::Op;

/// Upstreams of the larger start.
const SERVERS: usize = 20;
/// Those at whose port nobody listens.
const DEAD: [usize; 3] = [3, 9, 15];

pub(super) async fn one(stage: &Stage) -> anyhow::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    for _ in 0..stage.sizes.starts {
        let mut gateway = stage.begin(Behind { era: "both", servers: 1, tools: TOOLS })?;
        let took = gateway.answer(Op::Call, "echo").await?.as_secs_f64() * 1e3;
        readings.push(Reading::new(Measure::Start, GATEWAY, took, "one HTTP upstream, a call"));
    }
    Ok(readings)
}

pub(super) async fn twenty(stage: &Stage) -> anyhow::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    let mut servers = servers(Behind { era: "both", servers: SERVERS, tools: TOOLS }, stage.upstream.port);
    for number in DEAD {
        servers[server(number)]["url"] = json!(url(free_port()?));
    }
    // The last one: whoever takes them one after the other has met the dead ones by then.
    let tool = tools(SERVERS, "echo").pop().unwrap_or_default();
    let whole = Op::List { tools: Some((SERVERS - DEAD.len()) * TOOLS) };
    for _ in 0..stage.sizes.starts {
        for (measure, op) in [(Measure::StartOfTwenty, Op::Call), (Measure::ListOfTwenty, whole)] {
            let mut gateway = Gateway::start(&stage.binary, GATEWAY, &servers, stage.folder.path())?;
            let took = gateway.answer(op, &tool).await?.as_secs_f64() * 1e3;
            readings.push(Reading::new(measure, GATEWAY, took, "3 closed ports"));
        }
    }
    Ok(readings)
}
