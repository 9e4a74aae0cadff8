//! What an answer says about its call, and whether that may be.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::pipe::Reply;
use super::plan::Plan;
use crate::world::World;

/// What a client was told of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It ran, and this is what came of it: its own answer or its own error.
    Ran,
    /// It certainly did not run, for this reason.
    DidNotRun(String),
    /// It may have run.
    Unknown(String),
    /// The client took it back, then.
    Cancelled(Instant),
    /// The client left before it heard.
    Left,
}

impl Verdict {
    /// In words that are the same in every run.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Cancelled(_) => "cancelled".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

/// Reasons that promise that the call did not run.
const NOT_RUN: [&str; 9] = [
    "upstream_unavailable",
    "overloaded",
    "unknown_name",
    "invalid_params",
    "invalid_request",
    "method_not_found",
    "missing_capability",
    "circuit_open",
    "rate_limited",
];
/// Reasons that say that it may have.
const MAY_HAVE: [&str; 9] = [
    "upstream_timeout",
    "outcome_unknown",
    "bad_answer",
    "cannot_bridge",
    "cancelled",
    "state_expired",
    "state_reused",
    "state_mismatch",
    "instance_lost",
];

pub(super) fn verdict(world: &World, reply: &Reply, call: &str, server: &str) -> Verdict {
    let own = format!("{call} at {server}");
    let (reason, text) = match reply {
        Reply::Gone => return Verdict::Left,
        Reply::Result(result) => {
            let text = result["content"][0]["text"].as_str().unwrap_or_default();
            let Some(reason) = result["_meta"]["io.trunkline/fault"]["reason"].as_str() else {
                world.history.law("a call has its own answer", text == own, format_args!("{call}: {result}"));
                return Verdict::Ran;
            };
            (reason.to_owned(), text.to_owned())
        }
        Reply::Error(error) => {
            let text = error["message"].as_str().unwrap_or_default().to_owned();
            match reason(error) {
                Some(reason) => (reason, text),
                // Its own code stands in the data where the eras differ.
                None if text.contains("failed at") => {
                    let failed = format!("{call} failed at {server}");
                    world.history.law(
                        "a call has its own error",
                        text == failed,
                        format_args!("{call}: {error}"),
                    );
                    return Verdict::Ran;
                }
                None => {
                    world.history.broken("an error says what it is", format_args!("{call}: {error}"));
                    return Verdict::Unknown(text);
                }
            }
        }
    };
    if NOT_RUN.contains(&reason.as_str()) {
        return Verdict::DidNotRun(reason);
    }
    world.history.law(
        "no defect shows",
        MAY_HAVE.contains(&reason.as_str()),
        format_args!("{call}: {reason}: {text}"),
    );
    Verdict::Unknown(reason)
}

fn reason(error: &Value) -> Option<String> {
    match error["data"]["reason"].as_str() {
        Some(reason) => Some(reason.to_owned()),
        None if error["code"] == -32021 => Some("missing_capability".to_owned()),
        None if error["code"] == -32600 => Some("invalid_request".to_owned()),
        None => None,
    }
}

/// Deadlines hold. Where users are asked the clocks stand still for a while, so it is looked at where nobody is.
pub(super) fn deadlines(world: &World, plan: &Plan, call: &str, verdict: &Verdict) {
    let Some(server) = world.servers.iter().find(|server| server.name == plan.server) else { return };
    if world.asks || *verdict == Verdict::Left || world.has_jumped() {
        return;
    }
    let ran = server.ran(call);
    let now = Instant::now();
    // What lies between a server's word and ours: slow wires.
    let slack = Duration::from_secs(3);
    if let (true, Some(sign)) = (ran.hangs && ran.times == 1, ran.last_sign) {
        let silent = now - sign;
        world.history.law(
            "a silent call ends in time",
            silent <= world.timeouts.idle + slack,
            format_args!("{call} was silent for {:.1} s", silent.as_secs_f64()),
        );
    }
    if let Some(began) = ran.began {
        let took = now - began;
        world.history.law(
            "a call ends in time",
            took <= world.timeouts.total + slack,
            format_args!("{call} took {:.1} s", took.as_secs_f64()),
        );
    }
}
