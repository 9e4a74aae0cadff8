//! What looking costs: nanoseconds per call on one thread, and on two that share a series.

use std::hint::black_box;
use std::time::{Duration, Instant};

use trunkline_observe::events::{CallFinished, CallSeries};
use trunkline_observe::logs::{self, LogOptions};
use trunkline_observe::metrics::{Era, Format, Metrics, Outcome};
use trunkline_observe::trace::{ThreadRandom, TraceContext};

const ROUNDS: u32 = 5_000_000;

fn measure(what: &str, work: impl Fn() + Sync) {
    for threads in [1, 2] {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..ROUNDS).for_each(|_| work()));
            }
        });
        let ns = started.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS);
        println!("{what:40} {threads} threads {ns:8.1} ns per call and thread");
    }
}

fn main() {
    let _logs = logs::init(&LogOptions::default());
    let metrics = Metrics::new("cost");
    let (tool, method) = (metrics.tool("git", "git__log"), metrics.method("tools/call"));
    let parent = TraceContext::root(true, &ThreadRandom);
    let header = parent.to_string();
    let call = CallFinished {
        trace: Some(&parent),
        method: "tools/call",
        upstream: Some("git"),
        tool: Some("git__log"),
        outcome: Outcome::Ok,
        duration: Duration::from_micros(150),
        era_front: Era::Modern,
        era_back: Some(Era::Modern),
        bytes_in: 200,
        bytes_out: 400,
        injected: None,
    };
    measure("tool series", || tool.record(black_box(Outcome::Ok), black_box(call.duration)));
    measure("finished call, logging off", || call.emit(CallSeries { method: &method, tool: Some(&tool) }));
    measure("trace: parse, child, header", || {
        let parent = TraceContext::parse(black_box(&header));
        black_box(parent.map(|parent| parent.child(&ThreadRandom).traceparent()));
    });

    let handles: Vec<_> = (0..1000).map(|n| metrics.tool("many", &format!("many__tool_{n}"))).collect();
    for handle in &handles {
        handle.record(Outcome::Ok, Duration::from_millis(3));
    }
    for format in [Format::OpenMetrics, Format::Text] {
        let started = Instant::now();
        let bytes = metrics.encode(format).len();
        println!("scrape of 1000 tools, {format:?}: {bytes} bytes in {:?}", started.elapsed());
    }
}
