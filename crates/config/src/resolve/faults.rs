//! Faults on purpose, and the word that forbids them.

use std::time::Duration;

use trunkline_upstream::Globs;
use trunkline_upstream::faults::{Abort, Kind, RULES_MAX, Rule, Window};

use crate::check::Check;
use crate::fields::{Fields, nearest};
use crate::patterns::globs;
use crate::settings::{Environment, Faults};
use crate::tree::{Node, Value};

/// What a rule may be.
const KINDS: [&str; 7] = ["delay", "abort", "truncate", "garbage", "drop", "duplicate", "stall"];

pub(super) fn environment(node: Option<&Node>, check: &mut Check<'_>) -> Option<Environment> {
    let node = node?;
    match check.text(node)? {
        "production" => Some(Environment::Production),
        "development" => Some(Environment::Development),
        _ => {
            check.problem(&node.spot, "expected `production` or `development`", "");
            None
        }
    }
}

/// The section `faults`: a map, or the list of rules alone.
pub(super) fn faults(node: Option<&Node>, environment: Option<Environment>, check: &mut Check<'_>) -> Faults {
    let mut faults = Faults::default();
    let Some(node) = node else { return faults };
    if matches!(node.value, Value::List(_)) {
        faults.rules = rules(node, check);
    } else if let Some(mut fields) = Fields::open(node, "faults", check) {
        if let Some(node) = fields.take("control", check) {
            faults.control = check.boolean(node).unwrap_or_default();
        }
        if let Some(node) = fields.take("rules", check) {
            faults.rules = rules(node, check);
        }
        fields.finish(check);
    }
    let any = faults.control || !faults.rules.is_empty();
    if any && environment == Some(Environment::Production) {
        let hint = "remove `faults`, or `environment: production` where this is not production";
        check.problem(&node.spot, "no faults are injected on purpose in production", hint);
    } else if !faults.rules.is_empty() {
        let message = format!("{} rules inject faults on purpose: calls will fail", faults.rules.len());
        check.note(&node.spot, message, "remove `faults` when you are done");
    }
    faults
}

/// A list of rules.
pub(crate) fn rules(node: &Node, check: &mut Check<'_>) -> Vec<Rule> {
    let Value::List(items) = &node.value else {
        check.expected("a list of rules", node);
        return Vec::new();
    };
    if items.len() > RULES_MAX {
        check.problem(&node.spot, format!("more than {RULES_MAX} rules"), "");
        return Vec::new();
    }
    items.iter().filter_map(|item| one(item, check)).collect()
}

fn one(node: &Node, check: &mut Check<'_>) -> Option<Rule> {
    let mut fields = Fields::open(node, "fault", check)?;
    let kind = kind(&mut fields, check);
    let servers = names(fields.take_any(&["server", "servers"], check), check);
    let tools = names(fields.take_any(&["tool", "tools"], check), check);
    let clients = names(fields.take_any(&["client", "clients"], check), check);
    let method = fields.take("method", check).and_then(|node| check.text(node)).map(str::to_owned);
    let percentage = fields.take("percentage", check).map_or(Some(100.0), |node| percent(node, check));
    let seed = fields.take("seed", check).map_or(Some(0), |node| check.whole(node, 0..=usize::MAX));
    let window = window(&mut fields, check);
    fields.finish(check);
    let (kind, percentage, seed) = (kind?, percentage?, seed? as u64);
    Some(Rule { kind, servers, tools, method, clients, percentage, window: window?, seed })
}

