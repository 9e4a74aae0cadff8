//! What is noted of each call.

use std::time::Duration;

use trunkline_observe::events::{CallFinished, CallSeries};
use trunkline_observe::metrics::{Era, Metrics, Outcome};
use trunkline_observe::trace::TraceContext;
use trunkline_protocol::method;

use crate::benchmark::{Benchmark, Repeat, over_and_over};
use crate::samples::{PREFIXED, TRACEPARENT};

const TIMES: u32 = 5000;

pub(crate) fn benchmarks() -> Vec<Benchmark> {
    vec![
        Benchmark::new("observe/record-call", TIMES, recording),
        Benchmark::new("observe/parse-traceparent", TIMES, || {
            assert!(TraceContext::parse(TRACEPARENT).is_some());
            over_and_over(|| TraceContext::parse(std::hint::black_box(TRACEPARENT)))
        }),
    ]
}

fn recording() -> Repeat {
    let metrics = Metrics::new("instructions");
    let (series, tool) = (metrics.method(method::CALL_TOOL), metrics.tool("tracker", PREFIXED));
    over_and_over(move || {
        let event = CallFinished {
            trace: None,
            method: method::CALL_TOOL,
            upstream: Some("tracker"),
            tool: Some(PREFIXED),
            outcome: Outcome::Ok,
            duration: std::hint::black_box(Duration::from_micros(1234)),
            era_front: Era::Modern,
            era_back: Some(Era::Legacy),
            bytes_in: 450,
            bytes_out: 200,
            injected: None,
        };
        event.emit(CallSeries { method: &series, tool: Some(&tool) });
    })
}
