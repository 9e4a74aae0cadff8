//! Which calls are sent again, and when a member is left out.

use trunkline_upstream::group::OutlierOptions;
use trunkline_upstream::retry::Options;

use super::is_off;
use crate::check::Check;
use crate::fields::Fields;
use crate::patterns;
use crate::tree::Node;

/// Most times that one call is sent.
const ATTEMPTS_MAX: usize = 10;

/// Most repeated calls a second that are allowed whatever the number of calls.
const PER_SECOND_MAX: usize = 1000;

/// Most failures in a row that a member is allowed.
const FAILURES_MAX: usize = 1000;

/// `retry: off`, or a map of what differs from the defaults.
pub(super) fn retry(node: Option<&Node>, check: &mut Check<'_>) -> Option<Options> {
    let mut options = Options::default();
    let Some(node) = node else { return Some(options) };
    if is_off(node) {
        return None;
    }
    let Some(mut fields) = Fields::open(node, "retry", check) else { return Some(options) };
    if let Some(number) = fields.take("attempts", check).and_then(|node| check.whole(node, 1..=ATTEMPTS_MAX))
    {
        options.attempts = number as u32;
    }
    for (key, slot) in [
        ("trustAnnotations", &mut options.trust_annotations),
        ("reads", &mut options.reads),
        ("idempotencyKeys", &mut options.honours_keys),
    ] {
        if let Some(yes) = fields.take(key, check).and_then(|node| check.boolean(node)) {
            *slot = yes;
        }
    }
    if let Some(node) = fields.take("tools", check) {
        options.tools = patterns::globs(node, check);
    }
    if let Some(node) = fields.take("budget", check) {
        budget(node, &mut options, check);
    }
    for (key, slot) in [("first", &mut options.first), ("max", &mut options.max)] {
        if let Some(wait) = fields.take(key, check).and_then(|node| check.duration(node)) {
            *slot = wait;
        }
    }
    if let Some(node) = fields.take("hedgeAfter", check).filter(|node| !is_off(node)) {
        options.hedge_after = check.duration(node);
        if options.hedge_after.is_some() && !options.trust_annotations && options.tools.is_empty() {
            let hint = "set `trustAnnotations`, or name the tools under `tools`";
            check.note(&node.spot, "no tool is believed to be read-only, so none is hedged", hint);
        }
    }
    fields.finish(check);
    if options.first > options.max {
        check.problem(&node.spot, "`first` is longer than `max`", "");
    }
    Some(options)
}

fn budget(node: &Node, options: &mut Options, check: &mut Check<'_>) {
    let Some(mut fields) = Fields::open(node, "budget", check) else { return };
    if let Some(number) = fields.take("percent", check).and_then(|node| check.whole(node, 0..=100)) {
        options.budget_percent = number as u32;
    }
    if let Some(number) =
        fields.take("perSecond", check).and_then(|node| check.whole(node, 0..=PER_SECOND_MAX))
    {
        options.budget_per_second = number as u32;
    }
    fields.finish(check);
}

/// When one of several members is left out.
pub(super) fn ejection(node: Option<&Node>, check: &mut Check<'_>) -> OutlierOptions {
    let mut options = OutlierOptions::default();
    let Some(node) = node else { return options };
    if is_off(node) {
        return OutlierOptions { percent_max: 0, ..options };
    }
    let Some(mut fields) = Fields::open(node, "ejection", check) else { return options };
    for (key, most, slot) in [
        ("consecutiveFailures", FAILURES_MAX, &mut options.consecutive),
        ("percent", 100, &mut options.percent_max),
    ] {
        if let Some(number) = fields.take(key, check).and_then(|node| check.whole(node, 1..=most)) {
            *slot = number as u32;
        }
    }
    for (key, slot) in [("time", &mut options.time), ("timeMax", &mut options.time_max)] {
        if let Some(wait) = fields.take(key, check).and_then(|node| check.duration(node)) {
            *slot = wait;
        }
    }
    fields.finish(check);
    if options.time > options.time_max {
        check.problem(&node.spot, "`time` is longer than `timeMax`", "");
    }
    options
}
