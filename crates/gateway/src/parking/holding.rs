//! A parked call while nobody waits for it: driven to its end, and its outcome kept until somebody comes for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep_until, timeout};
use trunkline_model::Fault;

use super::exchange::Exchange;
use super::{Parking, Work};

/// How long a call that nobody came back for may take to end by itself, after its questions were refused.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);

impl Parking {
    /// Drives a parked call to its end, and keeps its outcome until somebody comes for it.
    pub(super) async fn hold(&self, exchange: &Arc<Exchange>, mut work: Work) {
        // Also when the call panics, and when the runtime drops it.
        let _ending = Ending { parking: self, exchange };
        let over = loop {
            tokio::select! {
                outcome = &mut work => break Some(outcome),
                () = exchange.given_up.cancelled() => break None,
                () = expired(exchange) => if exchange.expire() {
                    // The server learns that nobody answers, and may end its call in order.
                    let _ = timeout(LAST_WORDS, &mut work).await;
                    break None;
                }
            }
        };
        // Dropped while it runs, the call is taken back at the server.
        drop(work);
        let Some(outcome) = over else { return };
        exchange.finish(outcome);
        loop {
            tokio::select! {
                () = exchange.done.cancelled() => return,
                () = exchange.given_up.cancelled() => return,
                () = self.stop.cancelled() => return,
                () = expired(exchange) => if exchange.expire() {
                    return;
                }
            }
        }
    }
}

/// The end of a held call, however it comes: it is parked no longer, and nobody waits for it for ever.
struct Ending<'a> {
    parking: &'a Parking,
    exchange: &'a Exchange,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.parking.leave(&self.exchange.id);
        self.exchange.end(Fault::internal("a parked call ended without an outcome").into());
    }
}

/// Resolves when the call has waited too long for a retry.
async fn expired(exchange: &Exchange) {
    let mut deadline = exchange.deadline.subscribe();
    loop {
        let at = *deadline.borrow_and_update();
        let changed = match at {
            Some(at) => tokio::select! {
                () = sleep_until(at) => return,
                changed = deadline.changed() => changed,
            },
            None => deadline.changed().await,
        };
        if changed.is_err() {
            return std::future::pending().await;
        }
    }
}
