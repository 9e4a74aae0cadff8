//! One server's map, in all dialects.

use serde_json::Value;

use super::container::{as_map, wrong};
use super::fields::{Fields, pairs, texts};
use super::{launcher, reference, remote};
use crate::error::ReadError;
use crate::imported::{ImportedServer, TransportHint};
use crate::kind::ClientKind;

/// Keys with sign-in settings that belong to the client's own session and cannot be carried over.
const AUTH_KEYS: [&str; 6] =
    ["auth", "oauth", "authProviderType", "oauth_resource", "scopes", "authentication"];

/// Whether a value has what every server has: a program or an address.
pub(super) fn looks_like_server(value: &Value) -> bool {
    let keys = ["command", "cmd", "url", "uri", "serverUrl", "httpUrl"];
    keys.iter().any(|key| value.get(key).is_some_and(|value| value.is_string() || value.is_array()))
        || value.get("command").is_some_and(|command| command.get("path").is_some())
}

pub(super) fn server(
    kind: &ClientKind,
    name: &str,
    value: &Value,
    path: &str,
) -> Result<ImportedServer, ReadError> {
    let mut fields = Fields::new(as_map(value, path)?.clone(), path);
    let mut out = ImportedServer { name: name.to_owned(), ..ImportedServer::default() };
    if fields.has("name") {
        fields.text("name")?;
    }
    program(&mut fields, &mut out)?;
    remote::read(kind, &mut fields, &mut out)?;
    tools(&mut fields, &mut out)?;
    timeout(kind, &mut fields, &mut out)?;
    out.disabled = fields.flag("disabled")?.unwrap_or(false) | !fields.flag("enabled")?.unwrap_or(true);
    let word = fields.first_text(&["type", "transport", "transportType", "transport_type"])?;
    settle_transport(word.as_deref(), &mut out);
    for key in AUTH_KEYS.iter().filter(|key| fields.has(key)) {
        out.notes.push(format!(
            "its sign-in settings (`{key}`) stay with {}; set up credentials again",
            kind.name
        ));
    }
    if !out.is_usable() {
        out.notes.push(
            "it has neither a command nor an address: part of the client or of an extension".to_owned(),
        );
    }
    out.extra = fields.rest();
    reference::rewrite(&mut out);
    launcher::unwrap(&mut out);
    Ok(out)
}

fn program(fields: &mut Fields, out: &mut ImportedServer) -> Result<(), ReadError> {
    let key = if fields.has("command") { "command" } else { "cmd" };
    match fields.take(key) {
        None => {}
        Some(Value::String(command)) => out.command = Some(command),
        Some(list @ Value::Array(_)) => {
            let mut words = texts(&list, &fields.at(key))?.into_iter();
            out.command = words.next();
            out.args = words.collect();
        }
        // Zed's first notation: everything inside `command`.
        Some(Value::Object(inner)) => {
            let mut inner = Fields::new(inner, &fields.at(key));
            out.command = inner.text("path")?;
            out.args = inner.texts("args")?;
            out.env = inner.pairs("env")?;
        }
        Some(other) => return Err(wrong(&fields.at(key), "a text", &other)),
    }
    out.args.extend(fields.texts("args")?);
    for key in ["env", "environment", "envs"] {
        out.env.extend(fields.pairs(key)?);
    }
    for key in ["env_keys", "env_vars"] {
        for name in variable_names(fields, key)? {
            let reference = format!("${{{name}}}");
            out.env.push((name, reference));
        }
    }
    out.cwd = fields.first_text(&["cwd", "workingDirectory", "working_directory"])?;
    out.env_file = fields.first_text(&["envFile", "env_file"])?;
    Ok(())
}

/// Variables passed through by name; Codex also writes them as `{ name, source }`.
fn variable_names(fields: &mut Fields, key: &str) -> Result<Vec<String>, ReadError> {
    let Some(Value::Array(list)) = fields.take(key) else { return Ok(Vec::new()) };
    let path = fields.at(key);
    let name = |(index, value): (usize, &Value)| {
        let name = value.as_str().or_else(|| value.get("name")?.as_str());
        name.map(str::to_owned).ok_or_else(|| wrong(&format!("{path}[{index}]"), "a text", value))
    };
    list.iter().enumerate().map(name).collect()
}

