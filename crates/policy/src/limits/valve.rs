//! What protects one server: how many calls may be under way there, learnt or fixed.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use trunkline_model::Fault;
use trunkline_observe::metrics::{LimitHandle, Metrics};

use super::adaptive::{Adaptive, Sample};
use super::gate::{Full, Gate, Pass, Patience};
use super::options::Overload;

/// The valves of a snapshot's servers, by number.
#[derive(Debug)]
pub(super) struct Valves {
    by_number: Box<[Arc<Valve>]>,
    by_name: HashMap<Arc<str>, Arc<Valve>>,
}

/// One server's.
#[derive(Debug)]
pub(super) struct Valve {
    gate: Arc<Gate>,
    adaptive: Mutex<Adaptive>,
    adapts: std::sync::atomic::AtomicBool,
    meter: LimitHandle,
}

impl Valves {
    pub(super) fn new(
        overload: &Overload,
        servers: &[Arc<str>],
        old: Option<&Self>,
        metrics: &Metrics,
    ) -> Self {
        let one = |name: &Arc<str>| {
            let max = overload.servers.get(name).copied().unwrap_or(overload.per_server);
            let known = old.and_then(|old| old.by_name.get(name)).cloned();
            let valve = known.unwrap_or_else(|| {
                let gate = Gate::new(max);
                metrics.crowds().upstream(name, &gate);
                Arc::new(Valve {
                    gate,
                    adaptive: Mutex::new(Adaptive::new(max)),
                    adapts: overload.adaptive.into(),
                    meter: metrics.limit("server_in_flight"),
                })
            });
            valve.set(max, overload.adaptive);
            (Arc::clone(name), valve)
        };
        let all: Vec<_> = servers.iter().map(one).collect();
        Self {
            by_number: all.iter().map(|(_, valve)| Arc::clone(valve)).collect(),
            by_name: all.into_iter().collect(),
        }
    }

    pub(super) fn get(&self, number: usize) -> Option<&Arc<Valve>> {
        self.by_number.get(number)
    }
}

impl Valve {
    fn learning(&self) -> MutexGuard<'_, Adaptive> {
        self.adaptive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, max: usize, adapts: bool) {
        self.adapts.store(adapts, std::sync::atomic::Ordering::Relaxed);
        let limit = self.learning().set_max(max);
        self.gate.set_limit(if adapts { limit } else { max });
    }

    pub(super) async fn enter(
        &self,
        now: Instant,
        patience: impl FnOnce() -> Patience,
        server: &Arc<str>,
    ) -> Result<Pass, Fault> {
        if let Some(pass) = self.gate.try_enter(false) {
            return Ok(pass);
        }
        let entered = self.gate.enter(now, patience()).await;
        if entered.is_ok() {
            self.meter.waited(now.elapsed());
        }
        entered.map_err(|Full| {
            self.meter.refused();
            let text =
                format!("the server \"{server}\" has as many calls under way as it may; try again later");
            Fault::overloaded(text).of(server)
        })
    }

    fn learn(&self, now: Instant, began: Instant, tool: u64, answered: bool) {
        if !self.adapts.load(std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        let crowded_for = self.gate.crowded_for(now);
        let took = now.saturating_duration_since(began);
        let limit = self.learning().learn(now, Sample { tool, took, answered, crowded_for });
        if let Some(limit) = limit {
            self.gate.set_limit(limit);
        }
    }
}

/// A call under way at a server.
#[derive(Debug)]
pub(super) struct Course {
    valve: Option<Arc<Valve>>,
    began: Instant,
    tool: u64,
    _own: Option<Pass>,
    _all: Pass,
}

impl Course {
    pub(super) fn new(valve: Option<&Arc<Valve>>, own: Option<Pass>, all: Pass, tool: Option<&str>) -> Self {
        Self { valve: valve.cloned(), began: Instant::now(), tool: place(tool), _own: own, _all: all }
    }

    /// Takes in how it went; only once.
    pub(super) fn ended(&mut self, answered: bool) {
        if let Some(valve) = self.valve.take() {
            valve.learn(Instant::now(), self.began, self.tool, answered);
        }
    }
}

/// Where a tool's usual time is kept. The seed is fixed, so that it is found again.
fn place(tool: Option<&str>) -> u64 {
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    hasher.write(tool.unwrap_or_default().as_bytes());
    hasher.finish()
}
