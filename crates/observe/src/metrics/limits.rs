//! What limits decided, and how many calls are where.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::buckets::{Buckets, Observed};
use super::tools::OTHER;

/// Most limits with series of their own; more are counted under `other`.
const LIMITS_MAX: usize = 1000;

#[derive(Debug, Default)]
struct Cells {
    admitted: AtomicU64,
    refused: AtomicU64,
    waits: Buckets,
}

/// The series of one limit. Cheap to clone; recording takes no lock.
#[derive(Clone, Debug)]
pub struct LimitHandle(Arc<Cells>);

impl LimitHandle {
    /// Counts a call that it let pass.
    pub fn admitted(&self) {
        self.0.admitted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that it refused.
    pub fn refused(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that had to wait, and then passed.
    pub fn waited(&self, wait: Duration) {
        self.0.waits.observe(wait);
    }
}

/// The series of all limits.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<BTreeMap<Arc<str>, LimitHandle>>);

impl Limits {
    pub(super) fn handle(&self, name: &str) -> LimitHandle {
        let mut limits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if limits.len() >= LIMITS_MAX && !limits.contains_key(name) { OTHER } else { name };
        limits.entry(Arc::from(name)).or_insert_with(|| LimitHandle(Arc::default())).clone()
    }
}

impl Collector for Limits {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let limits = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let help = "Calls that a limit let pass or refused.";
        let mut calls =
            encoder.encode_descriptor("trunkline_limit_decisions", help, None, MetricType::Counter)?;
        for (name, LimitHandle(cells)) in &limits {
            for (decision, count) in [("admitted", &cells.admitted), ("refused", &cells.refused)] {
                let labels = [("limit", &**name), ("decision", decision)];
                let count = count.load(Ordering::Relaxed);
                calls.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
            }
        }
        let help = "How long calls waited for their turn at a limit, of those that had to.";
        let mut waits = encoder.encode_descriptor(
            "trunkline_limit_wait",
            help,
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (name, LimitHandle(cells)) in &limits {
            let observed = Observed::from_iter([&cells.waits]);
            if observed.count() > 0 {
                observed.encode(waits.encode_family(&[("limit", &**name)])?)?;
            }
        }
        Ok(())
    }
}

/// Where calls gather.
pub trait Crowd: Send + Sync + fmt::Debug {
    /// Calls under way.
    fn in_flight(&self) -> usize;
    /// Most calls under way, now.
    fn limit(&self) -> usize;
    /// Calls that wait for their turn.
    fn waiting(&self) -> usize;
}

/// By upstream; the gateway's own has no name.
type ByName = BTreeMap<Option<Arc<str>>, Weak<dyn Crowd>>;

/// Everywhere calls gather. Shown as long as it exists.
#[derive(Debug, Default)]
pub struct Crowds(Mutex<ByName>);

impl Crowds {
    /// The crowd of the gateway as a whole.
    pub fn gateway<C: Crowd + 'static>(&self, crowd: &Arc<C>) {
        self.add(None, crowd);
    }

    /// The crowd of one upstream.
    pub fn upstream<C: Crowd + 'static>(&self, name: &Arc<str>, crowd: &Arc<C>) {
        self.add(Some(Arc::clone(name)), crowd);
    }

    fn add<C: Crowd + 'static>(&self, name: Option<Arc<str>>, crowd: &Arc<C>) {
        let weak: Weak<dyn Crowd> = Arc::downgrade(&(Arc::clone(crowd) as Arc<dyn Crowd>));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, weak);
    }
}

impl Collector for Crowds {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let crowds: Vec<_> = {
            let mut crowds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            crowds.retain(|_, crowd| crowd.strong_count() > 0);
            crowds.iter().filter_map(|(name, crowd)| Some((name.clone(), crowd.upgrade()?))).collect()
        };
        type Count = fn(&dyn Crowd) -> usize;
        let gauges: [(&str, &str, Count); 3] = [
            ("calls_in_flight", "Calls under way at servers", |crowd| crowd.in_flight()),
            ("calls_in_flight_max", "Most calls that may be under way now", |crowd| crowd.limit()),
            ("calls_waiting", "Calls that wait for their turn", |crowd| crowd.waiting()),
        ];
        for (name, help, count) in gauges {
            let value = |crowd: &Arc<dyn Crowd>| i64::try_from(count(&**crowd)).unwrap_or(i64::MAX);
            let of_all = format!("trunkline_{name}");
            let text = format!("{help}, in all.");
            let mut gauge = encoder.encode_descriptor(&of_all, &text, None, MetricType::Gauge)?;
            for (_, crowd) in crowds.iter().filter(|(name, _)| name.is_none()) {
                gauge.encode_gauge(&value(crowd))?;
            }
            let of_one = format!("trunkline_upstream_{name}");
            let text = format!("{help}, by upstream.");
            let mut gauge = encoder.encode_descriptor(&of_one, &text, None, MetricType::Gauge)?;
            for (upstream, crowd) in crowds.iter().filter_map(|(name, crowd)| Some((name.as_ref()?, crowd))) {
                gauge.encode_family(&[("upstream", &**upstream)])?.encode_gauge(&value(crowd))?;
            }
        }
        Ok(())
    }
}
