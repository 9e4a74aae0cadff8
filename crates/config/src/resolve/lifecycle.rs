//! Reload, shutdown and readiness.

use std::time::Duration;

use super::is_off;
use super::server::Server;
use crate::check::Check;
use crate::fields::{Fields, nearest};
use crate::settings::{Readiness, Reload, Required, Shutdown};
use crate::tree::{Node, Value};

/// How long clients are told to go before an address that another process serves too is given up, unless the operator
/// says otherwise. Longer than the pause between two calls of a client that is at work.
const DELAY_OF_SHARED: Duration = Duration::from_secs(5);

pub(super) fn reload(node: Option<&Node>, check: &mut Check<'_>) -> Reload {
    let mut reload = Reload::default();
    let Some(mut fields) = node.and_then(|node| Fields::open(node, "reload", check)) else { return reload };
    if let Some(watch) = fields.take("watch", check).and_then(|node| check.boolean(node)) {
        reload.watch = watch;
    }
    fields.finish(check);
    reload
}

pub(super) fn shutdown(node: Option<&Node>, shared: bool, check: &mut Check<'_>) -> Shutdown {
    let mut shutdown = Shutdown::default();
    if shared {
        shutdown.delay = DELAY_OF_SHARED;
    }
    let Some(mut fields) = node.and_then(|node| Fields::open(node, "shutdown", check)) else {
        return shutdown;
    };
    if let Some(node) = fields.take("delay", check) {
        shutdown.delay =
            if is_none(node) { Duration::ZERO } else { check.duration(node).unwrap_or_default() };
    }
    if let Some(grace) = fields.take("grace", check).and_then(|node| check.duration(node)) {
        shutdown.grace = grace;
    }
    fields.finish(check);
    shutdown
}

/// Nothing to wait for: `0`, or a word for it.
fn is_none(node: &Node) -> bool {
    is_off(node) || matches!(&node.value, Value::Number(text) | Value::String(text) if text.trim() == "0")
}

pub(super) fn readiness(node: Option<&Node>, servers: &[Server], check: &mut Check<'_>) -> Readiness {
    let mut readiness = Readiness::default();
    let Some(mut fields) = node.and_then(|node| Fields::open(node, "readiness", check)) else {
        return readiness;
    };
    if let Some(node) = fields.take("requireServers", check) {
        readiness.require_servers = required(node, servers, check);
    }
    fields.finish(check);
    readiness
}

fn required(node: &Node, servers: &[Server], check: &mut Check<'_>) -> Required {
    match &node.value {
        Value::String(text) if text == "none" => return Required::None,
        Value::String(text) if text == "any" => return Required::Any,
        Value::String(text) if text == "all" => return Required::All,
        Value::String(_) if !node.soft => {
            check.problem(
                &node.spot,
                "not a condition",
                "one of none, any, all, or a list of servers' names",
            );
            return Required::None;
        }
        _ => {}
    }
    let mut names = Vec::new();
    for item in check.list(node) {
        let Some(name) = check.text(&item) else { continue };
        match servers.iter().find(|server| *server.name == *name) {
            Some(server) if server.enabled => names.push(server.name.clone()),
            Some(_) => check.problem(
                &item.spot,
                "this server is switched off, and would never be ready",
                "switch it on, or leave it out here",
            ),
            None => {
                let known: Vec<&str> = servers.iter().map(|server| &*server.name).collect();
                let hint = nearest(name, &known).map_or_else(
                    || "name servers as they are called under `mcpServers`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                check.problem(&item.spot, "no server has this name", hint);
            }
        }
    }
    Required::Servers(names)
}
