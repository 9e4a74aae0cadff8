//! Profiles, and the rule about transparent servers.

use std::sync::Arc;

use trunkline_gateway::options::Profile;

use super::instructions;
use super::server::Server;
use super::shown::filtered;
use crate::check::Check;
use crate::fields::{Fields, nearest};
use crate::patterns::Patterns;
use crate::settings::ViewText;
use crate::tree::{Entry, Node, Value};

/// Longest name of a profile: it is a segment of a path.
const NAME_CHARS_MAX: usize = 64;

/// A profile, compiled and as text.
pub(super) struct Compiled {
    pub(super) options: Profile,
    pub(super) text: ViewText,
}

pub(super) fn all(node: Option<&Node>, servers: &[Server], check: &mut Check<'_>) -> Vec<Compiled> {
    let Some(node) = node else { return Vec::new() };
    let Value::Map(entries) = &node.value else {
        check.expected("a map of profiles", node);
        return Vec::new();
    };
    entries.iter().filter_map(|entry| one(entry, servers, check)).collect()
}

fn one(entry: &Entry, servers: &[Server], check: &mut Check<'_>) -> Option<Compiled> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name = entry.key.as_str();
    let dots = name.chars().all(|c| c == '.');
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(legal) || dots {
        let message = format!("a profile's name has 1 to {NAME_CHARS_MAX} letters, digits, `_`, `-` or `.`");
        check.problem(&entry.key_spot, message, "it is the last part of the path /mcp/<name>");
    }
    let mut fields = Fields::open(&entry.value, "profile", check)?;
    let listed = fields.take("servers", check);
    if listed.is_none() {
        check.problem(&entry.key_spot, "this profile names no servers", "add `servers: [...]`");
    }
    let members = listed.map(|node| members(node, servers, check)).unwrap_or_default();
    let mut tools = Patterns::default();
    let tools_node = fields.take("tools", check);
    if let Some(node) = tools_node {
        filtered(node, &mut tools, None, check);
    }
    let instructions = instructions(fields.take("instructions", check), check);
    fields.finish(check);
    let name: Arc<str> = Arc::from(name);
    let filter = tools.compile(tools_node.unwrap_or(&entry.value), check);
    let text = ViewText {
        name: Arc::clone(&name),
        servers: members.clone(),
        tools,
        instructions: instructions.clone(),
    };
    Some(Compiled { options: Profile { name, servers: members, tools: filter, instructions }, text })
}

fn members(node: &Node, servers: &[Server], check: &mut Check<'_>) -> Vec<Arc<str>> {
    let known: Vec<&str> = servers.iter().map(|server| &*server.name).collect();
    let mut members: Vec<Arc<str>> = Vec::new();
    for item in check.list(node) {
        let Some(name) = check.text(&item) else { continue };
        match servers.iter().find(|server| *server.name == *name) {
            None => {
                let hint = nearest(name, &known).map_or_else(
                    || "name servers as they are called under `mcpServers`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                check.problem(&item.spot, "no server has this name", hint);
            }
            Some(server) if !server.enabled => {
                check.note(&item.spot, "this server is switched off, so the profile goes without it", "");
            }
            Some(server) if members.contains(&server.name) => {
                check.problem(&item.spot, "this server is named twice", "");
            }
            Some(server) => members.push(Arc::clone(&server.name)),
        }
    }
    members
}

/// A transparent server must be alone in every view it is in: the default view has all servers in use.
pub(super) fn transparency(servers: &[Server], profiles: &[Compiled], check: &mut Check<'_>) {
    let in_use = servers.iter().filter(|server| server.enabled).count();
    for server in servers.iter().filter(|server| server.enabled) {
        let Some(spot) = &server.transparent else { continue };
        if in_use > 1 {
            let message =
                format!("a transparent server must be alone, but the default view has {in_use} servers");
            check.problem(spot, message, "remove `transparent`, or run it behind a Trunkline of its own");
        }
        for profile in profiles {
            let view = &profile.text;
            if view.servers.len() > 1 && view.servers.contains(&server.name) {
                let message =
                    format!("a transparent server must be alone, but profile `{}` has others too", view.name);
                check.problem(spot, message, "remove `transparent`, or the other servers from the profile");
            }
        }
    }
}
