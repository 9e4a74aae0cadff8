//! What a server says outside of an answer: changes, log messages, and requests of its own.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;
use trunkline_model::{Change, Era, Level, ListKind, Offers, Stay, Text};
use trunkline_protocol::{Scanned, Shape, asks, method, tasks};
use trunkline_transport::back::{Headers, Heard, Wire};

use crate::asking::{Asking, Origin, Way, plain_answer, question};
use crate::deadlines::Signs;
use crate::early::{Early, Question};
use crate::hearing::{Hearing, NOTE_BYTES_MAX};

/// Longest word about a task that is passed on, in bytes: it may hold the task's result. Readers who did not hear it ask.
const TASK_BYTES_MAX: usize = 256 * 1024;

/// How long a server may speak of a call that was given up: until it has heard so, and for as long as it takes it to end.
/// Whoever does not end its calls at all by then is not to silence everything else for ever.
const LATE_WORDS: Duration = Duration::from_secs(10);

/// Whom the server of a conversation can ask.
#[derive(Clone, Debug)]
pub(crate) enum Relay {
    /// Nobody: no client capability was declared on it.
    Nobody,
    /// The one client on whose behalf it is held.
    Stay(Weak<Stay>, Offers),
    /// The callers of the calls that run on it; all of them offer the same.
    Calls,
}

/// Hears everything that belongs to no call, for as long as the upstream exists.
pub(crate) struct Stray {
    server: Arc<str>,
    changes: broadcast::Sender<Change>,
    stale: AtomicU8,
    /// Told when a list became stale.
    pub(crate) stirred: Notify,
    /// The newest listen request that the server acknowledged, by its number.
    acknowledged: watch::Sender<u64>,
    way: Mutex<Option<Way>>,
    running: Mutex<Vec<(u64, Weak<Hearing>)>>,
    /// When a call was last given up.
    given_up: Mutex<Option<Instant>>,
    relay: Relay,
    /// What the client was asked outside of any call.
    aside: Mutex<Option<Arc<Asking>>>,
    /// When each list was last marked.
    told: Mutex<[Option<Instant>; ListKind::COUNT]>,
    /// Questions for roots that came before any call.
    early: Arc<Early>,
}

impl Stray {
    /// For the shared conversation.
    pub(crate) fn new(server: Arc<str>, changes: broadcast::Sender<Change>) -> Self {
        Self::relaying(server, changes, Relay::Nobody)
    }

    /// For a conversation on which the server can ask.
    pub(crate) fn relaying(server: Arc<str>, changes: broadcast::Sender<Change>, relay: Relay) -> Self {
        Self {
            server,
            changes,
            stale: AtomicU8::new(0),
            stirred: Notify::new(),
            acknowledged: watch::Sender::new(0),
            way: Mutex::new(None),
            running: Mutex::new(Vec::new()),
            given_up: Mutex::default(),
            relay,
            aside: Mutex::new(None),
            told: Mutex::default(),
            early: Arc::default(),
        }
    }

    /// Answers to the server's own requests go this way from now on; a question may be open for `patience`.
    pub(crate) fn reply_through(&self, wire: &Arc<dyn Wire>, headers: Headers, patience: Duration) {
        let way = Way { server: Arc::clone(&self.server), wire: Arc::downgrade(wire), headers, patience };
        *self.way.lock().unwrap_or_else(PoisonError::into_inner) = Some(way);
    }