fn tools(fields: &mut Fields, out: &mut ImportedServer) -> Result<(), ReadError> {
    for key in ["includeTools", "enabledTools", "enabled_tools", "available_tools", "tools"] {
        // Codex keeps per-tool settings in a map of the same name; those stay in `extra`.
        match fields.take(key) {
            None => {}
            Some(value @ Value::Object(_)) => fields.put_back(key, value),
            Some(value) => out.include_tools.extend(texts(&value, &fields.at(key))?),
        }
    }
    out.include_tools.retain(|tool| tool != "*");
    for key in ["excludeTools", "disabledTools", "disabled_tools"] {
        out.exclude_tools.extend(fields.texts(key)?);
    }
    Ok(())
}

fn timeout(kind: &ClientKind, fields: &mut Fields, out: &mut ImportedServer) -> Result<(), ReadError> {
    let unit = f64::from(kind.timeout_unit_ms);
    let mut millis = None;
    match fields.take("timeout") {
        None => {}
        // OpenCode 2 has one for starting and one for requests.
        Some(Value::Object(inner)) => {
            let mut inner = Fields::new(inner, &fields.at("timeout"));
            millis = inner.number("request")?;
        }
        Some(value) => match value.as_f64() {
            Some(number) => millis = Some(number * unit),
            None => return Err(wrong(&fields.at("timeout"), "a number", &value)),
        },
    }
    if let Some(seconds) = fields.number("tool_timeout_sec")? {
        millis = Some(seconds * 1000.0);
    }
    if let Some(number) = fields.number("timeoutMs")? {
        millis = Some(number);
    }
    out.timeout_ms = millis.filter(|number| *number > 0.0).and_then(whole_millis);
    Ok(())
}

/// Rounds a positive number of milliseconds; nothing for one beyond a day, which means "never" in practice.
fn whole_millis(millis: f64) -> Option<u64> {
    const DAY_MS: f64 = 86_400_000.0;
    let rounded = millis.round();
    // In range by the comparison, and whole by `round`.
    #[expect(clippy::cast_sign_loss, reason = "the value is positive and at most a day")]
    (1.0..=DAY_MS).contains(&rounded).then_some(rounded as u64)
}

/// Decides the transport from the client's word, else from what is there.
fn settle_transport(word: Option<&str>, out: &mut ImportedServer) {
    use TransportHint::{Http, Sse, Stdio, Unknown, WebSocket};
    let said = word.map(|word| word.to_ascii_lowercase().replace(['-', '_'], ""));
    out.transport = match said.as_deref() {
        Some("stdio" | "local") => Stdio,
        Some("http" | "streamablehttp" | "streaminghttp") => Http,
        Some("sse" | "httpsse") => Sse,
        Some("ws" | "wss" | "websocket") => WebSocket,
        Some("remote") if ends_in_sse(out) => Sse,
        Some("remote") => Http,
        other => {
            if let (Some(_), Some(word), true) = (other, word, out.is_usable()) {
                out.notes.push(format!("the transport `{word}` is not known"));
            }
            match out.url.as_deref() {
                Some(url) if url.starts_with("ws://") || url.starts_with("wss://") => WebSocket,
                Some(_) if out.transport == Unknown && ends_in_sse(out) => Sse,
                Some(_) => out.transport,
                None if out.command.is_some() => Stdio,
                None => Unknown,
            }
        }
    };
}

fn ends_in_sse(out: &ImportedServer) -> bool {
    let path = out.url.as_deref().and_then(|url| url.split(['?', '#']).next());
    path.is_some_and(|path| path.trim_end_matches('/').ends_with("/sse"))
}

pub(super) fn inner_headers(value: &Value, path: &str) -> Result<Vec<(String, String)>, ReadError> {
    match value.get("headers") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(headers) => pairs(headers, &format!("{path}.headers")),
    }
}
