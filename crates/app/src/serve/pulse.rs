//! The heart of the process: proves that the runtime lives, and tells everybody when readiness changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use trunkline_gateway::Gateway;
use trunkline_observe::metrics::Metrics;

use super::phase::{Phase, Standing, is_up};
use super::supervisor::Supervisor;

/// How often readiness is looked at.
const BEAT: Duration = Duration::from_secs(1);

/// Beats until the runtime ends.
pub(super) async fn run(
    standing: Arc<Standing>,
    gateway: Arc<Gateway>,
    metrics: Arc<Metrics>,
    supervisor: Arc<Supervisor>,
) {
    let watchdog = supervisor.pulse();
    let mut beat = interval(watchdog.map_or(BEAT, |pulse| pulse.min(BEAT)));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was = None;
    loop {
        beat.tick().await;
        // A timer that fires and a new task that runs: what every call needs.
        if tokio::spawn(async {}).await.is_err() {
            return;
        }
        standing.beat();
        if watchdog.is_some() {
            supervisor.alive();
        }
        let sources = gateway.sources();
        let missing = standing.missing(&sources);
        metrics.gateway().set_ready(missing.is_empty());
        let up = sources.iter().filter(|source| is_up(&source.status.phase)).count();
        let now = (missing, up, sources.len());
        if was.as_ref() != Some(&now) && standing.phase() == Phase::Ready {
            told(was.as_ref().map(|(missing, ..)| missing.is_empty()), &now.0);
            supervisor.status(&status(&now.0, up, sources.len()));
            was = Some(now);
        }
    }
}

/// `was` is whether we were ready when it was last looked at.
fn told(was: Option<bool>, missing: &[String]) {
    match (was, missing.is_empty()) {
        (Some(true) | None, false) => {
            tracing::warn!(missing = missing.join("; "), "not ready: what is required is missing");
        }
        (Some(false), true) => tracing::info!("ready again"),
        _ => {}
    }
}

/// One line for people.
pub(super) fn status(missing: &[String], up: usize, servers: usize) -> String {
    match missing.first() {
        Some(first) => format!("not ready: {first}; {up} of {servers} servers up"),
        None => format!("ready; {up} of {servers} servers up"),
    }
}
