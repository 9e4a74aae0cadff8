//! What is known about each upstream.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The protocol era spoken on one side of the gateway, as a label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Era {
    /// Not found out yet.
    #[default]
    Unknown,
    /// `initialize` and sessions.
    Legacy,
    /// Per-request metadata.
    Modern,
}

impl Era {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }

    fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Legacy,
            2 => Self::Modern,
            _ => Self::Unknown,
        }
    }
}

/// Where a circuit breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// Calls go through.
    Closed,
    /// A few calls try whether the server is well again.
    HalfOpen,
    /// No call goes through.
    Open,
}

impl CircuitState {
    /// The word in logs and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// Why a call is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The server could not be reached.
    Connect,
    /// It did not answer in time.
    Timeout,
    /// The connection broke.
    Broken,
    /// HTTP 5xx.
    Status,
    /// It asked for patience.
    Wait,
}

impl Again {
    const ALL: [Self; 5] = [Self::Connect, Self::Timeout, Self::Broken, Self::Status, Self::Wait];

    /// The word in logs and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Status => "status",
            Self::Wait => "retry_after",
        }
    }
}

#[derive(Debug, Default)]
struct Cells {
    up: AtomicBool,
    era: AtomicU8,
    children: AtomicI64,
    child_starts: AtomicU64,
    child_restarts: AtomicU64,
    circuit: AtomicU8,
    /// By the state entered.
    circuit_changes: [AtomicU64; 3],
    circuit_refused: AtomicU64,
    /// By the reason.
    retries: [AtomicU64; 5],
    retries_unaffordable: AtomicU64,
    hedges: AtomicU64,
    hedges_won: AtomicU64,
    failovers: AtomicU64,
    ejections: AtomicU64,
    fallbacks: AtomicU64,
    stalls: AtomicU64,
}

/// The series of one upstream. Cheap to clone.
#[derive(Clone, Debug)]
pub struct UpstreamHandle(Arc<Cells>);

impl UpstreamHandle {
    /// Whether the upstream can be used.
    pub fn set_up(&self, up: bool) {
        self.0.up.store(up, Ordering::Relaxed);
    }

    /// The era it speaks. There is one series per upstream: the era it had is not shown any more.
    pub fn set_era(&self, era: Era) {
        self.0.era.store(era as u8, Ordering::Relaxed);
    }

    /// Where its circuit breaker stands.
    pub fn set_circuit(&self, state: CircuitState) {
        self.0.circuit.store(state as u8, Ordering::Relaxed);
    }

