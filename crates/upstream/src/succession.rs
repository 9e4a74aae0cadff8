//! One server after another under the same name, when a reload changes how it is reached or run.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::options::Options;
use crate::status::Offer;
use crate::tools::Tools;
use crate::upstream::Upstream;

/// How often it is looked whether calls are still under way. Calls tell nobody of their end: it would cost each of
/// them something, for what happens once in a while.
const LOOK: Duration = Duration::from_millis(10);

/// What a server takes over from the one that it takes the place of.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// What that one offered: it is shown until the new one has said what it offers.
    pub offer: Option<Arc<Offer>>,
    /// Cancelled when nothing of it runs any more; the new one starts then, and calls wait for it meanwhile. `None` when
    /// both may run at a time.
    pub gone: Option<CancellationToken>,
}

impl Upstream {
    /// Begins to start an upstream that takes the place of another.
    pub fn succeed(options: Options, tools: Tools, before: Before) -> Self {
        Self::begin(options, tools, &before)
    }

    /// How many calls are under way, those included that wait for their client.
    pub fn running(&self) -> usize {
        let mut running = 0;
        self.each(|member| running += member.running());
        running
    }

    /// Waits until no call is under way, for so long; `false` when some still are. Cancel safe.
    pub async fn rest(&self, patience: Duration) -> bool {
        let rested = async {
            while self.running() > 0 {
                sleep(LOOK).await;
            }
        };
        timeout(patience, rested).await.is_ok()
    }

    /// Another has taken its place: what becomes of this one no longer counts as the state of the server.
    pub fn is_succeeded(&self) {
        self.each(|member| member.shared.succeeded.store(true, Ordering::SeqCst));
    }
}
