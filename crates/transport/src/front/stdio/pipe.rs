//! What one client of a pipe says, and where it goes.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use trunkline_model::{Era, Fault, Kind, Note, Notes};
use trunkline_observe::metrics::Metrics;
use trunkline_protocol::{Message, ScanError, Scanned, Shape, method, scan};

use super::super::answer::{self, Answer};
use super::super::asking::{Asking, Voice};
use super::super::follow::{Follower, Reader, Word};
use super::super::host::{Host, ViewName};
use super::super::notes;
use super::super::running::Running;
use super::super::session::{Begun, Session};

/// One client.
pub(super) struct Pipe {
    pub(super) host: Arc<dyn Host>,
    pub(super) view: ViewName,
    pub(super) metrics: Arc<Metrics>,
    pub(super) outbox: mpsc::Sender<Message>,
    /// Room for calls; all of it is back when none runs.
    pub(super) calls: Arc<Semaphore>,
    /// Room for listen requests, which last and must not take that of calls.
    pub(super) listens: Arc<Semaphore>,
    /// The legacy session, once `initialize` was seen; then the pipe is legacy for its life.
    pub(super) session: Mutex<Option<Arc<Session>>>,
    /// Modern requests that run.
    pub(super) running: Arc<Running>,
    pub(super) over: CancellationToken,
}

/// A place, if there is one. The pipe is never kept waiting for it: then no cancellation could be read.
pub(super) fn room(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Fault> {
    let room = Arc::clone(places).try_acquire_owned();
    room.map_err(|_| Fault::overloaded("too many requests are running on this pipe; try again later"))
}

impl Pipe {
    pub(super) async fn say(&self, answer: Answer) {
        // A client that stopped reading has its own trouble; the pipe's end will show.
        let _ = self.outbox.send(answer.message).await;
    }

    /// Where the notes of a call go.
    pub(super) fn notes(&self) -> Arc<dyn Notes> {
        Arc::new(Outbox(self.outbox.clone()))
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes one message. What lasts runs in a task of its own: the next line may be its cancellation.
    pub(super) async fn take(self: Arc<Self>, line: Bytes) {
        // Lines share the block they were read into; a call may outlive many of them.
        let scanned = match scan(line.clone()) {
            Ok(scanned) => scanned,
            Err(error) => {
                let kind = if error.is_syntax() { Kind::Unparsable } else { Kind::InvalidRequest };
                let id = if let ScanError::Invalid { id, .. } = &error { id.clone() } else { None };
                let fault = Fault::client(kind, error.to_string());
                self.metrics.gateway().rejected(fault.kind.reason());
                return self
                    .say(answer::refusal(id.and_then(|span| line.get(span)), &fault, Era::Legacy))
                    .await;
            }
        };
        if scanned.shape != Shape::Request {
            return self.hear(&scanned);
        }
        let modern = scanned.params.meta.version.is_some() || &*scanned.method() == method::DISCOVER;
        match self.session() {
            Some(session) => self.legacy(&session, &scanned).await,
            None if modern => self.modern(&scanned).await,
            None if &*scanned.method() == method::INITIALIZE => self.initialize(&scanned).await,
            None => {
                let id = scanned.id_bytes();
                let fault = Fault::client(
                    Kind::InvalidRequest,
                    "start with initialize, or send per-request metadata (2026-07-28)",
                );
                self.say(answer::refusal(id.as_deref(), &fault, Era::Legacy)).await;
            }
        }
    }

    fn hear(&self, scanned: &Scanned) {
        match self.session() {
            Some(session) => session.hear(&*self.host, scanned),
            None => self.running.hear(scanned),
        }
    }

    async fn initialize(self: Arc<Self>, scanned: &Scanned) {
        let id = scanned.id_bytes().unwrap_or_default();
        let counted = self.metrics.gateway().sessions().hold();
        let session = match Session::open(self.view.clone(), scanned, counted) {
            Ok(session) => Arc::new(session),
            Err(fault) => return self.say(answer::refusal(Some(&id), &fault, Era::Legacy)).await,
        };
        let welcome = session.welcome(&self.host).await;
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
        self.say(answer::result(&id, &welcome)).await;
        if let Some(changes) = self.host.changes(&self.view) {
            let follower =
                Follower::new(Reader::Session(session), changes, [self.over.clone(), self.over.clone()]);
            tokio::spawn(pump(follower, self.outbox.clone(), None));
        }
    }

    async fn legacy(self: Arc<Self>, session: &Arc<Session>, scanned: &Scanned) {
        let notes = if session.can_be_asked() {
            Asking::through(Voice::Outbox(self.outbox.clone()), Arc::clone(session))
        } else {
            self.notes()
        };
        let calling = match session.request(&self.host, scanned, notes) {
            Begun::Answered(answer) => return self.say(answer).await,
            Begun::Call(calling) => calling,
        };
        let room = match room(&self.calls) {
            Ok(room) => room,
            Err(fault) => {
                return self.say(answer::refusal(scanned.id_bytes().as_deref(), &fault, Era::Legacy)).await;
            }
        };
        let over = self.over.clone();
        // A task per call: one reader serves many calls that end in any order.
        tokio::spawn(async move {
            let answered = tokio::select! {
                answered = calling => answered,
                () = over.cancelled() => None,
            };
            if let Some(answer) = answered {
                self.say(answer).await;
            }
            drop(room);
        });
    }
}

/// Tells a client what a follower hears, until either ends.
pub(super) async fn pump(mut follower: Follower, outbox: mpsc::Sender<Message>, last: Option<Message>) {
    loop {
        let message = match follower.next().await {
            Word::Say(message) => message,
            // A pipe needs no sign of life.
            Word::Alive => continue,
            Word::Over => break,
        };
        if outbox.send(message).await.is_err() {
            return;
        }
    }
    if let Some(last) = last {
        let _ = outbox.send(last).await;
    }
}

/// Notes straight into the outbox; a full one drops them rather than hold up the server they come from.
struct Outbox(mpsc::Sender<Message>);

impl Notes for Outbox {
    fn note(&self, note: Note) {
        let _ = self.0.try_send(notes::message(&note));
    }
}
