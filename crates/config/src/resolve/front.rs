//! Security, limits and log.

use trunkline_policy::limits::options::Options as CallLimits;

use super::server::Server;
use crate::check::Check;
use crate::fields::{Fields, nearest};
use crate::settings::{Limits, LogFormat, LogOptions, Security};
use crate::tree::Node;

/// Most of anything counted: sessions, connections, streams.
const COUNT_MAX: usize = 10_000_000;

/// Largest body that can be allowed, in bytes.
const BODY_BYTES_MAX: usize = 1 << 30;

pub(super) fn security(node: Option<&Node>, check: &mut Check<'_>) -> Security {
    let mut security = Security::default();
    let Some(mut fields) = node.and_then(|node| Fields::open(node, "security", check)) else {
        return security;
    };
    if let Some(node) = fields.take("allowedHosts", check) {
        security.allowed_hosts =
            names(node, "a host name, with a port if it is not the usual one", false, check);
    }
    if let Some(node) = fields.take("allowedOrigins", check) {
        security.allowed_origins = names(node, "an origin such as \"https://app.example\"", true, check);
    }
    if let Some(node) = fields.take("allowAnonymousBeyondLoopback", check) {
        security.allow_anonymous_beyond_loopback = check.boolean(node).unwrap_or_default();
    }
    fields.finish(check);
    security
}

fn names(node: &Node, wanted: &str, origin: bool, check: &mut Check<'_>) -> Vec<String> {
    let mut list = Vec::new();
    for item in check.list(node) {
        let Some(text) = check.text(&item) else { continue };
        let host = if origin { text.split_once("://").map_or("", |(_, host)| host) } else { text };
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '/' || c == '*' || c == '@';
        if host.is_empty() || host.contains(odd) || (!origin && text.contains("://")) {
            check.problem(&item.spot, format!("expected {wanted}"), "");
        } else {
            list.push(text.to_ascii_lowercase());
        }
    }
    list
}

/// The bounds of the front side, and those of calls.
pub(super) fn limits(node: Option<&Node>, servers: &[Server], check: &mut Check<'_>) -> (Limits, CallLimits) {
    let mut limits = Limits::default();
    let Some(mut fields) = node.and_then(|node| Fields::open(node, "limits", check)) else {
        return (limits, CallLimits::default());
    };
    if let Some(size) =
        fields.take("bodyBytes", check).and_then(|node| check.bytes(node, 1024..=BODY_BYTES_MAX))
    {
        limits.body_bytes = size;
    }
    let counts = [
        ("sessions", &mut limits.sessions),
        ("connections", &mut limits.connections),
        ("streams", &mut limits.streams),
    ];
    for (key, slot) in counts {
        if let Some(count) = fields.take(key, check).and_then(|node| check.whole(node, 1..=COUNT_MAX)) {
            *slot = count;
        }
    }
    let shares = [
        ("connectionsPerAddress", &mut limits.connections_per_address),
        ("sessionsPerAddress", &mut limits.sessions_per_address),
        ("streamsPerAddress", &mut limits.streams_per_address),
    ];
    for (key, slot) in shares {
        if let Some(node) = fields.take(key, check) {
            *slot = check.whole(node, 1..=COUNT_MAX);
        }
    }
    let waits = [
        ("sessionIdle", &mut limits.session_idle),
        ("headerTimeout", &mut limits.header_timeout),
        ("bodyTimeout", &mut limits.body_timeout),
    ];
    for (key, slot) in waits {
        if let Some(wait) = fields.take(key, check).and_then(|node| check.duration(node)) {
            *slot = wait;
        }
    }
    let calls = super::limits::calls(&mut fields, servers, check);
    fields.finish(check);
    (limits, calls)
}

pub(super) fn log(node: Option<&Node>, check: &mut Check<'_>) -> LogOptions {
    let mut log = LogOptions::default();
    let Some(mut fields) = node.and_then(|node| Fields::open(node, "log", check)) else { return log };
    if let Some(node) = fields.take("level", check)
        && let Some(text) = check.text(node)
    {
        level(node, text, check);
        text.trim().clone_into(&mut log.level);
    }
    if let Some(node) = fields.take("format", check)
        && let Some(text) = check.text(node)
    {
        match text {
            "auto" => log.format = LogFormat::Auto,
            "human" => log.format = LogFormat::Human,
            "json" => log.format = LogFormat::Json,
            _ => check.problem(&node.spot, "not a log format", "one of auto, human, json"),
        }
    }
    fields.finish(check);
    log
}

/// A level alone, or directives such as `trunkline_upstream=debug` between commas.
fn level(node: &Node, text: &str, check: &mut Check<'_>) {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    for directive in text.split(',').map(str::trim) {
        let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level);
        if !LEVELS.contains(&level.to_ascii_lowercase().as_str()) {
            let hint = nearest(level, &LEVELS).map_or_else(
                || "a level is one of error, warn, info, debug, trace, off".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            check.problem(&node.spot, "not a log level", hint);
            return;
        }
    }
}
