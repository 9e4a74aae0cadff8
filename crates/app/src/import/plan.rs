//! Which servers are added, and under which names.

use serde_json::{Map, Value};
use trunkline_clients::ImportedServer;

use super::{Found, entry, secrets};

/// What an import would do.
#[derive(Default)]
pub(crate) struct Plan {
    /// The entries to add, by name.
    pub(crate) entries: Vec<(String, Value)>,
    /// Sentences about servers that are not taken over, or not as they were.
    pub(crate) notes: Vec<String>,
    /// Variables to set, and what each is for.
    pub(crate) variables: Vec<(String, String)>,
    /// Servers whose credentials are copied as they are.
    pub(crate) literal: Vec<String>,
}

/// Plans to add what was `found` to the servers that are `there`. `endpoint` is our own address, which must not become
/// a server of its own.
pub(crate) fn plan(found: &[Found], there: &Map<String, Value>, endpoint: &str, to_variables: bool) -> Plan {
    let mut plan = Plan::default();
    for one in found {
        for server in one.servers.iter().flatten() {
            add(&mut plan, server.clone(), &one.client, there, endpoint, to_variables);
        }
    }
    plan
}

fn add(
    plan: &mut Plan,
    mut server: ImportedServer,
    client: &str,
    there: &Map<String, Value>,
    endpoint: &str,
    to_variables: bool,
) {
    let label = format!("{} ({client})", server.name);
    if !server.is_usable() {
        return plan.notes.push(format!("{label}: not taken over: it is part of the client itself"));
    }
    if is_trunkline(&server, endpoint) {
        return plan.notes.push(format!("{label}: not taken over: it is Trunkline"));
    }
    let notes = std::mem::take(&mut server.notes);
    let variables = if to_variables { secrets::to_variables(&mut server) } else { Vec::new() };
    let literal = !server.literal_secrets().is_empty();
    let value = entry::entry(&server);
    let mut known = there.iter().chain(plan.entries.iter().map(|(n, v)| (n, v)));
    if let Some((name, _)) = known.find(|(_, known)| same_reach(known, &value)) {
        let note = format!("{label}: not taken over: \"{name}\" is the same server");
        return plan.notes.push(note);
    }
    let taken = |name: &str| there.contains_key(name) || plan.entries.iter().any(|(known, _)| known == name);
    let numbered = (2..).map(|number| format!("{}-{number}", server.name));
    let mut names = [server.name.clone(), format!("{}-{client}", server.name)].into_iter().chain(numbered);
    // The numbers never end, so there is always a free name.
    let name = names.find(|name| !taken(name)).unwrap_or_default();
    if name != server.name {
        plan.notes.push(format!("{label}: taken over as \"{name}\": there is another server of its name"));
    }
    plan.notes.extend(notes.into_iter().map(|note| format!("{label}: {note}")));
    if !server.extra.is_empty() {
        let keys = server.extra.keys().cloned().collect::<Vec<_>>().join(", ");
        plan.notes.push(format!("{label}: left out what only the client knows: {keys}"));
    }
    plan.variables
        .extend(variables.into_iter().map(|(variable, place)| (variable, format!("{name}: {place}"))));
    if literal {
        plan.literal.push(name.clone());
    }
    plan.entries.push((name, value));
}

/// Whether two entries lead to the same server.
fn same_reach(one: &Value, other: &Value) -> bool {
    let keys = ["command", "args", "env", "url", "headers"];
    keys.iter().all(|key| one.get(key) == other.get(key))
}

fn is_trunkline(server: &ImportedServer, endpoint: &str) -> bool {
    let program = server.command.as_deref().and_then(|command| command.rsplit(['/', '\\']).next());
    let starts_us = program.is_some_and(|program| program == "trunkline" || program == "trunkline.exe");
    let local = |url: &str| url.replace("://localhost", "://127.0.0.1");
    let calls_us = server.url.as_deref().is_some_and(|url| local(url).starts_with(&local(endpoint)));
    starts_us || calls_us
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn found(client: &str, text: &str) -> Found {
        let servers = trunkline_clients::read_any(&PathBuf::from("x.json"), text).unwrap();
        Found { client: client.to_owned(), path: PathBuf::from("x.json"), servers: Ok(servers) }
    }

    #[test]
    fn nothing_is_clobbered_doubled_or_looped() {
        let a = found(
            "a",
            r#"{"mcpServers":{"git":{"command":"git-mcp"},"t":{"url":"http://localhost:8808/mcp"},
               "u":{"command":"/usr/bin/trunkline","args":["stdio"]},"there":{"command":"new"}}}"#,
        );
        let b = found("b", r#"{"mcpServers":{"git":{"command":"other"},"same":{"command":"git-mcp"}}}"#);
        let there = serde_json::json!({"there": {"command": "old"}});
        let plan = plan(&[a, b], there.as_object().unwrap(), "http://127.0.0.1:8808/mcp", false);
        let names: Vec<&str> = plan.entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["git", "there-a", "git-b"]);
        assert_eq!(plan.notes.iter().filter(|note| note.contains("it is Trunkline")).count(), 2);
        assert!(plan.notes.iter().any(|note| note.contains("\"git\" is the same server")));
    }
}
