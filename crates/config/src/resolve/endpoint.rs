//! Where a server that runs elsewhere is reached.

use trunkline_model::Secret;
use trunkline_upstream::Endpoint;
use url::{Host, Url};

use super::command::variable_text;
use crate::check::Check;
use crate::fields::Fields;
use crate::surroundings::Surroundings;
use crate::tree::{Node, Spot, Value};

/// Spellings of the key of added headers.
pub(crate) const HEADER_KEYS: [&str; 2] = ["headers", "http_headers"];

/// Headers that the transport sets itself, besides those of a WebSocket's handshake.
const OWN_HEADERS: [&str; 10] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
    "upgrade",
];

/// Reads every key that makes headers. `unused` says that the server has no endpoint.
pub(super) fn headers(
    fields: &mut Fields<'_>,
    unused: bool,
    world: &Surroundings<'_>,
    check: &mut Check<'_>,
) -> Vec<(String, Secret)> {
    let mut headers = Vec::new();
    let node = fields.take_any(&HEADER_KEYS, check);
    if let Some(node) = node {
        if unused {
            check.note(&node.spot, "headers have no effect on a server that is started by `command`", "");
        }
        match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    if let Some(text) = variable_text(entry, world, check) {
                        add(&mut headers, &entry.key, &entry.key_spot, text, &entry.value.spot, check);
                    }
                }
            }
            _ => check.expected("a map of headers", node),
        }
    }
    if let Some(node) = fields.take("env_http_headers", check) {
        for entry in node.entries() {
            if let Some(value) = named_variable(&entry.value, world, check) {
                add(&mut headers, &entry.key, &entry.key_spot, value, &entry.value.spot, check);
            }
        }
    }
    if let Some(node) = fields.take("bearer_token_env_var", check)
        && let Some(token) = named_variable(node, world, check)
    {
        add(&mut headers, "Authorization", &node.spot, format!("Bearer {token}"), &node.spot, check);
    }
    headers
}

/// Codex names the variable that holds a value instead of writing `${NAME}`.
fn named_variable(node: &Node, world: &Surroundings<'_>, check: &mut Check<'_>) -> Option<String> {
    let name = check.text(node)?;
    let value = (world.env)(name);
    if value.is_none() {
        check.problem(&node.spot, "this environment variable is not set", "");
    }
    value
}

/// Whether the transport sets this header itself; a second value would break the exchange.
fn is_own(name: &str) -> bool {
    OWN_HEADERS.contains(&name) || name.starts_with("sec-websocket-")
}

fn add(
    headers: &mut Vec<(String, Secret)>,
    name: &str,
    name_spot: &Spot,
    text: String,
    spot: &Spot,
    check: &mut Check<'_>,
) {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        check.problem(name_spot, "not the name of a header", "");
    } else if is_own(&name.to_ascii_lowercase()) {
        check.problem(name_spot, "this header is set by Trunkline itself", "remove it");
    } else if text.chars().any(|c| c.is_control() && c != '\t') {
        check.problem(spot, "a header cannot hold control characters or line breaks", "");
    } else {
        headers.push((name.to_owned(), Secret::new(text)));
    }
}

/// Checks the address of an endpoint.
pub(super) fn endpoint(
    node: &Node,
    headers: Vec<(String, Secret)>,
    check: &mut Check<'_>,
) -> Option<Endpoint> {
    let text = check.text(node)?.trim();
    let Ok(url) = Url::parse(text) else {
        let hint =
            if text.contains("://") { "" } else { "write the whole address, as in \"https://host/mcp\"" };
        check.problem(&node.spot, "not a URL", hint);
        return None;
    };
    if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") {
        check.problem(&node.spot, "only http, https, ws and wss URLs can be reached", "");
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        check.problem(
            &node.spot,
            "a URL must not hold a user or password",
            "use `headers` with an Authorization value",
        );
        return None;
    }
    if url.fragment().is_some() {
        check.problem(&node.spot, "a URL with a `#` part cannot be called", "remove it");
        return None;
    }
    let encrypted = match url.scheme() {
        "http" => Some("use https"),
        "ws" => Some("use wss"),
        _ => None,
    };
    if let (Some(hint), false, false) = (encrypted, headers.is_empty(), near(&url)) {
        check.note(&node.spot, "headers are sent to another machine without encryption", hint);
    }
    Some(Endpoint { url: url.into(), headers })
}

/// Whether the host is this machine.
fn near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
