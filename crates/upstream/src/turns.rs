//! Turns on one conversation: where the wire does not say which call a question belongs to, only one call that can be
//! asked runs at a time (`bridging.md` 4.2).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of one conversation; first come, first served.
#[derive(Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Turns {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Arc::new(Semaphore::new(1))))
    }

    /// Waits for the turn. Dropping the future gives up the place in the queue.
    pub(crate) async fn take(&self) -> OwnedSemaphorePermit {
        match Arc::clone(&self.0).acquire_owned().await {
            Ok(turn) => turn,
            // Never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Whether nobody has the turn.
    pub(crate) fn is_free(&self) -> bool {
        self.0.available_permits() > 0
    }
}