    /// Marks a list as changed.
    pub(crate) fn stir(&self, kind: ListKind) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)[kind as usize] = Some(Instant::now());
        self.stale.fetch_or(1 << kind as u8, Ordering::Relaxed);
        self.stirred.notify_one();
    }

    /// Whether a list was marked as changed this short a time ago.
    pub(crate) fn stirred_within(&self, kind: ListKind, time: Duration) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner)[kind as usize];
        told.is_some_and(|at| at.elapsed() <= time)
    }

    /// Marks everything as changed, after a gap in what we heard.
    pub(crate) fn stir_all(&self) {
        for kind in ListKind::ALL {
            self.stir(kind);
        }
        self.unsure();
    }

    /// Updates of resources may have been missed.
    pub(crate) fn unsure(&self) {
        let _ = self.changes.send(Change::ResourcesUnsure { server: Arc::clone(&self.server) });
    }

    /// Resolves when the server has acknowledged the listen request with this number. Numbers only grow, and only the
    /// newest request is waited for: a late word about an older one changes nothing.
    pub(crate) async fn acknowledged(&self, id: u64) {
        let mut newest = self.acknowledged.subscribe();
        // `self` holds the sender, so this cannot fail.
        let _ = newest.wait_for(|acknowledged| *acknowledged >= id).await;
    }

    /// The lists that changed since the last time this was asked.
    pub(crate) fn take_stale(&self) -> Vec<ListKind> {
        let bits = self.stale.swap(0, Ordering::Relaxed);
        ListKind::ALL.into_iter().filter(|kind| bits & (1 << *kind as u8) != 0).collect()
    }

    /// Whom the server can ask.
    pub(crate) fn relay(&self) -> &Relay {
        &self.relay
    }

    /// Whether the server can ask anybody.
    pub(crate) fn relays(&self) -> bool {
        !matches!(self.relay, Relay::Nobody)
    }

    /// The way to the server, once there is one.
    pub(crate) fn way(&self) -> Option<Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The stay that alone hears what is said here.
    fn to(&self) -> Option<u64> {
        match &self.relay {
            Relay::Stay(stay, _) => stay.upgrade().map(|stay| stay.number()),
            _ => None,
        }
    }

    /// A call began on a wire that does not say which call a message belongs to.
    pub(crate) fn began(&self, id: u64, hearing: Option<&Arc<Hearing>>) {
        let weak = hearing.map_or_else(Weak::new, Arc::downgrade);
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push((id, weak));
        let Some(asking) = hearing.and_then(|hearing| hearing.asking.as_ref()) else { return };
        for Question { id, params } in self.early.take() {
            asking.put_for(id, asks::ROOTS, params, self.unsure_of(asking.clock().into_iter().collect()));
        }
    }

    /// That call was given up; its server may speak of it for a while.
    pub(crate) fn gave_up(&self, id: u64) {
        *self.given_up.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.finished(id);
    }

    fn speaks_of_the_past(&self) -> bool {
        let given_up = *self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        given_up.is_some_and(|at| at.elapsed() < LATE_WORDS)
    }

    /// That call ended.
    pub(crate) fn finished(&self, id: u64) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _)| *other != id);
    }

    /// Whose log message it is that names no call: the only running call's own, nobody's when no call runs. With several it
    /// cannot be said, nor when one was given up a moment ago.
    fn owner(&self) -> Owner {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.as_slice() {
            _ if !matches!(self.relay, Relay::Stay(..)) && self.speaks_of_the_past() => Owner::Unknown,
            [] => Owner::Nobody,
            // All of them are calls of the same client.
            [.., (_, last)] if matches!(self.relay, Relay::Stay(..)) => {
                last.upgrade().map_or(Owner::Unknown, Owner::Call)
            }
            [(_, only)] => only.upgrade().map_or(Owner::Unknown, Owner::Call),
            _ => Owner::Unknown,
        }
    }

    fn log(&self, message: &Scanned) {
        match self.owner() {
            Owner::Call(call) => return call.log(message),
            // A message of one caller's call must not reach everybody, and a caller that wants none gets none.
            Owner::Unknown => return,
            Owner::Nobody if matches!(self.relay, Relay::Calls) => return,
            Owner::Nobody => {}
        }
        if message.params.whole.as_ref().is_some_and(|span| span.len() > NOTE_BYTES_MAX) {
            return;
        }
        let level = message.params.level.as_ref().and_then(|l| Level::parse(&message.text(l)));
        let params = message.params.whole.as_ref().map(|span| message.share(span)).unwrap_or_default();
        let level = level.unwrap_or(Level::Info);
        let _ = self.changes.send(Change::Logged {
            server: Arc::clone(&self.server),
            level,
            params,
            to: self.to(),
        });
    }

    /// How a task stands. Who may hear of it is known to those who know its id.
    fn task(&self, message: &Scanned) {
        let (Some(id), Some(span)) = (&message.params.task_id, &message.params.whole) else { return };
        if span.len() > TASK_BYTES_MAX {
            return;
        }
        let era = if &*message.method() == method::TASK_STATUS { Era::Legacy } else { Era::Modern };
        let _ = self.changes.send(Change::TaskChanged {
            server: Arc::clone(&self.server),
            task: Text::from(&*message.text(id)),
            params: Bytes::copy_from_slice(message.at(span)),
            era,
        });
    }

    fn answer(&self, message: &Scanned) {
        if let Some((id, method, params)) = question(message) {
            return match self.addressee(tasks::related(&params).as_deref()) {
                Some((asking, clocks)) => asking.put_for(id, method, params, self.unsure_of(clocks)),
                None if method == asks::ROOTS && self.waits_for_calls() => {
                    if let Some(way) = self.way() {
                        self.early.keep(Question { id, params }, way);
                    }
                }
                None => self.unanswered(&id, method),
            };
        }
        if let (Some(id), Some(way)) = (message.id_bytes(), self.way()) {
            way.tell_soon(plain_answer(&id, &message.method()));
        }
    }

    /// Whom a question goes to that came on no call's own stream (`bridging.md` 4.2), and the clocks of the calls that
    /// may have asked it. `task` is the task that the question names.
    fn addressee(&self, task: Option<&str>) -> Option<(Arc<Asking>, Vec<Arc<Signs>>)> {
        let askings = self.askings();
        let clocks = |askings: &[Arc<Asking>]| askings.iter().filter_map(|asking| asking.clock()).collect();
        if let Some(asking) = askings.iter().find(|asking| task.is_some() && asking.task() == task) {
            return Some((Arc::clone(asking), clocks(std::slice::from_ref(asking))));
        }
        match (&self.relay, askings.as_slice()) {
            (Relay::Nobody, _) => None,
            (Relay::Stay(..), [only]) => Some((Arc::clone(only), clocks(&askings))),
            // Whichever call of the client's it is, the client is the same. It must not end with the wrong call.
            (Relay::Stay(stay, offers), _) => Some((self.aside(stay, *offers)?, clocks(&askings))),
            // Nobody waits for that task now.
            (Relay::Calls, _) if task.is_some() => None,
            (Relay::Calls, _) => {
                // Those that wait for a task are asked by its name.
                let askings: Vec<_> = askings.into_iter().filter(|asking| asking.task().is_none()).collect();
                let running: Vec<_> = askings.iter().filter(|asking| asking.runs()).cloned().collect();
                // With none that runs, it must be one that has asked before.
                let candidates = if running.is_empty() { askings } else { running };
                let [only] = candidates.as_slice() else {
                    return None;
                };
                Some((Arc::clone(only), clocks(&candidates)))
            }
        }
    }

    /// A question that may be that of the calls with these clocks.
    fn unsure_of(&self, clocks: Vec<Arc<Signs>>) -> Origin {
        let next = matches!(self.relay, Relay::Calls).then(|| Arc::clone(&self.early));
        Origin { clocks, next }
    }

    /// Whether calls come whose caller can be asked, and none is there.
    fn waits_for_calls(&self) -> bool {
        matches!(self.relay, Relay::Calls) && self.askings().is_empty()
    }

    fn aside(&self, stay: &Weak<Stay>, offers: Offers) -> Option<Arc<Asking>> {
        let (stay, way) = (stay.upgrade()?, self.way()?);
        let mut aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        let asking =
            aside.get_or_insert_with(|| Asking::new(way, Arc::clone(stay.aside()), offers, None, None, None));
        Some(Arc::clone(asking))
    }

    fn askings(&self) -> Vec<Arc<Asking>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().filter_map(|(_, hearing)| hearing.upgrade()?.asking.clone()).collect()
    }

    /// What an absent user would say, so that the server's call can come to an end.
    fn unanswered(&self, id: &[u8], method: &str) {
        tracing::info!(
            server = &*self.server,
            method,
            "the server asked, and there is nobody who could answer"
        );
        if let (Some(answer), Some(way)) = (asks::unanswered(id, method), self.way()) {
            way.tell_soon(answer);
        }
    }

    /// The server takes a question back.
    fn withdrawn(&self, message: &Scanned) {
        let Some(id) = message.params.request_id.as_ref().map(|span| message.at(span)) else { return };
        self.early.forget(id);
        let aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut askings = self.askings().into_iter().chain(aside);
        let _ = askings.any(|asking| asking.withdrawn(id));
    }
}

