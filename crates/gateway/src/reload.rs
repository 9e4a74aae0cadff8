//! Taking new options while calls run: what is the same keeps running, what goes ends its calls first, and of what
//! changed the new one takes over from the old one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trunkline_upstream::{Before, Options as Wanted, Reach, Upstream};

use crate::gateway::{Gateway, State, assemble};
use crate::options::Options;

/// How long a changed server may take to come up before calls are sent to it all the same.
const COMING: Duration = Duration::from_secs(5);
/// How long calls that run may keep a server that is out of service.
const CALLS: Duration = Duration::from_secs(30);
/// The same where another process waits for the place: its calls wait too.
const CALLS_BEFORE_SUCCESSOR: Duration = Duration::from_secs(10);
/// A call that has looked up its server in the snapshot before has reached it by then.
const REACHED: Duration = Duration::from_millis(100);

impl Gateway {
    /// Takes new options; returns when they are in force. Upstreams whose options are the same keep running. What is
    /// out of service then ends its calls, 30 s at most, and stops.
    ///
    /// Of a changed server that we run ourselves never two processes are there at a time: some hold locks. Its calls
    /// wait for the new one. One that is reached over the network is up before calls are sent to it.
    pub async fn reload(self: &Arc<Self>, options: Options, upstreams: Vec<Wanted>) {
        let _one_at_a_time = self.reloading.lock().await;
        let old = self.state.load_full();
        let running: Vec<Arc<Upstream>> =
            upstreams.into_iter().map(|wanted| self.keep_or_start(&old, wanted)).collect();
        let is_new = |one: &&Arc<Upstream>| !old.fleet.upstreams.iter().any(|was| Arc::ptr_eq(was, one));
        let coming = running.iter().filter(is_new).filter(|one| named(&old, one.name()).is_some());
        let coming = coming.filter(|one| !is_process(one.options())).map(|one| async {
            // The sender lives in the upstream.
            let _ = one.status().wait_for(|status| status.phase.settled()).await;
        });
        let _ = timeout(COMING, join_all(coming)).await;
        self.subscriptions.adopt(&running);
        self.results.set(options.results);
        let state = assemble(options, running, Some(&old), self.key, &self.tools);
        // The catalogs first: a call must never find new numbers in an old catalog, nor the reverse.
        state.rebuild(&self.tools.metrics);
        let state = Arc::new(state);
        self.state.store(Arc::clone(&state));
        self.keep();
        for was in &old.fleet.upstreams {
            if !state.fleet.upstreams.iter().any(|is| Arc::ptr_eq(is, was)) {
                self.retire(was, named(&state, was.name()));
            }
        }
    }

    fn keep_or_start(&self, old: &State, wanted: Wanted) -> Arc<Upstream> {
        let was = named(old, &wanted.name);
        if let Some(was) = was.filter(|was| was.options().runs_as(&wanted)) {
            was.adopt(&wanted.live);
            return Arc::clone(was);
        }
        let offer = was.and_then(|was| was.offer().borrow().clone());
        // Also one that an earlier reload has taken out of service.
        let gone = is_process(&wanted).then(|| self.leaving.gone(&wanted.name, was.is_some())).flatten();
        Arc::new(Upstream::succeed(wanted, self.tools.clone(), Before { offer, gone }))
    }

    /// Ends an upstream in the background, once its calls have ended.
    fn retire(&self, upstream: &Arc<Upstream>, successor: Option<&Arc<Upstream>>) {
        let patience = match successor {
            Some(successor) if is_process(successor.options()) => CALLS_BEFORE_SUCCESSOR,
            _ => CALLS,
        };
        if successor.is_some() {
            upstream.is_succeeded();
        }
        let (upstream, stop, leaving) = (Arc::clone(upstream), self.stop.clone(), Arc::clone(&self.leaving));
        leaving.enter(upstream.name());
        leaving.tasks.clone().spawn(async move {
            let resting = async {
                sleep(REACHED).await;
                upstream.rest(patience).await
            };
            let rested = tokio::select! {
                rested = resting => rested,
                () = stop.cancelled() => true,
            };
            if !rested {
                let (server, calls) = (&**upstream.name(), upstream.running());
                tracing::warn!(
                    server,
                    calls,
                    "the calls of a server that is out of service did not end in time"
                );
            }
            upstream.stop().await;
            leaving.leave(upstream.name());
        });
    }
}

fn named<'s>(state: &'s State, name: &str) -> Option<&'s Arc<Upstream>> {
    state.fleet.upstreams.iter().find(|upstream| **upstream.name() == *name)
}

fn is_process(options: &Wanted) -> bool {
    matches!(options.reach, Reach::Stdio(_))
}

/// The upstreams that are out of service and have not ended yet, by name.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    names: Mutex<HashMap<Arc<str>, Place>>,
    tasks: TaskTracker,
}

/// What waits for a place until nobody has it any more.
#[derive(Debug, Default)]
struct Place {
    holders: usize,
    free: CancellationToken,
}

impl Leaving {
    fn names(&self) -> MutexGuard<'_, HashMap<Arc<str>, Place>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cancelled when every upstream of that name which leaves now, or is about to, has ended.
    fn gone(&self, name: &Arc<str>, about_to: bool) -> Option<CancellationToken> {
        let mut names = self.names();
        match names.get(name) {
            Some(place) => Some(place.free.clone()),
            None if about_to => Some(names.entry(Arc::clone(name)).or_default().free.clone()),
            None => None,
        }
    }

    fn enter(&self, name: &Arc<str>) {
        self.names().entry(Arc::clone(name)).or_default().holders += 1;
    }

    fn leave(&self, name: &Arc<str>) {
        let mut names = self.names();
        let Some(place) = names.get_mut(name) else { return };
        place.holders -= 1;
        if place.holders == 0 {
            place.free.cancel();
            names.remove(name);
        }
    }

    /// Waits until all of them have ended.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_when_the_last_of_its_name_has_left_it() {
        let (leaving, name) = (Leaving::default(), Arc::<str>::from("one"));
        assert!(leaving.gone(&name, false).is_none(), "nobody was there");
        let gone = leaving.gone(&name, true).unwrap();
        leaving.enter(&name);
        // The one that waited for it is replaced in its turn.
        let next = leaving.gone(&name, true).unwrap();
        leaving.enter(&name);
        leaving.leave(&name);
        assert!(!gone.is_cancelled() && !next.is_cancelled());
        leaving.leave(&name);
        assert!(gone.is_cancelled() && next.is_cancelled());
        assert!(leaving.gone(&name, false).is_none());
    }
}
