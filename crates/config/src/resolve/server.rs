//! One server, and the rules that hold between servers.

use std::collections::HashMap;
use std::sync::Arc;

use trunkline_gateway::options::{Naming, ServerRules};
use trunkline_policy::limits::options::Rate;
use trunkline_upstream::{EraChoice, Live, Options, Reach, SessionScope};

use super::results::Results;
use super::{breaker, keys, limits, reach, retry, shown, timing};
use crate::check::Check;
use crate::fields::{Fields, nearest};
use crate::settings::Shown;
use crate::surroundings::Surroundings;
use crate::tree::{Node, Spot, Value, child};

/// Most sessions with one server besides the shared one.
const SESSIONS_MAX: usize = 10_000;

/// The section name of a server's keys.
pub(crate) const SERVER: &str = "server";

/// Most servers in one document.
const SERVERS_MAX: usize = 1000;

/// Longest server name, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// A server of the document, switched on or off.
pub(crate) struct Server {
    pub(super) name: Arc<str>,
    pub(super) spot: Spot,
    pub(super) enabled: bool,
    pub(super) transparent: Option<Spot>,
    /// The prefix in effect, and where it comes from.
    pub(super) prefix: (String, Spot),
    /// The server that answers in its place.
    pub(super) fallback: Option<(String, Spot)>,
    pub(super) resolved: Option<Resolved>,
    /// Its short forms of limits.
    pub(super) rate: Option<Rate>,
    pub(super) max_concurrency: Option<usize>,
}

/// A server that is in use and without problems.
pub(crate) struct Resolved {
    pub(super) options: Options,
    pub(super) rules: ServerRules,
    pub(super) shown: Shown,
}

/// Reads a map of servers by name, or a list of servers that each have a `name`.
pub(super) fn all(
    node: &Node,
    naming: &Naming,
    results: &Results,
    world: &Surroundings<'_>,
    check: &mut Check<'_>,
) -> Vec<Server> {
    let mut named: Vec<(String, Spot, &Node)> = Vec::new();
    match &node.value {
        Value::Map(entries) => {
            named.extend(
                entries.iter().map(|entry| (entry.key.clone(), entry.key_spot.clone(), &entry.value)),
            );
        }
        Value::List(items) => {
            for item in items {
                match item.get("name").map(|name| (&name.value, &name.spot)) {
                    Some((Value::String(name), spot)) => named.push((name.clone(), spot.clone(), item)),
                    _ => check.problem(&item.spot, "a server in a list needs a `name`", ""),
                }
            }
        }
        _ => check.expected("a map of servers", node),
    }
    if named.len() > SERVERS_MAX {
        check.problem(&node.spot, format!("more than {SERVERS_MAX} servers"), "");
        return Vec::new();
    }
    let mut servers: Vec<Server> = Vec::new();
    for (name, spot, node) in named {
        if servers.iter().any(|server| *server.name == *name) {
            check.problem(&spot, "a server of this name is there already", "");
        } else if let Some(server) = one(&name, spot, node, naming, results, world, check) {
            servers.push(server);
        }
    }
    servers
}

