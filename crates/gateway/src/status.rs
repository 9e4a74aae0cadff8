//! Which upstream is not well, why and since when: in the `_meta` of lists and as the resource `trunkline://status`.

use bytes::Bytes;
use trunkline_model::{Era, ListKind};
use trunkline_observe::time::Rfc3339;
use trunkline_upstream::Phase;
use trunkline_upstream::breaker::Circuit;
use trunkline_upstream::group::MemberState;

use crate::catalog::Source;

/// The resource that tells how the upstreams are.
pub const URI: &str = "trunkline://status";

/// The list entry of the status resource.
pub(crate) fn listed() -> &'static [u8] {
    b"{\"uri\":\"trunkline://status\",\"name\":\"trunkline-status\",\"title\":\"Trunkline status\",\"description\":\"Which servers stand behind this endpoint, and how each of them is.\",\"mimeType\":\"application/json\"}"
}

/// The `_meta` of lists while a server is not well; `None` when all are.
pub(crate) fn note(sources: &[Source]) -> Option<Vec<u8>> {
    let unwell: Vec<&Source> =
        sources.iter().filter(|s| !matches!(s.status.phase, Phase::Ready | Phase::Idle)).collect();
    if unwell.is_empty() {
        return None;
    }
    let entries = unwell.into_iter().map(|source| (source.rules.server.to_string(), brief(source))).collect();
    let upstreams = serde_json::Value::Object(entries);
    let meta = serde_json::json!({ "io.trunkline/upstreams": upstreams });
    Some(meta.to_string().into_bytes())
}

fn brief(source: &Source) -> serde_json::Value {
    let status = &source.status;
    let mut entry = serde_json::json!({
        "state": status.phase.as_str(),
        "since": Rfc3339(status.since).to_string(),
    });
    if let Some(reason) = status.phase.reason() {
        entry["reason"] = reason.into();
    }
    if let Phase::Down { retry_in, .. } = &status.phase {
        entry["retryInMs"] = (retry_in.as_millis() as u64).into();
    }
    entry
}

/// The result of reading the status resource.
pub(crate) fn read(sources: &[Source], era: Era) -> Bytes {
    let servers: serde_json::Map<String, serde_json::Value> =
        sources.iter().map(|source| (source.rules.server.to_string(), full(source))).collect();
    let ready = sources.iter().filter(|s| matches!(s.status.phase, Phase::Ready | Phase::Idle)).count();
    let text = serde_json::json!({
        "gateway": { "name": "trunkline", "version": env!("CARGO_PKG_VERSION") },
        "serversReady": ready,
        "servers": servers,
    });
    let text = serde_json::to_string_pretty(&text).unwrap_or_default();
    let mut result = serde_json::json!({
        "contents": [{ "uri": URI, "mimeType": "application/json", "text": text }],
    });
    if era == Era::Modern {
        result["resultType"] = "complete".into();
        result["ttlMs"] = 0.into();
        result["cacheScope"] = "private".into();
    }
    Bytes::from(result.to_string())
}

fn full(source: &Source) -> serde_json::Value {
    let mut entry = brief(source);
    let status = &source.status;
    entry["era"] = status.era.map(Era::as_str).into();
    entry["starts"] = status.starts.into();
    if let Some(circuit) = &source.circuit {
        entry["circuit"] = circuit_json(circuit);
    }
    if !source.members.is_empty() {
        entry["members"] = members_json(&source.members);
    }
    entry["handshakeMs"] = status.handshake.map(|h| h.as_millis() as u64).into();
    if let Some(offer) = &source.offer {
        let (name, version) = offer.introduction.name_and_version();
        entry["revision"] = offer.introduction.revision.as_str().into();
        entry["server"] = serde_json::json!({ "name": name, "version": version });
        for kind in ListKind::ALL {
            entry[kind.key()] = offer.list(kind).len().into();
        }
    }
    entry
}

/// How the members of a server stand, in the order of the configuration.
pub fn members_json(members: &[MemberState]) -> serde_json::Value {
    let one = |member: &MemberState| {
        let mut entry = serde_json::json!({
            "state": member.status.phase.as_str(),
            "since": Rfc3339(member.status.since).to_string(),
            "running": member.running,
        });
        if let Some(reason) = member.status.phase.reason() {
            entry["reason"] = reason.into();
        }
        if member.ejected {
            entry["ejected"] = true.into();
        }
        if member.leads {
            entry["leads"] = true.into();
        }
        entry
    };
    members.iter().map(one).collect()
}

/// How the circuit breakers of a server stand.
pub fn circuit_json(circuit: &Circuit) -> serde_json::Value {
    let mut entry = serde_json::json!({ "state": circuit.state.as_str() });
    if circuit.forced {
        entry["forced"] = true.into();
    }
    if let Some(wait) = circuit.retry_in {
        entry["retryInMs"] = (wait.as_millis() as u64).into();
    }
    if !circuit.tools.is_empty() {
        let tools = circuit.tools.iter().map(|(tool, state)| (tool.to_string(), state.as_str().into()));
        entry["tools"] = serde_json::Value::Object(tools.collect());
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listed_entry_is_valid_json() {
        serde_json::from_slice::<serde_json::Value>(listed()).unwrap();
    }
}
