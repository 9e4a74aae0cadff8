use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::subscriber::with_default;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::{CallFinished, CallSeries, Condition, UpstreamState};
use crate::metrics::{Era, Format, Metrics, Outcome};
use crate::trace::TraceContext;

type Told = (Level, BTreeMap<String, String>);

/// Remembers what was logged.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<Told>>>);

struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber> Layer<S> for Memory {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push((*event.metadata().level(), fields.0));
    }
}

fn logged(work: impl FnOnce()) -> Vec<Told> {
    let memory = Memory::default();
    with_default(tracing_subscriber::registry().with(memory.clone()), work);
    memory.0.lock().unwrap().clone()
}

fn finished(outcome: Outcome, trace: &TraceContext) -> CallFinished<'_> {
    CallFinished {
        trace: Some(trace),
        method: "tools/call",
        upstream: Some("git"),
        tool: Some("git__log"),
        outcome,
        duration: Duration::from_millis(12),
        era_front: Era::Legacy,
        era_back: None,
        bytes_in: 10,
        bytes_out: 20,
        injected: None,
    }
}

#[test]
fn a_finished_call_is_counted_and_logged_together() {
    let metrics = Metrics::new("1");
    let (method, tool) = (metrics.method("tools/call"), metrics.tool("git", "git__log"));
    let series = CallSeries { method: &method, tool: Some(&tool) };
    let trace = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let told = logged(|| {
        finished(Outcome::Ok, &trace).emit(series);
        finished(Outcome::ToolError, &trace).emit(series);
    });
    assert_eq!((told[0].0, told[1].0), (Level::DEBUG, Level::INFO));
    let fields = &told[1].1;
    for (name, value) in [
        ("message", "call finished"),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("span_id", "00f067aa0ba902b7"),
        ("upstream", "git"),
        ("outcome", "tool_error"),
        ("era_front", "legacy"),
        ("duration_ms", "12.0"),
        ("bytes_out", "20"),
    ] {
        assert_eq!(fields[name], value);
    }
    assert!(!fields.contains_key("era_back"));
    let text = metrics.encode(Format::Text);
    for line in [
        "trunkline_calls_total{upstream=\"git\",tool=\"git__log\",outcome=\"tool_error\"} 1\n",
        "trunkline_upstream_call_duration_seconds_count{upstream=\"git\",tool=\"git__log\"} 2\n",
        "mcp_server_operation_duration_seconds_count{mcp_method_name=\"tools/call\"} 2\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn an_upstream_that_goes_down_is_warned_about_and_counts_as_down() {
    let metrics = Metrics::new("1");
    let series = metrics.upstream("git");
    let state = |state, reason| UpstreamState { name: "git", state, reason, since: Duration::from_secs(2) };
    let told = logged(|| {
        state(Condition::Ready, None).emit(&series);
        assert!(
            metrics
                .encode(Format::Text)
                .contains("trunkline_upstream_up{upstream=\"git\",era=\"unknown\"} 1\n")
        );
        state(Condition::Down, Some("exit code 1")).emit(&series);
    });
    assert!(
        metrics.encode(Format::Text).contains("trunkline_upstream_up{upstream=\"git\",era=\"unknown\"} 0\n")
    );
    assert_eq!((told[0].0, told[1].0), (Level::INFO, Level::WARN));
    assert_eq!((&*told[1].1["reason"], &*told[1].1["since_ms"]), ("exit code 1", "2000"));
}