fn kind(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<Kind> {
    let spot = fields.spot().clone();
    let node = fields.take("kind", check);
    let by = fields.take_entry("by", check);
    let jitter = fields.take_entry("jitter", check);
    let how = fields.take_entry("as", check);
    let Some(node) = node else {
        check.problem(&spot, "this rule has no kind", format!("one of {}", KINDS.join(", ")));
        return None;
    };
    let word = check.text(node)?;
    // A parameter of another kind would be without effect, and its author would not know.
    let stray = |entry: Option<&crate::tree::Entry>, kinds: &[&str], check: &mut Check<'_>| {
        if let Some(entry) = entry.filter(|_| !kinds.contains(&word)) {
            let message = format!("`{}` belongs to {}, not to `{word}`", entry.key, kinds.join(" and "));
            check.problem(&entry.key_spot, message, "");
        }
    };
    if KINDS.contains(&word) {
        stray(by, &["delay", "stall"], check);
        stray(jitter, &["delay"], check);
        stray(how, &["abort"], check);
    }
    let time = |entry: Option<&crate::tree::Entry>, check: &mut Check<'_>| match entry {
        Some(entry) => check.duration(&entry.value).map(Some),
        None => Some(None),
    };
    let (by, jitter) = (time(by, check)?, time(jitter, check)?);
    match word {
        "delay" if by.is_none() => {
            check.problem(&node.spot, "a delay has a length", "add `by: 200ms`");
            None
        }
        "delay" => Some(Kind::Delay { by: by?, jitter: jitter.unwrap_or_default() }),
        "abort" => Some(Kind::Abort(match how {
            Some(entry) => abort(&entry.value, check)?,
            None => Abort::Broken,
        })),
        "truncate" => Some(Kind::Truncate),
        "garbage" => Some(Kind::Garbage),
        "drop" => Some(Kind::Drop),
        "duplicate" => Some(Kind::Duplicate),
        "stall" => Some(Kind::Stall(by)),
        other => {
            let hint = nearest(other, &KINDS).map_or_else(
                || format!("one of {}", KINDS.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            check.problem(&node.spot, "no such kind of fault", hint);
            None
        }
    }
}

fn abort(node: &Node, check: &mut Check<'_>) -> Option<Abort> {
    match &node.value {
        Value::String(word) if word == "broken" => Some(Abort::Broken),
        Value::String(word) if word == "unreachable" => Some(Abort::Unreachable),
        Value::Number(_) => {
            let status = check.whole(node, 300..=599)?;
            u16::try_from(status).ok().map(Abort::Status)
        }
        _ => {
            check.problem(
                &node.spot,
                "expected `broken`, `unreachable` or an HTTP status from 300 to 599",
                "",
            );
            None
        }
    }
}

fn names(node: Option<&Node>, check: &mut Check<'_>) -> Option<Globs> {
    let node = node?;
    // One pattern may stand alone.
    if !matches!(node.value, Value::String(_)) {
        return Some(globs(node, check));
    }
    Some(globs(&Node { value: Value::List(vec![node.clone()]), ..node.clone() }, check))
}

pub(crate) fn percent(node: &Node, check: &mut Check<'_>) -> Option<f64> {
    let text = match &node.value {
        Value::Number(text) => text.as_str(),
        Value::String(text) => text.trim().trim_end_matches('%').trim_end(),
        _ => "",
    };
    let percentage = text.parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
    if percentage.is_none() {
        check.problem(&node.spot, "expected a number from 0 to 100", "");
    }
    percentage
}

/// `for: 5m`, or `between: [30s, 90s]`; counted from when the rules take effect.
fn window(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<Window> {
    let lasts = fields.take_entry("for", check);
    let between = fields.take_entry("between", check);
    match (lasts, between) {
        (None, None) => Some(Window::default()),
        (Some(_), Some(between)) => {
            let hint = "`for: 5m` is `between: [0s, 5m]`";
            check.problem(&between.key_spot, "`for` and `between` exclude each other", hint);
            None
        }
        (Some(lasts), None) => {
            let until = check.duration(&lasts.value)?;
            Some(Window { from: Duration::ZERO, until: Some(until) })
        }
        (None, Some(between)) => {
            let items = check.list(&between.value);
            let [from, until] = items.as_slice() else {
                let hint = "as in `between: [30s, 90s]`, counted from when the rules take effect";
                check.problem(&between.value.spot, "expected two times", hint);
                return None;
            };
            let zero = matches!(&from.value, Value::Number(text) | Value::String(text) if matches!(text.trim(), "0" | "0s"));
            let from = if zero { Duration::ZERO } else { check.duration(from)? };
            let end = check.duration(until)?;
            if end <= from {
                check.problem(&until.spot, "this is not after the other", "");
                return None;
            }
            Some(Window { from, until: Some(end) })
        }
    }
}
