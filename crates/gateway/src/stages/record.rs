//! The one record of each call.

use std::sync::LazyLock;
use std::time::Duration;

use trunkline_model::{Call, Era, Outcome};
use trunkline_observe::events::CallFinished;
use trunkline_observe::events::CallSeries;
use trunkline_observe::metrics;
use trunkline_observe::trace::{ThreadRandom, TraceContext};
use trunkline_protocol::method;

use crate::gateway::Gateway;
use crate::stages::resolve::Plan;
use crate::view::Current;

/// Counts and logs a call that has ended.
pub(crate) fn finished(
    gateway: &Gateway,
    now: &Current,
    call: &Call,
    plan: Option<&Plan>,
    outcome: &Outcome,
    duration: Duration,
) {
    let label = method::label(&call.operation);
    let Some(series) = gateway.methods.get(label) else { return };
    let (server, route) = match plan {
        Some(Plan::One { server, route, .. }) => (Some(*server), route.as_ref()),
        _ => (None, None),
    };
    let upstream = server.and_then(|number| now.fleet.upstreams.get(number));
    let (ended, bytes_out) = match outcome {
        Outcome::Result(reply) => (judged(call, &reply.raw), reply.raw.len()),
        Outcome::Error(error) => (metrics::Outcome::Error, error.raw.len()),
        Outcome::Fault(_) => (metrics::Outcome::Error, 0),
    };
    let tool = route.and_then(|route| route.meter.as_ref());
    // Ids are made only for what is going to be written down.
    let logged = tracing::enabled!(tracing::Level::DEBUG) || ended != metrics::Outcome::Ok;
    let trace = logged.then(|| {
        let parent = call.traceparent.as_ref().and_then(|text| TraceContext::parse(text));
        parent.unwrap_or_else(|| TraceContext::root(false, &ThreadRandom))
    });
    if let Outcome::Fault(fault) = outcome {
        tracing::info!(
            trace_id = trace.as_ref().map(|t| tracing::field::display(t.trace_id())),
            upstream = fault.server.as_deref(),
            reason = fault.kind.reason(),
            public = &*fault.public,
            detail = &*fault.detail,
            "a call failed"
        );
    }
    let event = CallFinished {
        trace: trace.as_ref(),
        method: label,
        upstream: upstream.map(|u| &**u.name()),
        tool: tool.and_then(|_| call.operation.target().map(|t| &**t)),
        outcome: ended,
        duration,
        era_front: era(call.caller.era),
        era_back: upstream.and_then(|u| u.era()).map(era),
        bytes_in: call.params.raw.len() as u64,
        bytes_out: bytes_out as u64,
        injected: if logged { trunkline_upstream::faults::injected() } else { None },
    };
    event.emit(CallSeries { method: series, tool });
}

/// How much is looked at from either end.
const LOOKED_AT: usize = 512;
/// Made once: making it costs as much as searching with it.
static FLAG: LazyLock<memchr::memmem::Finder<'static>> =
    LazyLock::new(|| memchr::memmem::Finder::new(b"\"isError\""));

/// A tool's own failure is told by a flag in its result. It is looked for only where it usually stands: searching a
/// large result for a statistic would cost more than the call.
fn judged(call: &Call, raw: &[u8]) -> metrics::Outcome {
    if !matches!(call.operation, trunkline_model::Operation::CallTool(_)) {
        return metrics::Outcome::Ok;
    }
    let head = &raw[..raw.len().min(LOOKED_AT)];
    let tail = &raw[raw.len().saturating_sub(LOOKED_AT)..];
    let flagged = |part: &[u8]| {
        FLAG.find(part)
            .is_some_and(|at| part[at + 9..].iter().filter(|b| !b.is_ascii_whitespace()).take(5).eq(b":true"))
    };
    // Of a small result the head is all there is.
    if flagged(head) || (raw.len() > LOOKED_AT && flagged(tail)) {
        metrics::Outcome::ToolError
    } else {
        metrics::Outcome::Ok
    }
}

fn era(era: Era) -> metrics::Era {
    match era {
        Era::Legacy => metrics::Era::Legacy,
        Era::Modern => metrics::Era::Modern,
    }
}
