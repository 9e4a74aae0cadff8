//! How long clients wait, by MCP method.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::buckets::{Buckets, Observed};
use super::sharded::Sharded;
use super::tools::OTHER;

/// More methods than all revisions of MCP have together.
const METHODS_MAX: usize = 64;

/// The series of one MCP method. Cheap to clone; recording takes no lock.
#[derive(Clone, Debug)]
pub struct MethodHandle(Arc<Sharded<Buckets>>);

impl MethodHandle {
    /// Counts one finished operation.
    pub fn record(&self, duration: Duration) {
        self.0.mine().observe(duration);
    }
}

/// The series of all methods.
#[derive(Debug, Default)]
pub(super) struct Methods(Mutex<BTreeMap<Arc<str>, MethodHandle>>);

impl Methods {
    pub(super) fn handle(&self, name: &str) -> MethodHandle {
        let mut methods = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = methods.get(name) {
            return known.clone();
        }
        let name = if methods.len() >= METHODS_MAX { OTHER } else { name };
        methods.entry(Arc::from(name)).or_insert_with(|| MethodHandle(Arc::default())).clone()
    }
}

impl Collector for Methods {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let methods = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut durations = encoder.encode_descriptor(
            "mcp_server_operation_duration",
            "MCP operations as their clients waited for them.",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (name, handle) in &methods {
            let observed: Observed = handle.0.all().collect();
            if observed.count() > 0 {
                observed.encode(durations.encode_family(&[("mcp_method_name", &**name)])?)?;
            }
        }
        Ok(())
    }
}
