//! One client at the other end of a pipe of messages, whatever carries them: standard input and output, a WebSocket, or
//! an event stream and the POSTs that belong to it.
//!
//! The wire reads what the client says, one message after the other, and gives it to `Pipe::take`; it carries what
//! comes out of `Outgoing`. `legacy.rs` has the session that begins with `initialize`, `modern.rs` the requests that
//! bring their own metadata, `outbox.rs` what waits to be read.

mod legacy;
mod modern;
mod outbox;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use trunkline_model::{Era, Fault, Kind, Note, Notes};
use trunkline_observe::metrics::Metrics;
use trunkline_protocol::{Message, Scanned, Shape, method};

use super::answer::{self, Answer};
use super::follow::{Follower, Word};
use super::host::{Host, ViewName};
use super::notes;
use super::running::{RUNNING_MAX, Running};
use super::said::{Said, Unreadable};
use super::session::Session;
pub(crate) use outbox::{Outbox, Outgoing};

/// Listen requests at a time. A client needs one; each of them follows every change.
pub(crate) const LISTENS_MAX: usize = 64;

/// What a wire knows of its client.
pub(crate) struct Opening {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) view: ViewName,
    pub(crate) metrics: Arc<Metrics>,
    /// Whether requests of the modern era are served too.
    pub(crate) modern: bool,
    /// Where its connection comes from; `None` on standard input and output.
    pub(crate) peer: Option<IpAddr>,
    /// Ends whatever runs for the client.
    pub(crate) over: CancellationToken,
}

/// One client.
pub(crate) struct Pipe {
    host: Arc<dyn Host>,
    view: ViewName,
    metrics: Arc<Metrics>,
    outbox: Outbox,
    modern: bool,
    peer: Option<IpAddr>,
    /// Room for calls; all of it is back when none runs.
    calls: Arc<Semaphore>,
    /// Room for listen requests, which last and must not take that of calls.
    listens: Arc<Semaphore>,
    /// The legacy session, once `initialize` was seen; then the pipe is legacy for its life.
    session: Mutex<Option<Arc<Session>>>,
    /// Modern requests that run.
    running: Arc<Running>,
    over: CancellationToken,
}

/// Some places, if there are that many. The pipe is never kept waiting for them: then no cancellation could be read.
fn room(places: &Arc<Semaphore>, number: usize) -> Result<OwnedSemaphorePermit, Fault> {
    let room = Arc::clone(places).try_acquire_many_owned(number as u32);
    room.map_err(|_| Fault::overloaded("too many requests are running on this pipe; try again later"))
}

impl Pipe {
    /// A pipe on which nothing was said yet, and what goes out of it. That ends when the pipe is dropped and nothing
    /// runs any more.
    pub(crate) fn open(opening: Opening) -> (Arc<Self>, Outgoing) {
        let Opening { host, view, metrics, modern, peer, over } = opening;
        let (outbox, outgoing) = outbox::outbox();
        let pipe = Self {
            host,
            view,
            metrics,
            outbox,
            modern,
            peer,
            calls: Arc::new(Semaphore::new(RUNNING_MAX)),
            listens: Arc::new(Semaphore::new(LISTENS_MAX)),
            session: Mutex::new(None),
            running: Arc::default(),
            over,
        };
        (Arc::new(pipe), outgoing)
    }

    /// Takes what the client said. What lasts runs in a task of its own: what is said next may be its cancellation.
    pub(crate) async fn take(self: &Arc<Self>, said: Result<Said, Box<Unreadable>>) {
        match said {
            Ok(Said::One(message)) => self.one(*message).await,
            Ok(Said::Batch(messages)) => self.batch(messages).await,
            Err(what) => self.refuse(what.id.as_deref(), &what.fault).await,
        }
    }

    /// Lets the calls that run end, for so long; then ends whatever is left.
    pub(crate) async fn finish(&self, patience: Duration) {
        let _ = tokio::time::timeout(patience, self.calls.acquire_many(RUNNING_MAX as u32)).await;
        self.over.cancel();
    }

    /// Refuses something that is no request of the modern era.
    pub(crate) async fn refuse(&self, id: Option<&[u8]>, fault: &Fault) {
        self.metrics.gateway().rejected(fault.kind.reason());
        self.say(answer::refusal(id, fault, Era::Legacy)).await;
    }

    async fn one(self: &Arc<Self>, scanned: Scanned) {
        if scanned.shape != Shape::Request {
            return match self.session() {
                Some(session) => session.hear(&*self.host, &scanned),
                None => self.running.hear(&scanned),
            };
        }
        self.outbox.room().await;
        let modern = scanned.params.meta.version.is_some() || &*scanned.method() == method::DISCOVER;
        match self.session() {
            Some(session) => self.legacy(&session, &scanned).await,
            None if modern && self.modern => self.modern(&scanned).await,
            None if &*scanned.method() == method::INITIALIZE => self.initialize(&scanned).await,
            None => {
                let text = if self.modern {
                    "start with initialize, or send per-request metadata (2026-07-28)"
                } else {
                    "start with initialize; per-request metadata (2026-07-28) needs Streamable HTTP"
                };
                let fault = Fault::client(Kind::InvalidRequest, text);
                self.refuse(scanned.id_bytes().as_deref(), &fault).await;
            }
        }
    }

    async fn say(&self, answer: Answer) {
        // A client that stopped reading has its own trouble; the pipe's end will show.
        let _ = self.outbox.send(answer.message).await;
    }

    /// Where the notes of a call go.
    fn notes(&self) -> Arc<dyn Notes> {
        Arc::new(Noting(self.outbox.clone()))
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Tells a client what a follower hears, until either ends.
async fn pump(mut follower: Follower, outbox: Outbox, last: Option<Message>) {
    loop {
        let message = match follower.next().await {
            Word::Say(message) => message,
            // The wire has its own signs of life.
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
struct Noting(Outbox);

impl Notes for Noting {
    fn note(&self, note: Note) {
        let _ = self.0.try_send(notes::message(note));
    }
}
