//! How much callers may: rates, calls at a time, and when the gateway protects its servers and itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use trunkline_policy::limits::options::{
    ConcurrencyRule, Costs, Match, Names, Options, Overload, Per, Rate, RateRule,
};

use super::is_off;
use super::server::Server;
use crate::check::Check;
use crate::fields::{Fields, nearest};
use crate::patterns::patterns;
use crate::tree::{Node, Value};

/// Most limits of a kind.
const RULES_MAX: usize = 100;
/// Most of anything counted here: units, calls.
const COUNT_MAX: usize = 1_000_000_000;
/// Most patterns with a cost of their own in one limit.
const COSTS_MAX: usize = 1000;
/// Longest name of a limit, in bytes: it goes into headers and metrics.
const NAME_BYTES_MAX: usize = 64;
/// Least memory that the gateway can be held to: what it needs idle, with room for some calls.
const MEMORY_MIN: usize = 32 << 20;

/// Reads the keys of `limits` that are about calls.
pub(super) fn calls(fields: &mut Fields<'_>, servers: &[Server], check: &mut Check<'_>) -> Options {
    let mut options = Options { overload: overload(fields, check), ..Options::default() };
    let mut taken = BTreeSet::new();
    for node in rules(fields.take("rates", check), check) {
        options.rates.extend(rate_rule(&node, servers, &mut taken, check));
    }
    let mut taken = BTreeSet::new();
    for node in rules(fields.take("concurrency", check), check) {
        options.concurrency.extend(concurrency_rule(&node, servers, &mut taken, check));
    }
    options
}

/// The short forms that servers have for themselves.
pub(super) fn of_servers(servers: &[Server], options: &mut Options) {
    for server in servers.iter().filter(|server| server.enabled) {
        if let Some(rate) = server.rate {
            options.rates.push(RateRule {
                name: format!("server:{}", server.name).into(),
                per: Per::default(),
                matches: Match { servers: Some(vec![Arc::clone(&server.name)]), ..Match::default() },
                rate,
                burst: rate.count,
                costs: Costs::default(),
            });
        }
        if let Some(max) = server.max_concurrency {
            options.overload.servers.insert(Arc::clone(&server.name), max);
        }
    }
}