/// See [`Stray::owner`].
enum Owner {
    Call(Arc<Hearing>),
    Nobody,
    Unknown,
}

/// The number of the listen request that a message belongs to; some servers spell it as a string.
fn subscription(message: &Scanned) -> Option<u64> {
    let raw = std::str::from_utf8(message.at(message.params.meta.subscription.as_ref()?)).ok()?;
    raw.trim_matches('"').parse().ok()
}

impl Heard for Stray {
    fn hear(&self, message: Scanned) {
        match message.shape {
            Shape::Request => return self.answer(&message),
            Shape::Answer => return,
            Shape::Notification => {}
        }
        match &*message.method() {
            method::TOOLS_CHANGED => self.stir(ListKind::Tools),
            method::PROMPTS_CHANGED => self.stir(ListKind::Prompts),
            method::RESOURCES_CHANGED => {
                self.stir(ListKind::Resources);
                self.stir(ListKind::Templates);
                // Skills are made of resources, and have no notification of their own.
                self.stir(ListKind::Skills);
            }
            method::RESOURCE_UPDATED => {
                if let Some(uri) = &message.params.uri {
                    let uri = message.text(uri);
                    let (server, to) = (Arc::clone(&self.server), self.to());
                    let _ = self.changes.send(Change::ResourceUpdated { server, uri, to });
                }
            }
            method::LOG_MESSAGE => self.log(&message),
            method::TASK_STATUS | method::TASK_CHANGED => self.task(&message),
            method::CANCELLED => self.withdrawn(&message),
            method::ACKNOWLEDGED => {
                if let Some(id) = subscription(&message) {
                    self.acknowledged.send_if_modified(|newest| {
                        let newer = id > *newest;
                        *newest = id.max(*newest);
                        newer
                    });
                }
            }
            _ => {}
        }
    }
}
