//! The task that turns changes of upstreams into new catalogs. Many changes at once become one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use trunkline_upstream::{Offer, Status};

use crate::gateway::{Gateway, State};

/// Changes within this time of the first become one catalog. A change must reach clients within a second.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// A first change waits this long: state and offer of one upstream change right after each other.
const SETTLE: Duration = Duration::from_millis(5);

/// Runs until `stop`, for one snapshot.
pub(crate) async fn run(gateway: Arc<Gateway>, state: Arc<State>, grace: Duration, stop: CancellationToken) {
    let deadline = Instant::now() + grace;
    // Watched from before the first catalog is made: what changes while it is made must be noticed.
    let mut changes: FuturesUnordered<_> =
        state.fleet.upstreams.iter().map(|upstream| changed((upstream.status(), upstream.offer()))).collect();
    let mut rebuilt = Instant::now();
    loop {
        // Looked at before the catalog is made: whoever waits for `settled` must find what settled in the catalog.
        let settled = *gateway.settled.borrow() || has_settled(&state, deadline);
        state.rebuild(&gateway.tools.metrics);
        let last = std::mem::replace(&mut rebuilt, Instant::now());
        if settled {
            gateway.settled.send_if_modified(|was| !std::mem::replace(was, true));
        }
        tokio::select! {
            Some(seen) = changes.next(), if !changes.is_empty() => changes.push(changed(seen)),
            () = sleep_until(deadline), if !settled => {}
            () = stop.cancelled() => return,
        }
        // A change after a quiet time is shown at once; in a burst, no more often than the debounce allows.
        let quiet = settled && last.elapsed() < DEBOUNCE * 2;
        let wait = if quiet { DEBOUNCE } else { SETTLE };
        tokio::select! {
            () = sleep(wait) => {}
            () = stop.cancelled() => return,
        }
        // Whatever else changed meanwhile is in the next catalog.
        while let Some(Some(seen)) = changes.next().now_or_never() {
            changes.push(changed(seen));
        }
    }
}

fn has_settled(state: &State, deadline: Instant) -> bool {
    let all = state.fleet.upstreams.iter().all(|upstream| upstream.status().borrow().phase.settled());
    all || Instant::now() >= deadline
}

/// What of an upstream was last seen; a new catalog is due when it differs.
type Seen = (watch::Receiver<Status>, watch::Receiver<Option<Arc<Offer>>>);

/// Resolves when the upstream's state or offer changes.
async fn changed((mut status, mut offer): Seen) -> Seen {
    let gone = tokio::select! {
        changed = status.changed() => changed.is_err(),
        changed = offer.changed() => changed.is_err(),
    };
    if gone {
        std::future::pending::<()>().await;
    }
    // Both are read for the catalog that is made next.
    status.mark_unchanged();
    offer.mark_unchanged();
    (status, offer)
}