fn overload(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Overload {
    let mut overload = Overload::default();
    let counts = [
        ("inFlight", &mut overload.in_flight, 1),
        ("inFlightPerServer", &mut overload.per_server, 1),
        ("queue", &mut overload.queue, 0),
    ];
    for (key, slot, least) in counts {
        if let Some(count) = fields.take(key, check).and_then(|node| check.whole(node, least..=1_000_000)) {
            *slot = count;
        }
    }
    if let Some(wait) = fields.take("queueAge", check).and_then(|node| check.duration(node)) {
        overload.queue_age = wait;
    }
    if let Some(on) = fields.take("adaptive", check).and_then(|node| check.boolean(node)) {
        overload.adaptive = on;
    }
    if let Some(node) = fields.take("memory", check).filter(|node| !is_off(node)) {
        overload.memory = check.bytes(node, MEMORY_MIN..=1 << 46);
    }
    if let Some(node) = fields.take("lag", check) {
        overload.lag = if is_off(node) { None } else { check.duration(node) };
    }
    overload
}

fn rules(node: Option<&Node>, check: &mut Check<'_>) -> Vec<Node> {
    let Some(node) = node else { return Vec::new() };
    let Value::List(items) = &node.value else {
        check.expected("a list of limits", node);
        return Vec::new();
    };
    if items.len() > RULES_MAX {
        check.problem(&node.spot, format!("more than {RULES_MAX} limits"), "");
        return Vec::new();
    }
    items.clone()
}

fn rate_rule(
    node: &Node,
    servers: &[Server],
    taken: &mut BTreeSet<Arc<str>>,
    check: &mut Check<'_>,
) -> Option<RateRule> {
    let mut fields = Fields::open(node, "rate", check)?;
    let name = fields.take("name", check);
    let per = per(fields.take("per", check), check);
    let matches = matches(fields.take("match", check), servers, check);
    let rate_node = fields.take("rate", check);
    if rate_node.is_none() {
        check.problem(&node.spot, "this limit has no `rate`", "as in `rate: 100/s` or `rate: 10/m`");
    }
    let rate = rate_node.and_then(|node| rate(node, check));
    let burst_node = fields.take("burst", check);
    let burst = burst_node.and_then(|node| check.whole(node, 1..=COUNT_MAX));
    let costs_node = fields.take("cost", check);
    let costs = costs(costs_node, check);
    fields.finish(check);
    let rate = rate?;
    let burst = burst.map_or(rate.count, |burst| burst as u32);
    let dearest = costs.tools.iter().map(|(_, cost)| *cost).chain([costs.default]).max().unwrap_or(0);
    if dearest > burst {
        let at = burst_node.or(costs_node).or(rate_node).unwrap_or(node);
        let message = format!("a call that costs {dearest} is never admitted with a burst of {burst}");
        check.problem(&at.spot, message, "raise `burst`, or lower the cost");
    }
    let name = named(name, per, &matches, taken, check);
    Some(RateRule { name, per, matches, rate, burst, costs })
}

fn concurrency_rule(
    node: &Node,
    servers: &[Server],
    taken: &mut BTreeSet<Arc<str>>,
    check: &mut Check<'_>,
) -> Option<ConcurrencyRule> {
    let mut fields = Fields::open(node, "concurrency", check)?;
    let name = fields.take("name", check);
    let per = per(fields.take("per", check), check);
    let matches = matches(fields.take("match", check), servers, check);
    let max = fields.take("max", check);
    if max.is_none() {
        check.problem(&node.spot, "this limit has no `max`", "as in `max: 8`");
    }
    let max = max.and_then(|node| check.whole(node, 1..=COUNT_MAX));
    let wait = fields.take("wait", check).map_or(Some(Duration::ZERO), |node| wait(node, check));
    fields.finish(check);
    let name = named(name, per, &matches, taken, check);
    Some(ConcurrencyRule { name, per, matches, max: max?, wait: wait? })
}

/// A duration that may be none at all.
fn wait(node: &Node, check: &mut Check<'_>) -> Option<Duration> {
    let none = match &node.value {
        Value::Number(text) | Value::String(text) => matches!(text.trim(), "0" | "0s" | "0ms"),
        _ => false,
    };
    if none || is_off(node) { Some(Duration::ZERO) } else { check.duration(node) }
}

/// `100/s`, `10/m`, `500/10s`.
pub(super) fn rate(node: &Node, check: &mut Check<'_>) -> Option<Rate> {
    let text = check.text(node)?;
    let parsed = text.split_once('/').and_then(|(count, period)| {
        let count = count.trim().replace('_', "").parse::<u32>().ok().filter(|count| *count > 0)?;
        let period = period.trim();
        let whole = if period.starts_with(|c: char| c.is_ascii_digit()) {
            period.to_owned()
        } else {
            format!("1{period}")
        };
        let period = crate::scalars::parse_duration(&whole)?;
        let usual = Duration::from_millis(1)..=Duration::from_hours(24 * 31);
        usual.contains(&period).then_some(Rate { count, period })
    });
    if parsed.is_none() {
        let hint = "a number and a time, as in \"100/s\", \"10/m\" or \"500/10s\"";
        check.problem(&node.spot, "not a rate", hint);
    }
    parsed
}

fn per(node: Option<&Node>, check: &mut Check<'_>) -> Per {
    const WORDS: [&str; 5] = ["principal", "client", "tool", "upstream", "all"];
    let mut per = Per::default();
    let Some(node) = node else { return per };
    let items = match &node.value {
        Value::List(items) => items.clone(),
        _ => vec![node.clone()],
    };
    for item in &items {
        let Some(word) = check.text(item) else { continue };
        match word {
            "principal" => per.principal = true,
            "client" => per.client = true,
            "tool" => per.tool = true,
            "upstream" | "server" => per.upstream = true,
            "all" if items.len() == 1 => {}
            _ => {
                let hint = nearest(word, &WORDS).map_or_else(
                    || "`all` alone, or some of principal, client, tool, upstream".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                check.problem(&item.spot, "not something that can be counted apart", hint);
            }
        }
    }
    per
}

fn matches(node: Option<&Node>, servers: &[Server], check: &mut Check<'_>) -> Match {
    let mut matches = Match::default();
    let Some(mut fields) = node.and_then(|node| Fields::open(node, "match", check)) else { return matches };
    if let Some(node) = fields.take("tools", check) {
        let list = patterns(node, false, check);
        matches.tools = compiled(list, node, check);
    }
    if let Some(node) = fields.take("servers", check) {
        matches.servers = Some(known(node, servers, check));
    }
    if let Some(node) = fields.take("methods", check) {
        let items = check.list(node);
        let texts = items.iter().filter_map(|item| check.text(item).map(Box::from));
        matches.methods = Some(texts.collect());
    }
    fields.finish(check);
    matches
}

fn known(node: &Node, servers: &[Server], check: &mut Check<'_>) -> Vec<Arc<str>> {
    let names: Vec<&str> = servers.iter().map(|server| &*server.name).collect();
    let mut list = Vec::new();
    for item in check.list(node) {
        let Some(name) = check.text(&item) else { continue };
        if names.contains(&name) {
            list.push(Arc::from(name));
        } else {
            let hint = nearest(name, &names).map_or_else(
                || "name servers as they are called under `mcpServers`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            check.problem(&item.spot, "no server has this name", hint);
        }
    }
    list
}

fn costs(node: Option<&Node>, check: &mut Check<'_>) -> Costs {
    let mut costs = Costs::default();
    let Some(node) = node else { return costs };
    if !matches!(node.value, Value::Map(_)) {
        costs.default = check.whole(node, 0..=COUNT_MAX).unwrap_or(1) as u32;
        return costs;
    }
    let Some(mut fields) = Fields::open(node, "cost", check) else { return costs };
    if let Some(cost) = fields.take("default", check).and_then(|node| check.whole(node, 0..=COUNT_MAX)) {
        costs.default = cost as u32;
    }
    if let Some(node) = fields.take("tools", check) {
        let Value::Map(entries) = &node.value else {
            check.expected("a map of costs by pattern", node);
            return costs;
        };
        if entries.len() > COSTS_MAX {
            check.problem(&node.spot, format!("more than {COSTS_MAX} costs"), "");
            return costs;
        }
        for entry in entries {
            let cost = check.whole(&entry.value, 0..=COUNT_MAX);
            let pattern = Node { value: Value::String(entry.key.clone()), ..entry.value.clone() };
            let list = Node { value: Value::List(vec![pattern]), ..entry.value.clone() };
            let names = patterns(&list, false, check);
            if let (Some(names), Some(cost)) = (compiled(names, node, check), cost) {
                costs.tools.push((names, cost as u32));
            }
        }
    }
    fields.finish(check);
    costs
}

fn compiled(list: Vec<String>, node: &Node, check: &mut Check<'_>) -> Option<Names> {
    let names = Names::new(list);
    if names.is_err() {
        check.problem(&node.spot, "these patterns are too large together", "");
    }
    names.ok()
}

/// The name of a limit: the one it was given, or one that says what it counts.
fn named(
    node: Option<&Node>,
    per: Per,
    matches: &Match,
    taken: &mut BTreeSet<Arc<str>>,
    check: &mut Check<'_>,
) -> Arc<str> {
    if let Some(node) = node
        && let Some(text) = check.text(node)
    {
        let odd = |c: char| !matches!(c, ' '..='~') || matches!(c, '"' | '\\');
        if text.is_empty() || text.len() > NAME_BYTES_MAX || text.contains(odd) {
            let message = format!(
                "a limit's name has 1 to {NAME_BYTES_MAX} characters of ASCII, without quotes and backslashes"
            );
            check.problem(&node.spot, message, "");
        }
        let name: Arc<str> = Arc::from(text);
        if !taken.insert(Arc::clone(&name)) {
            check.problem(&node.spot, "a limit of this name is there already", "");
        }
        return name;
    }
    let words = [
        (per.principal, "principal"),
        (per.client, "client"),
        (per.tool, "tool"),
        (per.upstream, "upstream"),
    ];
    let mut base: Vec<&str> = words.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect();
    if base.is_empty() {
        base.push("all");
    }
    base.extend(matches.methods.iter().flatten().map(|method| &**method).take(1));
    base.extend(matches.servers.iter().flatten().map(|server| &**server).take(1));
    let base: String = base.join("-").chars().filter(char::is_ascii_graphic).take(48).collect();
    let mut name: Arc<str> = Arc::from(&*base);
    let mut number = 2;
    while !taken.insert(Arc::clone(&name)) {
        name = format!("{base}-{number}").into();
        number += 1;
    }
    name
}

/// Reads the short forms of one server.
pub(super) fn short(fields: &mut Fields<'_>, check: &mut Check<'_>) -> (Option<Rate>, Option<usize>) {
    let rate = fields.take("rateLimit", check).and_then(|node| rate(node, check));
    let max = fields.take("maxConcurrency", check).and_then(|node| check.whole(node, 1..=1_000_000));
    (rate, max)
}
