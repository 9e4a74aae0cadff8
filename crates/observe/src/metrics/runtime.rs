//! What the process itself is made of.

use std::fmt;
use std::sync::OnceLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

/// Counts the tasks that live.
pub(super) type Tasks = Box<dyn Fn() -> u64 + Send + Sync>;

/// Numbers that are looked up when somebody asks.
#[derive(Default)]
pub(super) struct Runtime(pub(super) OnceLock<Tasks>);

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runtime").field(&self.0.get().is_some()).finish()
    }
}

impl Collector for Runtime {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(tasks) = self.0.get() else { return Ok(()) };
        let help = "Tasks that live: each has an owner, so that they do not grow for ever.";
        let mut gauge =
            encoder.encode_descriptor("trunkline_runtime_tasks", help, None, MetricType::Gauge)?;
        gauge.encode_gauge(&i64::try_from(tasks()).unwrap_or(i64::MAX))
    }
}