    /// Counts a change of one of its circuit breakers, those of its tools included.
    pub fn circuit_changed(&self, entered: CircuitState) {
        self.0.circuit_changes[entered as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that a circuit breaker did not let through.
    pub fn circuit_refused(&self) {
        self.0.circuit_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that is sent again.
    pub fn retried(&self, why: Again) {
        self.0.retries[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that would have been sent again, had there been budget.
    pub fn retry_unaffordable(&self) {
        self.0.retries_unaffordable.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that was sent a second time beside the first.
    pub fn hedged(&self) {
        self.0.hedges.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a second call that was answered before the first.
    pub fn hedge_won(&self) {
        self.0.hedges_won.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that did not begin at one member and went to another.
    pub fn failed_over(&self) {
        self.0.failovers.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a member that is left out for a while.
    pub fn ejected(&self) {
        self.0.ejections.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that went to the fallback server.
    pub fn fell_back(&self) {
        self.0.fallbacks.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a conversation that was given up because its server did not answer any more.
    pub fn stalled(&self) {
        self.0.stalls.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a child process that was started, and again after another, if `again`. It runs until the value returned
    /// is dropped.
    pub fn child_started(&self, again: bool) -> RunningChild {
        self.0.children.fetch_add(1, Ordering::Relaxed);
        self.0.child_starts.fetch_add(1, Ordering::Relaxed);
        self.0.child_restarts.fetch_add(u64::from(again), Ordering::Relaxed);
        RunningChild(Arc::clone(&self.0))
    }
}

/// A child process that is counted as running.
#[derive(Debug)]
#[must_use = "the child counts as running only as long as this is held"]
pub struct RunningChild(Arc<Cells>);

impl Drop for RunningChild {
    fn drop(&mut self) {
        self.0.children.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The series of all upstreams.
#[derive(Debug, Default)]
pub(super) struct Upstreams(Mutex<BTreeMap<Arc<str>, UpstreamHandle>>);

impl Upstreams {
    pub(super) fn handle(&self, name: &str) -> UpstreamHandle {
        let mut upstreams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        upstreams.entry(Arc::from(name)).or_insert_with(|| UpstreamHandle(Arc::default())).clone()
    }

    /// Those somebody holds; an upstream that left the configuration leaves the metrics.
    fn held(&self) -> BTreeMap<Arc<str>, UpstreamHandle> {
        let mut upstreams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        upstreams.retain(|_, handle| Arc::strong_count(&handle.0) > 1);
        upstreams.clone()
    }
}

impl Collector for Upstreams {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let upstreams = self.held();
        let help = "Whether the upstream can be used, by the era it speaks.";
        let mut up = encoder.encode_descriptor("trunkline_upstream_up", help, None, MetricType::Gauge)?;
        for (name, UpstreamHandle(cells)) in &upstreams {
            let era = Era::from_number(cells.era.load(Ordering::Relaxed));
            let labels = [("upstream", &**name), ("era", era.as_str())];
            up.encode_family(&labels)?.encode_gauge(&i64::from(cells.up.load(Ordering::Relaxed)))?;
        }
        let help = "Child processes that run.";
        let mut children = encoder.encode_descriptor("trunkline_children", help, None, MetricType::Gauge)?;
        for (name, UpstreamHandle(cells)) in &upstreams {
            let running = cells.children.load(Ordering::Relaxed);
            children.encode_family(&[("upstream", &**name)])?.encode_gauge(&running)?;
        }
        let help = "The circuit breaker: 0 closed, 1 half open, 2 open.";
        let mut circuit =
            encoder.encode_descriptor("trunkline_circuit_state", help, None, MetricType::Gauge)?;
        for (name, UpstreamHandle(cells)) in &upstreams {
            let state = i64::from(cells.circuit.load(Ordering::Relaxed));
            circuit.encode_family(&[("upstream", &**name)])?.encode_gauge(&state)?;
        }
        let help = "Changes of circuit breakers, those of single tools included, by the state entered.";
        let mut changes =
            encoder.encode_descriptor("trunkline_circuit_transitions", help, None, MetricType::Counter)?;
        for (name, UpstreamHandle(cells)) in &upstreams {
            for state in [CircuitState::Closed, CircuitState::HalfOpen, CircuitState::Open] {
                let labels = [("upstream", &**name), ("to", state.as_str())];
                let value = cells.circuit_changes[state as usize].load(Ordering::Relaxed);
                changes.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
            }
        }
        let help = "Calls that were sent again, by what had happened to them.";
        let mut retries = encoder.encode_descriptor("trunkline_retries", help, None, MetricType::Counter)?;
        for (name, UpstreamHandle(cells)) in &upstreams {
            for why in Again::ALL {
                let labels = [("upstream", &**name), ("reason", why.as_str())];
                let value = cells.retries[why as usize].load(Ordering::Relaxed);
                retries.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
            }
        }
        type Count = fn(&Cells) -> &AtomicU64;
        let counters: [(&str, &str, Count); 10] = [
            (
                "trunkline_retry_budget_exhausted",
                "Calls that were not sent again for lack of budget.",
                |cells| &cells.retries_unaffordable,
            ),
            ("trunkline_hedges", "Calls that were sent a second time beside the first.", |cells| {
                &cells.hedges
            }),
            ("trunkline_hedges_won", "Second calls that were answered before the first.", |cells| {
                &cells.hedges_won
            }),
            ("trunkline_failovers", "Calls that did not begin at one member and went to another.", |cells| {
                &cells.failovers
            }),
            ("trunkline_ejections", "Members that were left out for a while.", |cells| &cells.ejections),
            (
                "trunkline_stalls",
                "Conversations given up because the server did not answer any more.",
                |cells| &cells.stalls,
            ),
            ("trunkline_fallbacks", "Calls that went to the fallback server.", |cells| &cells.fallbacks),
            ("trunkline_circuit_refused", "Calls that a circuit breaker did not let through.", |cells| {
                &cells.circuit_refused
            }),
            ("trunkline_child_starts", "Child processes started.", |cells| &cells.child_starts),
            ("trunkline_child_restarts", "Child processes started in place of one that ended.", |cells| {
                &cells.child_restarts
            }),
        ];
        for (metric, help, count) in counters {
            let mut counter = encoder.encode_descriptor(metric, help, None, MetricType::Counter)?;
            for (name, UpstreamHandle(cells)) in &upstreams {
                let labels = [("upstream", &**name)];
                let value = count(cells).load(Ordering::Relaxed);
                counter.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
            }
        }
        Ok(())
    }
}
