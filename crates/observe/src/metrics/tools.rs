//! What is known about each tool.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::buckets::{Buckets, Observed};
use super::sharded::Sharded;

/// Most tools with series of their own. Each costs a scrape some twenty lines once it was called.
const TOOLS_MAX: usize = 10_000;

/// The name under which everything beyond a bound is counted.
pub(super) const OTHER: &str = "other";

/// How a call ended, as its caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Ok,
    /// With a result that says the tool failed (`isError`).
    ToolError,
    /// With an error of the protocol, an upstream or the gateway.
    Error,
    /// The caller took it back.
    Cancelled,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Ok, Self::ToolError, Self::Error, Self::Cancelled];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

#[derive(Debug, Default)]
struct Cells {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    duration: Buckets,
}

/// The series of one tool. Cheap to clone; recording takes no lock.
///
/// The cells, a KiB, are made with the first call: a catalog may hold thousands of tools that are never called.
#[derive(Clone, Debug)]
pub struct ToolHandle(Arc<OnceLock<Box<Sharded<Cells>>>>);

impl ToolHandle {
    /// Counts one finished call.
    pub fn record(&self, outcome: Outcome, duration: Duration) {
        let cells = self.0.get_or_init(Box::default).mine();
        cells.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        cells.duration.observe(duration);
    }

    fn cells(&self) -> impl Iterator<Item = &Cells> {
        self.0.get().into_iter().flat_map(|cells| cells.all())
    }

    fn count(&self, outcome: Outcome) -> u64 {
        self.cells().map(|cells| cells.outcomes[outcome as usize].load(Ordering::Relaxed)).sum()
    }

    fn duration(&self) -> Observed {
        self.cells().map(|cells| &cells.duration).collect()
    }
}

/// Upstream and exposed name.
type Name = (Arc<str>, Arc<str>);

/// The series of all tools.
#[derive(Debug, Default)]
pub(super) struct Tools(Mutex<BTreeMap<Name, ToolHandle>>);

impl Tools {
    pub(super) fn handle(&self, upstream: &str, tool: &str) -> ToolHandle {
        let mut tools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (Arc::from(upstream), Arc::from(tool));
        if let Some(known) = tools.get(&name) {
            return known.clone();
        }
        if tools.len() >= TOOLS_MAX {
            // Tools of a catalog that is gone. To a reader it looks like a restart, which is understood.
            tools.retain(|_, handle| Arc::strong_count(&handle.0) > 1);
        }
        let name = if tools.len() >= TOOLS_MAX { (Arc::from(OTHER), Arc::from(OTHER)) } else { name };
        tools.entry(name).or_insert_with(|| ToolHandle(Arc::default())).clone()
    }

    /// Tools that were called at least once.
    fn called(&self) -> Vec<(Name, ToolHandle)> {
        let tools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let called = |handle: &ToolHandle| handle.duration().count() > 0;
        tools
            .iter()
            .filter(|(_, handle)| called(handle))
            .map(|(name, handle)| (name.clone(), handle.clone()))
            .collect()
    }
}

impl Collector for Tools {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let tools = self.called();
        let mut calls = encoder.encode_descriptor(
            "trunkline_calls",
            "Finished tool calls by outcome.",
            None,
            MetricType::Counter,
        )?;
        for ((upstream, tool), handle) in &tools {
            for outcome in Outcome::ALL {
                let labels = [("upstream", &**upstream), ("tool", &**tool), ("outcome", outcome.as_str())];
                calls
                    .encode_family(&labels)?
                    .encode_counter::<NoLabelSet, _, f64>(&handle.count(outcome), None)?;
            }
        }
        let mut durations = encoder.encode_descriptor(
            "trunkline_upstream_call_duration",
            "Tool calls as the gateway waited for them.",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for ((upstream, tool), handle) in &tools {
            let labels = [("upstream", &**upstream), ("tool", &**tool)];
            handle.duration().encode(durations.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{TOOLS_MAX, ToolHandle, Tools};

    fn same(left: &ToolHandle, right: &ToolHandle) -> bool {
        Arc::ptr_eq(&left.0, &right.0)
    }

    #[test]
    fn tools_beyond_the_bound_share_one_series_and_known_ones_keep_theirs() {
        let tools = Tools::default();
        let held: Vec<_> = (0..TOOLS_MAX).map(|n| tools.handle("u", &n.to_string())).collect();
        assert!(same(&tools.handle("u", "new"), &tools.handle("v", "newer")));
        assert!(same(&tools.handle("u", "7"), &held[7]));
    }

    #[test]
    fn tools_that_nobody_holds_make_room_for_new_ones() {
        let tools = Tools::default();
        for n in 0..TOOLS_MAX {
            tools.handle("u", &n.to_string());
        }
        assert!(!same(&tools.handle("u", "new"), &tools.handle("u", "newer")));
        assert!(tools.0.lock().unwrap().len() < 10);
    }
}
