//! When a server is left alone: its circuit breaker.

use trunkline_upstream::breaker::{Force, Options, Span};

use super::is_off;
use crate::check::Check;
use crate::fields::Fields;
use crate::patterns;
use crate::tree::Node;

/// Most calls that a window or a count of failures can hold.
const CALLS_MAX: usize = 10_000;

/// Most probes at a time.
const PROBES_MAX: usize = 100;

/// `circuitBreaker: off`, or a map of what differs from the defaults.
pub(super) fn breaker(node: Option<&Node>, check: &mut Check<'_>) -> Option<Options> {
    let mut options = Options::default();
    let Some(node) = node else { return Some(options) };
    if is_off(node) {
        return None;
    }
    let Some(mut fields) = Fields::open(node, "breaker", check) else { return Some(options) };
    let window = fields.take("window", check);
    if let Some(span) = window.and_then(|node| check.duration(node)) {
        options.window = Span::Time(span);
    }
    if let Some(node) = fields.take("calls", check) {
        if window.is_some() {
            check.problem(&node.spot, "`window` and `calls` are two ways to say the same", "give only one");
        }
        if let Some(calls) = check.whole(node, 1..=CALLS_MAX) {
            options.window = Span::Calls(calls as u32);
            options.calls_min = options.calls_min.min(calls as u32);
        }
    }
    let number = |fields: &mut Fields<'_>, key, most, slot: &mut u32, check: &mut Check<'_>| {
        if let Some(number) = fields.take(key, check).and_then(|node| check.whole(node, 1..=most)) {
            *slot = number as u32;
        }
    };
    number(&mut fields, "failurePercent", 100, &mut options.failure_percent, check);
    number(&mut fields, "minimumCalls", CALLS_MAX, &mut options.calls_min, check);
    number(&mut fields, "slowPercent", 100, &mut options.slow_percent, check);
    number(&mut fields, "probes", PROBES_MAX, &mut options.probes, check);
    if let Some(node) = fields.take("consecutiveFailures", check) {
        options.consecutive =
            if is_off(node) { None } else { check.whole(node, 1..=CALLS_MAX).map(|n| n as u32) };
    }
    if let Some(node) = fields.take("slow", check).filter(|node| !is_off(node)) {
        options.slow = check.duration(node);
    }
    for (key, slot) in [("open", &mut options.open), ("openMax", &mut options.open_max)] {
        if let Some(wait) = fields.take(key, check).and_then(|node| check.duration(node)) {
            *slot = wait;
        }
    }
    options.force = force(fields.take("force", check), check);
    if let Some(node) = fields.take("tools", check) {
        options.tools = patterns::globs(node, check);
    }
    fields.finish(check);
    whole(node, &options, check);
    Some(options)
}

/// What can only be seen when all is read.
fn whole(node: &Node, options: &Options, check: &mut Check<'_>) {
    if options.open > options.open_max {
        check.problem(&node.spot, "`open` is longer than `openMax`", "");
    }
    if let Span::Calls(calls) = options.window
        && options.calls_min > calls
    {
        check.problem(&node.spot, "`minimumCalls` is more than `calls` remembers", "");
    }
}

fn force(node: Option<&Node>, check: &mut Check<'_>) -> Option<Force> {
    let node = node?;
    match check.text(node)? {
        "open" => Some(Force::Open),
        "closed" => Some(Force::Closed),
        _ => {
            check.problem(&node.spot, "not a state that can be forced", "one of open, closed");
            None
        }
    }
}
