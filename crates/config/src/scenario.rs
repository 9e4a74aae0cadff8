//! The script of `trunkline chaos`: phases with load, faults and expectations.

use std::time::Duration;

use trunkline_model::Era;

use crate::check::Check;
use crate::fields::Fields;
use crate::formats;
use crate::problem::Problems;
use crate::resolve::faults::{percent, rules};
use crate::source::Source;
use crate::tree::{Node, Spot, Value};

/// Most calls that a whole scenario may make: their times are kept to the end.
const CALLS_MAX: f64 = 5_000_000.0;
/// Most calls per second of one load.
const RATE_MAX: f64 = 10_000.0;
/// Most phases, and most loads of one.
const PARTS_MAX: usize = 100;

/// A script.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// Its phases, in order.
    pub phases: Vec<Phase>,
}

/// A stretch of time with the same load and the same faults.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Its name in the report.
    pub name: String,
    /// How long it takes.
    pub lasts: Duration,
    /// Who calls what.
    pub load: Vec<Load>,
    /// The faults, as the admin listener takes them: checked, and empty for none.
    pub faults: serde_json::Value,
    /// What users must have seen.
    pub expect: Expect,
}

/// The same call again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The tool, by its exposed name.
    pub tool: String,
    /// Its arguments: the text of a JSON object.
    pub arguments: String,
    /// Calls per second, those of all eras together.
    pub rate: f64,
    /// Clients of these eras call, in turns.
    pub eras: Vec<Era>,
}

/// What users must have seen in a phase; what is `None` is not looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// At least so many of the calls must have had an answer, in hundredths.
    pub success: Option<f64>,
    /// The 99th percentile of all calls may be this long.
    pub p99: Option<Duration>,
    /// Calls without an answer may have had only these reasons.
    pub reasons: Option<Vec<String>>,
}

/// Reads a script.
///
/// # Errors
/// Everything that is wrong with it.
pub fn scenario(source: &Source) -> Result<Scenario, Problems> {
    let mut check = Check::new(source, Vec::new());
    let read = match formats::parse(source) {
        Ok(root) => whole(&root, &mut check),
        Err(found) => {
            for syntax in found {
                check.problem(&Spot::text(syntax.range), syntax.message, "");
            }
            None
        }
    };
    match read {
        Some(scenario) if !check.failed() => Ok(scenario),
        _ => Err(Problems::new(check.into_list())),
    }
}

fn whole(root: &Node, check: &mut Check<'_>) -> Option<Scenario> {
    let mut fields = Fields::open(root, "scenario", check)?;
    let name = text(&mut fields, "name", check).unwrap_or_else(|| "unnamed".to_owned());
    let _ = text(&mut fields, "description", check);
    let defaults = fields.take("load", check).map(|node| loads(node, check));
    let phases = fields.take("phases", check);
    fields.skip(|key| key.starts_with("x-"));
    fields.finish(check);
    let Some(node) = phases else {
        check.problem(&root.spot, "there are no phases", "add `phases: [{name: ..., for: 10s, load: ...}]`");
        return None;
    };
    let items = part(node, "a list of phases", check);
    let phases: Vec<Phase> =
        items.iter().enumerate().filter_map(|(at, item)| phase(item, at, defaults.as_ref(), check)).collect();
    let calls: f64 = phases
        .iter()
        .map(|phase| phase.lasts.as_secs_f64() * phase.load.iter().map(|load| load.rate).sum::<f64>())
        .sum();
    if calls > CALLS_MAX {
        check.problem(&node.spot, format!("{calls:.0} calls in all, and {CALLS_MAX:.0} is the most"), "");
    }
    Some(Scenario { name, phases })
}

