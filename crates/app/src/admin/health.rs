//! How the gateway and its servers are, as JSON.

use serde_json::{Map, Value, json};
use trunkline_gateway::catalog::Source;
use trunkline_gateway::status::{circuit_json, members_json};
use trunkline_observe::time::Rfc3339;
use trunkline_upstream::breaker::State;

use super::{Seen, faults};
use crate::serve::{LastReload, Phase};

/// The body of `/readyz`: `missing` keeps the process from being ready.
pub(super) fn ready(phase: Phase, missing: &[String], sources: &[Source]) -> String {
    let mut body = json!({ "status": word(phase, missing), "upstreams": upstreams(sources) });
    if !missing.is_empty() {
        body["missing"] = missing.into();
    }
    text(body)
}

/// The body of `/health`. One server that is not well degrades the gateway, and stops nobody.
pub(super) fn summary(seen: &Seen) -> String {
    let (phase, sources) = (seen.standing.phase(), seen.gateway.sources());
    let missing = seen.standing.missing(&sources);
    let shut =
        |source: &Source| source.circuit.as_ref().is_some_and(|circuit| circuit.state != State::Closed);
    let lame = |source: &Source| {
        source.members.iter().any(|member| member.ejected || member.status.phase.reason().is_some())
    };
    let unwell =
        sources.iter().any(|source| source.status.phase.reason().is_some() || shut(source) || lame(source));
    let status = match word(phase, &missing) {
        "ready" if unwell => "degraded",
        word => word,
    };
    let mut body = json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "uptimeSeconds": seen.standing.age().as_secs(),
        "connections": seen.server.connections(),
        "upstreams": upstreams(&sources),
    });
    if !missing.is_empty() {
        body["missing"] = missing.into();
    }
    if let Some(faults) = faults::report(seen) {
        body["faults"] = faults;
    }
    if let Some(last) = seen.standing.last_reload() {
        body["lastReload"] = reload(&last);
    }
    text(body)
}

const fn word(phase: Phase, missing: &[String]) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Draining => "draining",
        Phase::Ready if missing.is_empty() => "ready",
        Phase::Ready => "unready",
    }
}

fn reload(last: &LastReload) -> Value {
    let mut entry = json!({
        "at": Rfc3339(last.at).to_string(),
        "trigger": last.trigger,
        "result": if last.outcome.is_ok() { "ok" } else { "error" },
    });
    match &last.outcome {
        Ok(changes) => entry["changes"] = changes.as_str().into(),
        Err(problems) => entry["problems"] = problems.as_slice().into(),
    }
    entry
}

fn upstreams(sources: &[Source]) -> Map<String, Value> {
    sources.iter().map(|source| (source.rules.server.to_string(), one(source))).collect()
}

fn one(source: &Source) -> Value {
    let status = &source.status;
    let mut entry = json!({ "state": status.phase.as_str(), "since": Rfc3339(status.since).to_string() });
    if let Some(reason) = status.phase.reason() {
        entry["reason"] = reason.into();
    }
    if !source.members.is_empty() {
        entry["members"] = members_json(&source.members);
    }
    if let Some(circuit) = &source.circuit {
        entry["circuit"] = circuit_json(circuit);
    }
    entry
}

fn text(value: Value) -> String {
    format!("{value}\n")
}