fn one(
    name: &str,
    spot: Spot,
    node: &Node,
    naming: &Naming,
    results: &Results,
    world: &Surroundings<'_>,
    check: &mut Check<'_>,
) -> Option<Server> {
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        let message = format!("a server's name has 1 to {NAME_BYTES_MAX} printable characters");
        check.problem(&spot, message, "");
    }
    let mut fields = Fields::open(node, SERVER, check)?;
    let enabled = enabled(&mut fields, check);
    let reach = reach::reach(&mut fields, enabled, world, check);
    let era_node = fields.take("era", check);
    let era = era(era_node, check);
    if let (Some((Reach::HttpSse(_), _)), EraChoice::Modern, Some(node)) = (&reach, era, era_node) {
        check.problem(
            &node.spot,
            "HTTP+SSE carries the legacy era only",
            "remove `era`, or use `type: http`",
        );
    }
    let sessions = sessions(fields.take("sessions", check), check);
    let sessions_max = fields.take("maxSessions", check);
    let sessions_max = sessions_max.and_then(|node| check.whole(node, 1..=SESSIONS_MAX));
    let timing = timing::timing(&mut fields, check);
    let message_bytes = fields.take("maxMessageBytes", check);
    let message_bytes = message_bytes.and_then(|node| check.bytes(node, 4096..=1 << 30));
    let keeping = results.of_server(fields.take("results", check), check);
    let live = Live {
        breaker: breaker::breaker(fields.take("circuitBreaker", check), check),
        retry: retry::retry(fields.take("retry", check), check),
        outliers: retry::ejection(fields.take("ejection", check), check),
        health: timing::health(fields.take("health", check), check),
    };
    let fallback = fields
        .take("fallback", check)
        .and_then(|node| check.text(node).map(|name| (name.to_owned(), node.spot.clone())));
    let (rate, max_concurrency) = limits::short(&mut fields, check);
    let shown = shown::shown(&mut fields, name, &spot, naming, check);
    fields.ignore(&keys::SERVER_IGNORED, check);
    fields.skip(|key| key.starts_with("x-"));
    fields.finish(check);

    let name: Arc<str> = Arc::from(name);
    let mut rules = shown.rules(&name, node, check);
    rules.results = keeping;
    let stands_in: Option<Arc<str>> = fallback.as_ref().map(|(other, _)| Arc::from(other.as_str()));
    rules.fallback.clone_from(&stands_in);
    let resolved = reach.filter(|_| enabled).map(|(reach, others)| {
        let mut options = Options::new(Arc::clone(&name), reach);
        options.others = others;
        options.era = era;
        options.timeouts = timing.timeouts;
        options.idle_stop = timing.idle_stop;
        options.backoff = timing.backoff;
        options.sessions = sessions;
        options.sessions_max = sessions_max.unwrap_or(options.sessions_max);
        options.live = live;
        options.message_bytes_max = message_bytes.unwrap_or(options.message_bytes_max);
        Resolved { options, rules, shown: Shown { fallback: stands_in, ..shown.text } }
    });
    Some(Server {
        name,
        spot,
        enabled,
        transparent: shown.transparent_spot,
        prefix: shown.prefix,
        fallback,
        resolved,
        rate,
        max_concurrency,
    })
}

/// A fallback must be another server that is in use.
pub(super) fn fallbacks(servers: &[Server], check: &mut Check<'_>) {
    let names: Vec<&str> =
        servers.iter().filter(|server| server.enabled).map(|server| &*server.name).collect();
    for server in servers.iter().filter(|server| server.enabled) {
        let Some((other, spot)) = &server.fallback else { continue };
        if **other == *server.name {
            check.problem(spot, "a server cannot be its own fallback", "");
        } else if !names.contains(&other.as_str()) {
            let hint = nearest(other, &names).map_or_else(
                || "name another server that is in use".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            check.problem(spot, "there is no such server in use", hint);
        }
    }
}

fn enabled(fields: &mut Fields<'_>, check: &mut Check<'_>) -> bool {
    let disabled = fields.take("disabled", check).and_then(|node| check.boolean(node));
    let enabled = fields.take("enabled", check).and_then(|node| check.boolean(node));
    if disabled.is_some() && disabled == enabled {
        check.problem(fields.spot(), "`disabled` and `enabled` contradict each other", "give only one");
    }
    !disabled.unwrap_or(false) && enabled.unwrap_or(true)
}

fn era(node: Option<&Node>, check: &mut Check<'_>) -> EraChoice {
    let eras = [("auto", EraChoice::Auto), ("modern", EraChoice::Modern), ("legacy", EraChoice::Legacy)];
    choice(node, eras, "an era", check)
}

fn sessions(node: Option<&Node>, check: &mut Check<'_>) -> SessionScope {
    let scopes = [
        ("auto", SessionScope::Auto),
        ("per-client", SessionScope::PerClient),
        ("shared", SessionScope::Shared),
    ];
    choice(node, scopes, "a way to share sessions", check)
}

/// The value that a word stands for, or the default.
fn choice<T: Copy + Default>(
    node: Option<&Node>,
    words: [(&'static str, T); 3],
    what: &str,
    check: &mut Check<'_>,
) -> T {
    let Some(node) = node else { return T::default() };
    let Some(said) = check.text(node) else { return T::default() };
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == said) {
        return *value;
    }
    let known = words.map(|(word, _)| word);
    let near = nearest(said, &known);
    let hint =
        near.map_or_else(|| format!("one of {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
    check.problem(&node.spot, format!("not {what}"), hint);
    T::default()
}

/// No two servers in use may share a prefix: their names would collide.
pub(super) fn prefixes(servers: &[Server], check: &mut Check<'_>) {
    let mut seen: HashMap<&str, &Server> = HashMap::new();
    for server in servers.iter().filter(|server| server.enabled && server.transparent.is_none()) {
        let (prefix, spot) = &server.prefix;
        if let Some(first) = seen.get(prefix.as_str()) {
            let message = format!("this prefix is also that of `{}`", first.name);
            let path = child(&server.spot.path, "prefix");
            check.problem(&Spot { path, ..spot.clone() }, message, "give one of them a `prefix` of its own");
        } else {
            seen.insert(prefix, server);
        }
    }
}
