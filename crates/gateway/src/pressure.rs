//! Looks now and then at what the gateway itself can still bear.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use trunkline_runtime::resident_bytes;

use crate::gateway::Gateway;

/// How often. Four looks a second cost nothing that can be measured, and memory does not fill up in less.
const EVERY: Duration = Duration::from_millis(250);

/// Tells the limits how much memory is resident and how late this task is run, until `stop`.
pub(crate) async fn watch(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut tight = false;
    loop {
        let due = Instant::now() + EVERY;
        tokio::select! {
            () = sleep_until(due) => {}
            () = stop.cancelled() => return,
        }
        let late = due.elapsed();
        let state = gateway.state.load();
        let Some(limits) = &state.fleet.limits else { continue };
        let most = limits.pressure_max();
        let resident = most.0.and_then(|_| resident_bytes());
        limits.pressure().look(resident, late, most);
        if std::mem::replace(&mut tight, limits.pressure().is_tight()) != tight {
            let resident = resident.unwrap_or_default();
            if tight {
                tracing::warn!(resident, limit = most.0, "memory is tight: new calls are refused");
            } else {
                tracing::info!(resident, limit = most.0, "memory is not tight any more");
            }
        }
    }
}
