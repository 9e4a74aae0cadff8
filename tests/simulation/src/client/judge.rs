//! What an answer says about its call, and whether that may be.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::pipe::Reply;
use super::plan::Plan;
use crate::world::World;

/// What lies between a server's word and ours: slow wires.
pub(crate) const SLACK: Duration = Duration::from_secs(3);

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

/// What a client heard of its call.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What it says about the call.
    pub verdict: Verdict,
    /// The server that gave the answer, by its own name.
    pub by: Option<String>,
    /// The server that stood in, as the gateway says it.
    pub stood_in: Option<String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl From<Verdict> for Heard {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, by: None, stood_in: None, retry_after: None }
    }
}

/// The data of a fault in a reply, if it is one.
fn fault(reply: &Value) -> &Value {
    match reply.get("content") {
        Some(_) => &reply["_meta"]["io.trunkline/fault"],
        None => &reply["data"],
    }
}

/// What a reply says of a call. `goes_on` says that it is to answers to questions of the call.
pub(super) fn heard(world: &World, reply: &Reply, call: &str, server: &str, goes_on: bool) -> Heard {
    let (whole, text) = match reply {
        Reply::Gone => return Verdict::Left.into(),
        Reply::Result(result) => (result, result["content"][0]["text"].as_str().unwrap_or_default()),
        Reply::Error(error) => (error, error["message"].as_str().unwrap_or_default()),
    };
    let fault = fault(whole);
    let reason = match (fault["reason"].as_str(), reply) {
        (Some(reason), _) => Some(reason.to_owned()),
        (None, Reply::Error(error)) => reason(error),
        (None, _) => None,
    };
    if let Some(reason) = reason {
        let retry_after = fault["retryAfterMs"].as_u64().map(Duration::from_millis);
        // Where there is no room for the answers the call itself goes on.
        let verdict = match &*reason {
            "overloaded" | "rate_limited" if goes_on => Verdict::Unknown(reason),
            _ => fate(world, call, reason, text),
        };
        return Heard { retry_after, ..Heard::from(verdict) };
    }
    // Its own answer or its own error: who gave it?
    let said = text.strip_prefix(call).unwrap_or_default();
    let by = match reply {
        Reply::Result(_) => said.strip_prefix(" at "),
        // Its own code stands in the data where the eras differ.
        _ => said.strip_prefix(" failed at "),
    };
    let Some(by) = by else {
        world.history.broken("a call has its own answer", format_args!("{call}: {text} {whole}"));
        return Verdict::Unknown(text.to_owned()).into();
    };
    let stood_in = whole["_meta"]["io.trunkline/answeredBy"].as_str().map(str::to_owned);
    if let Reply::Result(_) = reply {
        let of = world.upstream_of(by);
        world.history.law(
            "an answer says who stood in",
            of == Some(stood_in.as_deref().unwrap_or(server)),
            format_args!("{call} for {server} was answered by {by}, and says {stood_in:?}"),
        );
    }
    Heard { verdict: Verdict::Ran, by: Some(by.to_owned()), stood_in, retry_after: None }
}

fn fate(world: &World, call: &str, reason: String, text: &str) -> Verdict {
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
    if world.asks || *verdict == Verdict::Left || world.has_jumped() {
        return;
    }
    let arrivals = world.ledger.of(call);
    let now = Instant::now();
    if let [only] = arrivals.as_slice()
        && only.hangs
        && !world.setup_of(&only.server).is_some_and(|setup| setup.may_repeat(plan.tool, plan.has_key))
    {
        let silent = now - only.last_sign;
        world.history.law(
            "a silent call ends in time",
            silent <= world.timeouts.idle + SLACK,
            format_args!("{call} was silent for {:.1} s", silent.as_secs_f64()),
        );
    }
    if let Some(first) = arrivals.first() {
        let took = now - first.at;
        world.history.law(
            "a call ends in time, however often it is sent",
            took <= world.timeouts.total + SLACK,
            format_args!("{call} took {:.1} s", took.as_secs_f64()),
        );
    }
}
