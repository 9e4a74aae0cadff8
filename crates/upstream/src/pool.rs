//! The conversations with a legacy server besides the shared one: those on which it may ask (`bridging.md` 4.1).
//!
//! What a client can be asked is fixed when a conversation opens, and must be no more than the client declared. So the
//! shared conversation declares nothing, a legacy client that can be asked has one of its own for as long as it stays,
//! and modern clients that offer the same share a few.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use trunkline_model::{Call, Caller, Fault, Offers, Text};

use crate::member::{Shared, Wanted};
use crate::options::{Reach, SessionScope};
use crate::pooled;
use crate::session::{Session, asks_during};

/// Most conversations for modern callers that offer the same.
const ALIKE_MAX: usize = 32;
/// The same over stdio, where each is a process.
const ALIKE_PROCESSES_MAX: usize = 4;
/// After a conversation could not be opened, the next attempt is made this much later; until then the shared one serves.
const PAUSE: Duration = Duration::from_secs(30);

/// Whose conversation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// One client's.
    Stay(u64),
    /// That of all modern callers with the same offers.
    Alike(Offers),
}

/// The conversations of one upstream.
#[derive(Default)]
pub(crate) struct Pool {
    slots: Mutex<HashMap<Key, Vec<Arc<Slot>>>>,
    /// What each stay wants to hear of; it outlives a conversation that broke.
    wishes: Mutex<HashMap<u64, watch::Sender<Wanted>>>,
    refused: Mutex<Option<Instant>>,
    /// The tasks of the conversations.
    pub(crate) tasks: TaskTracker,
}

/// One conversation, opening, open or over.
pub(crate) struct Slot {
    pub(crate) key: Key,
    pub(crate) state: watch::Sender<State>,
    /// Calls that use it.
    uses: AtomicUsize,
    /// Told when a use ends.
    pub(crate) freed: Notify,
    pub(crate) wanted: watch::Receiver<Wanted>,
}

/// What has become of a conversation.
#[derive(Clone)]
pub(crate) enum State {
    Opening,
    Open(Arc<Session>),
    Over(Arc<str>),
}

impl Slot {
    pub(crate) fn in_use(&self) -> bool {
        self.uses.load(Ordering::SeqCst) > 0
    }

    fn session(&self) -> Option<Arc<Session>> {
        match &*self.state.borrow() {
            State::Open(session) => Some(Arc::clone(session)),
            _ => None,
        }
    }

    /// Whether a call could begin on it at once.
    fn is_free(&self) -> bool {
        match &*self.state.borrow() {
            State::Open(session) => !session.takes_turns() || session.turns.is_free(),
            State::Opening => !self.in_use(),
            State::Over(_) => false,
        }
    }
}

/// The use of a conversation by one call.
pub(crate) struct Lease {
    slot: Arc<Slot>,
    pub(crate) session: Arc<Session>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.slot.release();
    }
}

impl Slot {
    fn release(&self) {
        self.uses.fetch_sub(1, Ordering::SeqCst);
        self.freed.notify_one();
    }
}

/// Why no conversation of its own serves a call.
pub(crate) enum Refused {
    /// There is none, and the shared one will do: this is why.
    Unopened(Arc<str>),
    /// There is no room.
    Full(Fault),
}

impl Pool {
    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Vec<Arc<Slot>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wishes(&self) -> MutexGuard<'_, HashMap<u64, watch::Sender<Wanted>>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of the conversation that a call needs; `None` for the shared one.
    pub(crate) fn key(scope: SessionScope, call: &Call) -> Option<Key> {
        let caller = &call.caller;
        match (&caller.stay, scope) {
            (_, SessionScope::Shared) => None,
            (Some(_), _) => Self::own(scope, caller),
            (None, _) if caller.offers.is_none() || !asks_during(&call.operation) => None,
            (None, _) => Some(Key::Alike(caller.offers)),
        }
    }

    /// The key of a client's own conversation, if it has one.
    pub(crate) fn own(scope: SessionScope, caller: &Caller) -> Option<Key> {
        let own = match scope {
            SessionScope::Auto => !caller.offers.is_none(),
            SessionScope::PerClient => true,
            SessionScope::Shared => false,
        };
        caller.stay.as_ref().filter(|_| own).map(|stay| Key::Stay(stay.number()))
    }

    /// A conversation for a call, opened when there is none.
    pub(crate) async fn lease(
        shared: &Arc<Shared>,
        key: Key,
        caller: &Arc<Caller>,
    ) -> Result<Lease, Refused> {
        let slot = shared.pool.slot(shared, key, Some(caller))?;
        // From here on the use is given back whatever happens.
        let held = Held(Some(slot));
        let Some(slot) = &held.0 else { return Err(Refused::Unopened("it was given up".into())) };
        let patience = shared.options.timeouts.connect + shared.options.timeouts.probe;
        let mut state = slot.state.subscribe();
        let settled = timeout(patience, state.wait_for(|state| !matches!(state, State::Opening))).await;
        let settled = match settled {
            Ok(Ok(settled)) => settled.clone(),
            _ => State::Over("it took too long to open".into()),
        };
        match settled {
            State::Open(session) => held.keep(session),
            State::Over(why) => Err(Refused::Unopened(why)),
            State::Opening => Err(Refused::Unopened("it took too long to open".into())),
        }
    }

