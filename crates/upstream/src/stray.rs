//! What a server says outside of an answer: changes, log messages, and requests of its own.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::{Notify, broadcast, watch};
use trunkline_model::{Change, Level, ListKind};
use trunkline_protocol::{Scanned, Shape, asks, bridge, compose, method};
use trunkline_transport::back::{Headers, Heard, Wire};

use crate::hearing::{Hearing, NOTE_BYTES_MAX};

/// Hears everything that belongs to no call, for as long as the upstream exists.
pub(crate) struct Stray {
    server: Arc<str>,
    changes: broadcast::Sender<Change>,
    stale: AtomicU8,
    /// Told when a list became stale.
    pub(crate) stirred: Notify,
    /// The newest listen request that the server acknowledged, by its number.
    acknowledged: watch::Sender<u64>,
    reply: Mutex<Option<(Weak<dyn Wire>, Headers)>>,
    running: Mutex<Vec<(u64, Weak<Hearing>)>>,
}

impl Stray {
    pub(crate) fn new(server: Arc<str>, changes: broadcast::Sender<Change>) -> Self {
        Self {
            server,
            changes,
            stale: AtomicU8::new(0),
            stirred: Notify::new(),
            acknowledged: watch::Sender::new(0),
            reply: Mutex::new(None),
            running: Mutex::new(Vec::new()),
        }
    }

    /// Answers to the server's own requests go this way from now on.
    pub(crate) fn reply_through(&self, wire: &Arc<dyn Wire>, headers: Headers) {
        *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = Some((Arc::downgrade(wire), headers));
    }

    /// Marks a list as changed.
    pub(crate) fn stir(&self, kind: ListKind) {
        self.stale.fetch_or(1 << kind as u8, Ordering::Relaxed);
        self.stirred.notify_one();
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

    /// A call began on a wire that does not say which call a log message belongs to.
    pub(crate) fn began(&self, id: u64, hearing: Option<&Arc<Hearing>>) {
        let weak = hearing.map_or_else(Weak::new, Arc::downgrade);
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push((id, weak));
    }

    /// That call ended.
    pub(crate) fn finished(&self, id: u64) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _)| *other != id);
    }

    /// Whose log message it is that names no call: the only running call's own, nobody's when no call runs, and with
    /// several it cannot be said.
    fn owner(&self) -> Owner {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.as_slice() {
            [] => Owner::Nobody,
            [(_, only)] => only.upgrade().map_or(Owner::Unknown, Owner::Call),
            _ => Owner::Unknown,
        }
    }

    fn log(&self, message: &Scanned) {
        match self.owner() {
            Owner::Call(call) => return call.log(message),
            // A message of one caller's call must not reach everybody, and a caller that wants none gets none.
            Owner::Unknown => return,
            Owner::Nobody => {}
        }
        if message.params.whole.as_ref().is_some_and(|span| span.len() > NOTE_BYTES_MAX) {
            return;
        }
        let level = message.params.level.as_ref().and_then(|l| Level::parse(&message.text(l)));
        let params = message.params.whole.as_ref().map(|span| message.share(span)).unwrap_or_default();
        let level = level.unwrap_or(Level::Info);
        let _ = self.changes.send(Change::Logged { server: Arc::clone(&self.server), level, params });
    }

    fn answer(&self, message: &Scanned) {
        let Some(id) = message.id_bytes() else { return };
        let method = message.method();
        // We declare no client capability to legacy servers, so they have no business asking.
        let question = asks::unanswered(&id, &method);
        if question.is_some() {
            tracing::info!(
                server = &*self.server,
                method = &*method,
                "the server asked for something no client was asked to provide"
            );
        }
        let answer = question.unwrap_or_else(|| {
            if *method == *method::PING {
                return compose::result(&id, &Bytes::from_static(b"{}"));
            }
            let object = compose::error_object(bridge::METHOD_NOT_FOUND, "method not found", None);
            compose::error(Some(&id), &object)
        });
        let reply = self.reply.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((wire, headers)) = reply
            && let Some(wire) = wire.upgrade()
        {
            wire.tell_soon(answer, headers);
        }
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
            }
            method::RESOURCE_UPDATED => {
                if let Some(uri) = &message.params.uri {
                    let uri = message.text(uri);
                    let _ =
                        self.changes.send(Change::ResourceUpdated { server: Arc::clone(&self.server), uri });
                }
            }
            method::LOG_MESSAGE => self.log(&message),
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
