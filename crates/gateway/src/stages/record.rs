//! The one record of each call.

use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use trunkline_model::{Arriving, Call, Era, Fault, Outcome, Source};
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
    let end = match outcome {
        Outcome::Result(reply) => End::of(judged(call, &reply.raw), reply.raw.len()),
        Outcome::Error(error) => End::of(metrics::Outcome::Error, error.raw.len()),
        Outcome::Fault(fault) => End { fault: Some(fault), ..End::of(metrics::Outcome::Error, 0) },
    };
    write(gateway, now, call, plan, &end, duration);
}

/// Has a call that is served with an arriving result counted and logged when that has ended, however it does.
pub(crate) fn when_finished(
    gateway: &Arc<Gateway>,
    now: Arc<Current>,
    call: Call,
    plan: Option<Plan>,
    arriving: Arriving,
    began: Instant,
) -> Arriving {
    let gateway = Arc::clone(gateway);
    Arriving::new(Recorded { arriving, gateway, now, call, plan, began, bytes: 0, is_written: false })
}

/// How a call ended.
struct End<'a> {
    outcome: metrics::Outcome,
    bytes: usize,
    fault: Option<&'a Fault>,
}

impl End<'_> {
    const fn of(outcome: metrics::Outcome, bytes: usize) -> Self {
        Self { outcome, bytes, fault: None }
    }
}

/// An arriving result that writes the record of its call when it ends.
struct Recorded {
    arriving: Arriving,
    gateway: Arc<Gateway>,
    now: Arc<Current>,
    call: Call,
    plan: Option<Plan>,
    began: Instant,
    bytes: usize,
    is_written: bool,
}

impl Recorded {
    fn write(&mut self, outcome: metrics::Outcome, fault: Option<&Fault>) {
        if std::mem::replace(&mut self.is_written, true) {
            return;
        }
        let end = End { outcome, bytes: self.bytes, fault };
        write(&self.gateway, &self.now, &self.call, self.plan.as_ref(), &end, self.began.elapsed());
    }
}

impl Source for Recorded {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Box<Fault>>>> {
        let polled = self.arriving.poll_piece(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(piece))) => self.bytes += piece.len(),
            Poll::Ready(Some(Err(fault))) => self.write(metrics::Outcome::Error, Some(fault)),
            Poll::Ready(None) => {
                let is_tool = matches!(self.call.operation, trunkline_model::Operation::CallTool(_));
                let failed = is_tool && self.arriving.is_tool_error();
                self.write(if failed { metrics::Outcome::ToolError } else { metrics::Outcome::Ok }, None);
            }
        }
        polled
    }

    fn is_whole(&self) -> bool {
        self.arriving.is_whole()
    }

    fn is_tool_error(&self) -> bool {
        self.arriving.is_tool_error()
    }
}

impl Drop for Recorded {
    /// Given up before its end: the caller has gone, or takes nothing.
    fn drop(&mut self) {
        self.write(metrics::Outcome::Cancelled, None);
    }
}

fn write(
    gateway: &Gateway,
    now: &Current,
    call: &Call,
    plan: Option<&Plan>,
    end: &End<'_>,
    duration: Duration,
) {
    let label = method::label(&call.operation);
    let Some(series) = gateway.methods.get(label) else { return };
    let (server, route) = match plan {
        Some(Plan::One { server, route, .. }) => (Some(*server), route.as_ref()),
        _ => (None, None),
    };
    let upstream = server.and_then(|number| now.fleet.upstreams.get(number));
    let tool = route.and_then(|route| route.meter.as_ref());
    // Ids are made only for what is going to be written down.
    let logged = tracing::enabled!(tracing::Level::DEBUG) || end.outcome != metrics::Outcome::Ok;
    let trace = logged.then(|| {
        let parent = call.traceparent.as_ref().and_then(|text| TraceContext::parse(text));
        parent.unwrap_or_else(|| TraceContext::root(false, &ThreadRandom))
    });
    if let Some(fault) = end.fault {
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
        outcome: end.outcome,
        duration,
        era_front: era(call.caller.era),
        era_back: upstream.and_then(|u| u.era()).map(era),
        bytes_in: call.params.raw.len() as u64,
        bytes_out: end.bytes as u64,
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
