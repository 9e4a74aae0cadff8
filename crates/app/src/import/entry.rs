//! A server in the words of our configuration.

use serde_json::{Map, Value, json};
use trunkline_clients::{ImportedServer, TransportHint};

/// The entry of a server.
pub(super) fn entry(server: &ImportedServer) -> Value {
    let mut entry = Map::new();
    let mut add = |key: &str, value: Value| entry.insert(key.to_owned(), value);
    if let Some(command) = &server.command {
        add("command", command.as_str().into());
        if !server.args.is_empty() {
            add("args", server.args.clone().into());
        }
        if !server.env.is_empty() {
            add("env", pairs(&server.env));
        }
        if let Some(file) = &server.env_file {
            add("envFile", file.as_str().into());
        }
        if let Some(cwd) = &server.cwd {
            add("cwd", cwd.as_str().into());
        }
    } else if let Some(url) = &server.url {
        // Without a word the transport is found out, newest first.
        match server.transport {
            TransportHint::Sse => drop(add("type", "sse".into())),
            TransportHint::WebSocket => drop(add("type", "ws".into())),
            TransportHint::Stdio | TransportHint::Http | TransportHint::Unknown => {}
        }
        add("url", url.as_str().into());
        if !server.headers.is_empty() {
            add("headers", pairs(&server.headers));
        }
    }
    if let Some(millis) = server.timeout_ms {
        add("timeouts", json!({ "idle": format!("{millis}ms") }));
    }
    let mut tools = Map::new();
    for (key, names) in [("include", &server.include_tools), ("exclude", &server.exclude_tools)] {
        if !names.is_empty() {
            tools.insert(key.to_owned(), names.clone().into());
        }
    }
    if !tools.is_empty() {
        add("tools", tools.into());
    }
    if server.disabled {
        add("disabled", true.into());
    }
    entry.into()
}

fn pairs(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect::<Map<_, _>>().into()
}
