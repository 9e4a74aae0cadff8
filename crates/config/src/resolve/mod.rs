//! From tree to settings. One file per part of the document; each reports all it finds and goes on.

mod address;
mod breaker;
mod command;
mod endpoint;
pub(crate) mod faults;
mod front;
pub(crate) mod keys;
mod lifecycle;
mod limits;
mod naming;
mod profiles;
mod reach;
mod results;
mod retry;
mod server;
mod shown;
mod timing;

use std::path::PathBuf;
use std::sync::Arc;

use trunkline_gateway::options::Options as GatewayOptions;

use crate::check::Check;
use crate::fields::Fields;
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::tree::{Node, Value};

/// The name of the section at the root.
pub(crate) const DOCUMENT: &str = "document";

/// Most worker threads. Nobody has as many processors for one gateway; beyond it lies a slip.
const THREADS_MAX: usize = 1024;

/// Resolves the whole document. `None` when anything is wrong; `check` then knows what.
pub(crate) fn document(root: &Node, world: &Surroundings<'_>, check: &mut Check<'_>) -> Option<Settings> {
    let mut fields = Fields::open(root, DOCUMENT, check)?;
    let listen = address::listen(fields.take("listen", check), check);
    let admin = address::admin(fields.take("admin", check), check);
    let servers = servers_node(&mut fields, check);
    let naming = naming::naming(fields.take("naming", check), check);
    let instructions = instructions(fields.take("instructions", check), check);
    let profiles_node = fields.take("profiles", check);
    let security = front::security(fields.take("security", check), check);
    let limits = fields.take("limits", check);
    let results = results::all(fields.take("results", check), check);
    let log = front::log(fields.take("log", check), check);
    let environment = faults::environment(fields.take("environment", check), check);
    let faults = faults::faults(fields.take("faults", check), environment, check);
    let reuse_port = fields.take("reusePort", check).and_then(|node| check.boolean(node)).unwrap_or_default();
    let reload = lifecycle::reload(fields.take("reload", check), check);
    let shutdown = lifecycle::shutdown(fields.take("shutdown", check), reuse_port, check);
    let readiness_node = fields.take("readiness", check);
    let threads = fields.take("threads", check).and_then(|node| check.whole(node, 1..=THREADS_MAX));
    let state_dir = fields.take("stateDir", check).and_then(|node| check.text(node)).map(PathBuf::from);
    check.asked.insert((DOCUMENT, "$schema".to_owned()));
    fields.skip(|key| key == "$schema" || key.starts_with("x-"));
    fields.ignore(&keys::DOCUMENT_IGNORED, check);
    fields.finish(check);

    let servers = servers.map(|node| server::all(node, &naming, &results, world, check)).unwrap_or_default();
    server::prefixes(&servers, check);
    server::fallbacks(&servers, check);
    let (limits, mut calls) = front::limits(limits, &servers, check);
    limits::of_servers(&servers, &mut calls);
    let profiles = profiles::all(profiles_node, &servers, check);
    profiles::transparency(&servers, &profiles, check);
    let readiness = lifecycle::readiness(readiness_node, &servers, check);
    address::exposure(&listen, &admin, &security, check);
    if check.failed() {
        return None;
    }
    let in_use: Vec<_> = servers.into_iter().filter_map(|server| server.resolved).collect();
    let (profiles, views) = profiles.into_iter().map(|profile| (profile.options, profile.text)).unzip();
    Some(Settings {
        listen: listen.address?,
        admin: admin.address,
        gateway: GatewayOptions {
            naming,
            instructions,
            servers: in_use.iter().map(|server| server.rules.clone()).collect(),
            profiles,
            results: results.store,
            limits: Some(calls),
        },
        shown: in_use.iter().map(|server| server.shown.clone()).collect(),
        upstreams: in_use.into_iter().map(|server| server.options).collect(),
        security,
        limits,
        log,
        reuse_port,
        reload,
        shutdown,
        readiness,
        threads,
        state_dir,
        environment,
        faults,
        views,
    })
}

/// The map of servers under any of its names. VS Code keeps it one level down in its settings: `mcp.servers`.
fn servers_node<'n>(fields: &mut Fields<'n>, check: &mut Check<'_>) -> Option<&'n Node> {
    let node = fields.take_any(&keys::SERVERS_KEYS, check)?;
    match node.get("servers") {
        Some(inner)
            if node.entries().iter().all(|entry| matches!(entry.key.as_str(), "servers" | "inputs")) =>
        {
            Some(inner).filter(|inner| inner.get("command").or(inner.get("url")).is_none()).or(Some(node))
        }
        _ => Some(node),
    }
}

/// Longest instructions accepted, in bytes: they are sent to every client.
const INSTRUCTIONS_BYTES_MAX: usize = 64 << 10;

fn instructions(node: Option<&Node>, check: &mut Check<'_>) -> Option<Arc<str>> {
    let node = node?;
    let text = check.text(node)?;
    if text.len() > INSTRUCTIONS_BYTES_MAX {
        check.problem(&node.spot, format!("longer than {} KiB", INSTRUCTIONS_BYTES_MAX >> 10), "");
    }
    Some(Arc::from(text))
}

/// Whether a value is one of the spellings of "not at all".
fn is_off(node: &Node) -> bool {
    match &node.value {
        Value::Bool(boolean) => !boolean,
        Value::String(text) => matches!(text.trim(), "off" | "none" | "false" | "never"),
        _ => false,
    }
}