    /// A slot for one more use, already counted. `caller` is needed for a stay's own.
    fn slot(
        &self,
        shared: &Arc<Shared>,
        key: Key,
        caller: Option<&Arc<Caller>>,
    ) -> Result<Arc<Slot>, Refused> {
        let mut slots = self.slots();
        let most = match (key, &shared.options.reach) {
            (Key::Stay(_), _) => 1,
            (Key::Alike(_), Reach::Stdio(_)) => ALIKE_PROCESSES_MAX,
            (Key::Alike(_), _) => ALIKE_MAX,
        };
        let of_key = slots.get(&key).map(Vec::as_slice).unwrap_or_default();
        let free = of_key.iter().find(|slot| slot.is_free());
        let all: usize = slots.values().map(Vec::len).sum();
        let (paused, full) = (self.paused(), all >= shared.options.sessions_max);
        // With all of them busy another is opened, and when there can be no more the least used one is waited for.
        let found = free.or_else(|| {
            let least = of_key.iter().min_by_key(|slot| slot.uses.load(Ordering::SeqCst));
            least.filter(|_| of_key.len() >= most || paused || full)
        });
        if let Some(slot) = found {
            slot.uses.fetch_add(1, Ordering::SeqCst);
            return Ok(Arc::clone(slot));
        }
        if paused {
            return Err(Refused::Unopened("it could not be opened a moment ago".into()));
        }
        if full {
            let text = "too many sessions are open with this server; try again later";
            return Err(Refused::Full(Fault::overloaded(text)));
        }
        let slot = Arc::new(Slot {
            key,
            state: watch::Sender::new(State::Opening),
            uses: AtomicUsize::new(1),
            freed: Notify::new(),
            wanted: self.wanted(key),
        });
        slots.entry(key).or_default().push(Arc::clone(&slot));
        pooled::start(shared, Arc::clone(&slot), caller);
        Ok(slot)
    }

    /// Opens a conversation with these offers, if there is none, and waits until the lists have been read on it.
    pub(crate) async fn look(shared: &Arc<Shared>, offers: Offers) {
        let Ok(slot) = shared.pool.slot(shared, Key::Alike(offers), None) else { return };
        let held = Held(Some(Arc::clone(&slot)));
        let (mut looked, mut state) = (shared.extras.looked.subscribe(), slot.state.subscribe());
        tokio::select! {
            _ = looked.wait_for(|looked| looked.contains(&offers)) => {}
            _ = state.wait_for(|state| matches!(state, State::Over(_))) => {}
        }
        drop(held);
    }

    fn paused(&self) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.is_some_and(|at| at.elapsed() < PAUSE)
    }

    /// A conversation could not be opened, or could again.
    pub(crate) fn opened(&self, well: bool) {
        let at = (!well).then(Instant::now);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Takes a conversation out of use: the next call opens another.
    pub(crate) fn remove(&self, gone: &Arc<Slot>) {
        let mut slots = self.slots();
        if let Some(of_key) = slots.get_mut(&gone.key) {
            of_key.retain(|slot| !Arc::ptr_eq(slot, gone));
            if of_key.is_empty() {
                slots.remove(&gone.key);
            }
        }
    }

    /// Takes it out if nobody uses it.
    pub(crate) fn remove_unused(&self, idle: &Arc<Slot>) -> bool {
        let mut slots = self.slots();
        // A use is counted under this lock.
        if idle.in_use() {
            return false;
        }
        if let Some(of_key) = slots.get_mut(&idle.key) {
            of_key.retain(|slot| !Arc::ptr_eq(slot, idle));
        }
        true
    }

    /// A call found a conversation broken.
    pub(crate) fn lost(&self, lease: &Lease, why: &str) {
        self.remove(&lease.slot);
        lease.session.lost.tell(why);
    }

    fn wanted(&self, key: Key) -> watch::Receiver<Wanted> {
        match key {
            Key::Stay(number) => self.wishes().entry(number).or_default().subscribe(),
            Key::Alike(_) => watch::Sender::new(Wanted::new()).subscribe(),
        }
    }

    /// Edits what a stay wants to hear of.
    pub(crate) fn want(&self, stay: u64, uri: &Text, wanted: bool) {
        let mut wishes = self.wishes();
        let wish = wishes.entry(stay).or_default();
        wish.send_if_modified(|set| if wanted { set.insert(uri.clone()) } else { set.remove(uri) });
    }

    /// Takes what a stay wants to hear of, for another member to know.
    pub(crate) fn take_wishes(&self, stay: u64) -> Wanted {
        let mut wishes = self.wishes();
        wishes.get_mut(&stay).map(|wish| wish.send_replace(Wanted::new())).unwrap_or_default()
    }

    /// The stay is over.
    pub(crate) fn forget(&self, stay: u64) {
        self.wishes().remove(&stay);
    }

    /// The open conversation of a stay.
    pub(crate) fn of_stay(&self, stay: u64) -> Option<Arc<Session>> {
        self.slots().get(&Key::Stay(stay))?.first()?.session()
    }

    /// Opens the conversation of a stay without a call.
    pub(crate) fn open(&self, shared: &Arc<Shared>, key: Key, caller: &Arc<Caller>) {
        if let Ok(slot) = self.slot(shared, key, Some(caller)) {
            slot.release();
        }
    }
}

/// A counted use that has no conversation yet.
struct Held(Option<Arc<Slot>>);

impl Held {
    fn keep(mut self, session: Arc<Session>) -> Result<Lease, Refused> {
        match self.0.take() {
            Some(slot) => Ok(Lease { slot, session }),
            None => Err(Refused::Unopened("it was given up".into())),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.release();
        }
    }
}
