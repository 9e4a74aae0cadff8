//! The task that turns changes of upstreams into new catalogs. Many changes at once become one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::gateway::{Gateway, State};

/// Changes within this time of the first become one catalog. A change must reach clients within a second.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// The same while the gateway starts, when somebody is waiting for the first catalog.
const DEBOUNCE_STARTING: Duration = Duration::from_millis(5);

/// Runs until `stop`, for one snapshot.
pub(crate) async fn run(gateway: Arc<Gateway>, state: Arc<State>, grace: Duration, stop: CancellationToken) {
    let deadline = Instant::now() + grace;
    let mut changes: FuturesUnordered<_> =
        (0..state.upstreams.len()).map(|n| changed(Arc::clone(&state), n, None)).collect();
    loop {
        // Looked at before the catalog is made: whoever waits for `settled` must find what settled in the catalog.
        let settled = *gateway.settled.borrow() || has_settled(&state, deadline);
        rebuild(&gateway, &state);
        if settled {
            gateway.settled.send_if_modified(|was| !std::mem::replace(was, true));
        }
        tokio::select! {
            Some((number, seen)) = changes.next(), if !changes.is_empty() => {
                changes.push(changed(Arc::clone(&state), number, Some(seen)));
                sleep(if settled { DEBOUNCE } else { DEBOUNCE_STARTING }).await;
            }
            () = sleep_until(deadline), if !settled => {}
            () = stop.cancelled() => return,
        }
        // Whatever else changed meanwhile is in the next catalog anyway; its futures fire once more for nothing.
    }
}

fn rebuild(gateway: &Gateway, state: &State) {
    let sources = state.sources();
    for (view, plan) in state.views() {
        view.rebuild(plan, &sources, &state.options.naming, &gateway.tools.metrics);
    }
}

fn has_settled(state: &State, deadline: Instant) -> bool {
    state.upstreams.iter().all(|upstream| upstream.status().borrow().phase.settled())
        || Instant::now() >= deadline
}

/// What of an upstream was last seen; a new catalog is due when it differs.
type Seen = (
    tokio::sync::watch::Receiver<trunkline_upstream::Status>,
    tokio::sync::watch::Receiver<Option<Arc<trunkline_upstream::Offer>>>,
);

/// Resolves when the upstream's state or offer changes.
async fn changed(state: Arc<State>, number: usize, seen: Option<Seen>) -> (usize, Seen) {
    let upstream = &state.upstreams[number];
    let (mut status, mut offer) = seen.unwrap_or_else(|| (upstream.status(), upstream.offer()));
    let gone = tokio::select! {
        changed = status.changed() => changed.is_err(),
        changed = offer.changed() => changed.is_err(),
    };
    if gone {
        std::future::pending::<()>().await;
    }
    // Both are read for the catalog that is made now.
    status.mark_unchanged();
    offer.mark_unchanged();
    (number, (status, offer))
}
