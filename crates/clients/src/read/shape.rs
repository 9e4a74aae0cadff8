//! Recognising servers by the shape of a document, without knowing the client.

use serde_json::Value;

use super::container::in_container;
use super::server::looks_like_server;
use crate::clients::by_id;
use crate::error::ReadError;
use crate::imported::ImportedServer;
use crate::kind::ClientKind;

/// Keys to try, in this order, and the client whose dialect to read with.
const SHAPES: [(&[&str], &str); 9] = [
    (&["mcpServers"], "claude-code"),
    (&["amp.mcpServers"], "amp"),
    (&["context_servers"], "zed"),
    (&["mcp_servers"], "codex"),
    (&["mcp", "servers"], "vscode"),
    (&["mcp"], "opencode"),
    (&["servers"], "vscode"),
    (&["extensions"], "goose"),
    (&["mcp", "mcpServers"], "claude-code"),
];

pub(super) fn servers(doc: &Value) -> Result<Vec<ImportedServer>, ReadError> {
    for (keys, id) in SHAPES {
        let found = keys.iter().try_fold(doc, |value, key| value.get(key));
        let (Some(found), Some(kind)) = (found, by_id(id)) else { continue };
        if fits(keys, found) {
            return in_container(dialect(kind, found), found, &keys.join("."));
        }
    }
    match by_id("claude-code") {
        Some(kind) if is_bare_map(doc) => in_container(kind, doc, "(the whole file)"),
        _ => Err(ReadError::Unrecognised),
    }
}

/// `mcpServers` and its kin mean servers whatever is in them; shorter words need servers inside to count.
fn fits(keys: &[&str], value: &Value) -> bool {
    match keys {
        ["mcp" | "servers" | "extensions", ..] => {
            let mut values = match value {
                Value::Object(map) => map.values().collect::<Vec<_>>(),
                Value::Array(list) => list.iter().collect(),
                _ => return false,
            }
            .into_iter();
            !looks_like_server(value) && values.any(looks_like_server)
        }
        _ => true,
    }
}

/// Gemini CLI's `url` means HTTP+SSE, but only in Gemini's file, which `httpUrl` gives away.
fn dialect(kind: &'static ClientKind, value: &Value) -> &'static ClientKind {
    let gemini =
        value.as_object().is_some_and(|map| map.values().any(|server| server.get("httpUrl").is_some()));
    by_id("gemini-cli").filter(|_| gemini).unwrap_or(kind)
}

fn is_bare_map(doc: &Value) -> bool {
    let servers = doc.as_object().filter(|map| !map.is_empty());
    servers.is_some_and(|map| map.values().all(looks_like_server))
}