fn phase(node: &Node, at: usize, defaults: Option<&Vec<Load>>, check: &mut Check<'_>) -> Option<Phase> {
    let mut fields = Fields::open(node, "phase", check)?;
    let name = text(&mut fields, "name", check).unwrap_or_else(|| format!("phase {}", at + 1));
    let lasts = fields.take("for", check).map(|node| check.duration(node));
    let own = fields.take("load", check).map(|node| loads(node, check));
    let faults = fields.take("faults", check);
    let expect = fields.take("expect", check).map(|node| expect(node, check)).unwrap_or_default();
    fields.finish(check);
    if let Some(node) = faults {
        // Checked here, and sent as they are written.
        let _ = rules(node, check);
    }
    let load = own.or_else(|| defaults.cloned()).unwrap_or_default();
    if load.is_empty() {
        check.problem(
            &node.spot,
            "nobody calls anything in this phase",
            "add `load`, here or for all phases",
        );
    }
    let Some(lasts) = lasts else {
        check.problem(&node.spot, "this phase has no length", "add `for: 10s`");
        return None;
    };
    let faults = faults.map_or_else(|| serde_json::json!([]), json);
    Some(Phase { name, lasts: lasts?, load, faults, expect })
}

/// One load, or a list of them.
fn loads(node: &Node, check: &mut Check<'_>) -> Vec<Load> {
    if matches!(node.value, Value::Map(_)) {
        return load(node, check).into_iter().collect();
    }
    part(node, "a load or a list of them", check).iter().filter_map(|item| load(item, check)).collect()
}

fn load(node: &Node, check: &mut Check<'_>) -> Option<Load> {
    let mut fields = Fields::open(node, "load", check)?;
    let tool = text(&mut fields, "tool", check);
    let arguments = fields.take("arguments", check);
    let rate = fields.take("rate", check);
    let eras = fields.take("eras", check);
    fields.finish(check);
    let arguments = match arguments {
        None => "{}".to_owned(),
        Some(node) if matches!(node.value, Value::Map(_)) => json(node).to_string(),
        Some(node) => {
            check.expected("a map of arguments", node);
            return None;
        }
    };
    let rate = match rate {
        None => 1.0,
        Some(node) => number(node, RATE_MAX, check)?,
    };
    let mut spoken = Vec::new();
    for item in eras.map(|node| check.list(node)).unwrap_or_default() {
        match check.text(&item)? {
            "modern" => spoken.push(Era::Modern),
            "legacy" => spoken.push(Era::Legacy),
            _ => check.problem(&item.spot, "expected `modern` or `legacy`", ""),
        }
    }
    if spoken.is_empty() {
        spoken = vec![Era::Modern, Era::Legacy];
    }
    if tool.is_none() {
        check.problem(&node.spot, "this load names no tool", "add `tool`, as `trunkline tools` shows it");
    }
    Some(Load { tool: tool?, arguments, rate, eras: spoken })
}

fn expect(node: &Node, check: &mut Check<'_>) -> Expect {
    let Some(mut fields) = Fields::open(node, "expect", check) else { return Expect::default() };
    let success = fields.take("success", check).and_then(|node| percent(node, check));
    let p99 = fields.take("p99", check).and_then(|node| check.duration(node));
    let reasons = fields.take("reasons", check).map(|node| {
        let items = check.list(node);
        items.iter().filter_map(|item| check.text(item).map(str::to_owned)).collect()
    });
    fields.finish(check);
    Expect { success, p99, reasons }
}

fn text(fields: &mut Fields<'_>, key: &'static str, check: &mut Check<'_>) -> Option<String> {
    fields.take(key, check).and_then(|node| check.text(node)).map(str::to_owned)
}

fn part(node: &Node, wanted: &str, check: &mut Check<'_>) -> Vec<Node> {
    let Value::List(items) = &node.value else {
        check.expected(wanted, node);
        return Vec::new();
    };
    if items.is_empty() || items.len() > PARTS_MAX {
        check.problem(&node.spot, format!("expected 1 to {PARTS_MAX} of them"), "");
        return Vec::new();
    }
    items.clone()
}

/// A number above zero.
fn number(node: &Node, most: f64, check: &mut Check<'_>) -> Option<f64> {
    let text = if let Value::Number(text) = &node.value { text.as_str() } else { "" };
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && *number <= most);
    if number.is_none() {
        check.problem(&node.spot, format!("expected a number above 0, {most} at most"), "");
    }
    number
}

/// The value as JSON. Numbers that JSON cannot write are text.
fn json(node: &Node) -> serde_json::Value {
    use serde_json::Value as Json;
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(boolean) => (*boolean).into(),
        Value::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
        Value::String(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), json(&entry.value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}
