//! Deadlines, idle stop and restarts of one server.

use std::time::Duration;

use trunkline_upstream::{Backoff, Timeouts, health};

use super::is_off;
use crate::check::Check;
use crate::fields::Fields;
use crate::tree::{Node, Value};

/// Everything about time that a server's keys decide.
#[derive(Default)]
pub(super) struct Timing {
    pub(super) timeouts: Timeouts,
    pub(super) idle_stop: Option<Duration>,
    pub(super) backoff: Backoff,
}

pub(super) fn timing(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Timing {
    let mut timing = Timing::default();
    of_clients(fields, &mut timing.timeouts, check);
    if let Some(node) = fields.take("timeouts", check) {
        timeouts(node, &mut timing.timeouts, check);
    }
    if let Some(node) = fields.take("idleStop", check).filter(|node| !is_off(node)) {
        timing.idle_stop = check.duration(node);
    }
    if let Some(node) = fields.take("restart", check) {
        restart(node, &mut timing.backoff, check);
    }
    timing
}

/// What clients call their timeouts. They know one deadline per call, so silence is allowed for as long.
fn of_clients(fields: &mut Fields<'_>, timeouts: &mut Timeouts, check: &mut Check<'_>) {
    if let Some(node) = fields.take("timeout", check)
        && let Some(wait) = millis(node, check)
    {
        (timeouts.idle, timeouts.total) = (wait, wait);
    }
    if let Some(node) = fields.take("tool_timeout_sec", check)
        && let Some(wait) = check.duration(node)
    {
        (timeouts.idle, timeouts.total) = (wait, wait);
    }
    if let Some(wait) = fields.take("startup_timeout_sec", check).and_then(|node| check.duration(node)) {
        timeouts.connect = wait;
    }
    if let Some(wait) = fields.take("startup_timeout_ms", check).and_then(|node| millis(node, check)) {
        timeouts.connect = wait;
    }
}

/// A bare number here is milliseconds, as in the clients' files.
fn millis(node: &Node, check: &mut Check<'_>) -> Option<Duration> {
    if !matches!(node.value, Value::Number(_)) {
        return check.duration(node);
    }
    let wait = check.whole(node, 1..=86_400_000)?;
    if wait < 1000 {
        check.note(&node.spot, "this is in milliseconds", "for seconds, write `timeouts: {total: \"60s\"}`");
    }
    Some(Duration::from_millis(wait as u64))
}

fn timeouts(node: &Node, timeouts: &mut Timeouts, check: &mut Check<'_>) {
    let Some(mut fields) = Fields::open(node, "timeouts", check) else { return };
    let slots = [
        ("connect", &mut timeouts.connect),
        ("probe", &mut timeouts.probe),
        ("idle", &mut timeouts.idle),
        ("total", &mut timeouts.total),
        ("list", &mut timeouts.list),
        ("answer", &mut timeouts.answer),
    ];
    for (key, slot) in slots {
        if let Some(wait) = fields.take(key, check).and_then(|node| check.duration(node)) {
            *slot = wait;
        }
    }
    fields.finish(check);
}

fn restart(node: &Node, backoff: &mut Backoff, check: &mut Check<'_>) {
    let Some(mut fields) = Fields::open(node, "restart", check) else { return };
    if let Some(wait) = fields.take("first", check).and_then(|node| check.duration(node)) {
        backoff.first = wait;
    }
    if let Some(wait) = fields.take("max", check).and_then(|node| check.duration(node)) {
        backoff.max = wait;
    }
    fields.finish(check);
    if backoff.first > backoff.max {
        check.problem(&node.spot, "`first` is longer than `max`", "");
    }
}

/// `health: off`, or a map of what differs from the defaults.
pub(super) fn health(node: Option<&Node>, check: &mut Check<'_>) -> Option<health::Options> {
    let mut options = health::Options::default();
    let Some(node) = node else { return Some(options) };
    if is_off(node) {
        return None;
    }
    let Some(mut fields) = Fields::open(node, "health", check) else { return Some(options) };
    options.interval = fields.take("interval", check).and_then(|node| check.duration(node));
    options.timeout = fields.take("timeout", check).and_then(|node| check.duration(node));
    fields.finish(check);
    Some(options)
}
