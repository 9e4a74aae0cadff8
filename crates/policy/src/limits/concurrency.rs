//! How many calls of one kind may be under way at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::gate::{Full, Gate, Pass, Patience};

/// Most calls that wait at one gate.
const QUEUE_MAX: usize = 1024;
/// Gates of one limit before those that nobody uses are looked for. A gate in use has a call under way, so there are
/// never many more than those.
const GATES_KEPT: usize = 1024;

/// The gates of one limit, one for each of what it counts apart.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    gates: HashMap<u64, Arc<Gate>, foldhash::fast::RandomState>,
    /// Size at which unused ones are looked for next.
    sweep_at: usize,
}

impl Gates {
    /// The gate of a key, with the limit as it is now.
    fn gate(&self, key: u64, max: usize) -> Arc<Gate> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.gates.len() >= table.sweep_at.max(GATES_KEPT) {
            // Whoever is beyond a gate or waits before it holds it, and nobody can come to hold it but here.
            table.gates.retain(|_, gate| Arc::strong_count(gate) > 1);
            table.sweep_at = table.gates.len() * 2;
        }
        let gate = table.gates.entry(key).or_insert_with(|| Gate::new(max));
        Arc::clone(gate)
    }

    /// Passes the gate of a key, or waits before it for so long.
    pub(super) async fn enter(
        &self,
        key: u64,
        max: usize,
        wait: Duration,
        now: Instant,
    ) -> Result<Pass, Full> {
        let patience = Patience { until: now + wait, queue: QUEUE_MAX, sensible: false, urgent: false };
        self.gate(key, max).enter(now, patience).await
    }

    /// Changes the limit of the gates that there are.
    pub(super) fn set_limit(&self, max: usize) {
        let gates: Vec<_> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).gates.values().cloned().collect();
        for gate in gates {
            gate.set_limit(max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn callers_are_counted_apart_and_unused_gates_are_forgotten() {
        let gates = Gates::default();
        let now = Instant::now();
        let enter = |key| gates.enter(key, 1, Duration::ZERO, now);
        let held = enter(0).await.unwrap();
        assert!(enter(0).await.is_err());
        for key in 1..=(3 * GATES_KEPT as u64) {
            drop(enter(key).await.unwrap());
        }
        assert!(gates.0.lock().unwrap().gates.len() <= GATES_KEPT);
        assert!(enter(0).await.is_err(), "a gate in use is kept");
        gates.set_limit(2);
        assert!(enter(0).await.is_ok());
        drop(held);
    }
}
