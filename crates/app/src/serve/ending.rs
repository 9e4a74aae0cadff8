//! The end in order: clients first, servers last.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use trunkline_config::Shutdown;
use trunkline_transport::front::http::Ending;

use super::phase::Phase;
use super::running::Running;
use super::signals::{Signal, Signals};
use crate::stop::Code;

/// How long servers may take to end; what is left then is killed by the helper process.
pub(crate) const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// For the answers to calls that were cut short.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Drains and ends. A second signal ends the wait at once; the helper process then sees to the servers.
pub(super) async fn end(running: &Running, shutdown: Shutdown, mut signals: Signals) -> Code {
    running.standing.enter(Phase::Draining);
    running.metrics.gateway().set_ready(false);
    let Shutdown { delay, grace } = shutdown;
    running.supervisor.stopping(delay + grace + STOP_DEADLINE + LAST_WORDS);
    let (delay_s, grace_s) = (delay.as_secs_f64(), grace.as_secs_f64());
    let connections = running.server.connections();
    tracing::info!(delay_s, grace_s, connections, "stopping: calls that run may end");
    let hurried = async {
        loop {
            if let Signal::Stop(number) = signals.next().await {
                break number;
            }
        }
    };
    let code = tokio::select! {
        () = drained(running, shutdown) => Code::OK,
        number = hurried => {
            tracing::warn!("told once more: ending at once");
            Code::signal(number)
        }
    };
    running.close_admin();
    tracing::info!("stopped");
    code
}

async fn drained(running: &Running, shutdown: Shutdown) {
    let deadline = Instant::now() + shutdown.delay + shutdown.grace;
    let in_time = running.server.drain(Ending { delay: shutdown.delay, deadline }).await;
    if !in_time {
        let connections = running.server.connections();
        tracing::warn!(connections, "some calls did not end in time; they are given up");
    }
    if timeout(STOP_DEADLINE, running.gateway.stop()).await.is_err() {
        tracing::warn!("some servers did not end in time; they are killed");
    }
    if !in_time {
        // Calls whose server is gone have an answer now.
        running.server.emptied(LAST_WORDS).await;
    }
}
