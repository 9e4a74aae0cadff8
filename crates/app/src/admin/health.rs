//! How the gateway and its servers are, as JSON.

use serde_json::{Map, Value, json};
use trunkline_gateway::catalog::Source;
use trunkline_gateway::status::{circuit_json, members_json};
use trunkline_upstream::breaker::State;

use crate::serve::Phase;
use trunkline_observe::time::Rfc3339;

/// The body of `/readyz`.
pub(super) fn ready(phase: Phase, sources: &[Source]) -> String {
    let status = match phase {
        Phase::Starting => "starting",
        Phase::Ready => "ready",
        Phase::Draining => "draining",
    };
    text(json!({ "status": status, "upstreams": upstreams(sources) }))
}

/// The body of `/health`. One server that is not well degrades the gateway, and stops nobody.
pub(super) fn summary(phase: Phase, sources: &[Source], faults: Option<Value>) -> String {
    let shut =
        |source: &Source| source.circuit.as_ref().is_some_and(|circuit| circuit.state != State::Closed);
    let lame = |source: &Source| {
        source.members.iter().any(|member| member.ejected || member.status.phase.reason().is_some())
    };
    let unwell =
        sources.iter().any(|source| source.status.phase.reason().is_some() || shut(source) || lame(source));
    let status = match phase {
        Phase::Starting => "starting",
        Phase::Draining => "draining",
        Phase::Ready if unwell => "degraded",
        Phase::Ready => "ready",
    };
    let mut summary = json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "upstreams": upstreams(sources),
    });
    if let Some(faults) = faults {
        summary["faults"] = faults;
    }
    text(summary)
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
