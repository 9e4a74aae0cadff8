//! The handle by which the gateway uses one upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use trunkline_model::{Call, Era, Fault, Outcome, Text};
use trunkline_observe::metrics::UpstreamHandle;

use crate::options::Options;
use crate::session::{Lost, Session};
use crate::status::{Offer, Phase, Status};
use crate::stray::Stray;
use crate::supervise::{self, Wanted};
use crate::tools::Tools;

/// One upstream server: started, watched and restarted by a task of its own, called from anywhere.
pub struct Upstream {
    shared: Arc<Shared>,
    stop: CancellationToken,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// What the handle and the task share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) tools: Tools,
    pub(crate) session: ArcSwapOption<Session>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) offer: watch::Sender<Option<Arc<Offer>>>,
    pub(crate) wanted: watch::Sender<Wanted>,
    pub(crate) stray: Arc<Stray>,
    pub(crate) ids: Arc<AtomicU64>,
    /// Told when a call wants a server that was stopped for being idle.
    pub(crate) wake: Notify,
    /// Told by a call that found the conversation broken.
    pub(crate) lost: watch::Sender<String>,
    pub(crate) meter: UpstreamHandle,
    pub(crate) running: AtomicUsize,
    pub(crate) uses: AtomicU64,
}

impl Upstream {
    /// Begins to start the upstream, in the background.
    pub fn start(options: Options, tools: Tools) -> Self {
        let name = Arc::clone(&options.name);
        let status = Status {
            phase: Phase::Starting,
            since: SystemTime::now(),
            era: None,
            handshake: None,
            starts: 0,
            stderr: Vec::new(),
        };
        let meter = tools.metrics.upstream(&name);
        let shared = Arc::new(Shared {
            stray: Arc::new(Stray::new(name, tools.changes.clone())),
            options,
            tools,
            session: ArcSwapOption::empty(),
            status: watch::Sender::new(status),
            offer: watch::Sender::new(None),
            wanted: watch::Sender::new(Wanted::new()),
            ids: Arc::new(AtomicU64::new(1)),
            wake: Notify::new(),
            lost: watch::Sender::new(String::new()),
            meter,
            running: AtomicUsize::new(0),
            uses: AtomicU64::new(0),
        });
        let stop = CancellationToken::new();
        let task = tokio::spawn(supervise::run(Arc::clone(&shared), stop.clone()));
        Self { shared, stop, task: std::sync::Mutex::new(Some(task)) }
    }

    /// The operator's name for it.
    pub fn name(&self) -> &Arc<str> {
        &self.shared.options.name
    }

    /// The options it runs with.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Its state, now and from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    /// What it offers, now and from now on; `None` until it has been read once.
    pub fn offer(&self) -> watch::Receiver<Option<Arc<Offer>>> {
        self.shared.offer.subscribe()
    }

    /// Sets the resources whose updates are wanted.
    pub fn want(&self, uris: impl IntoIterator<Item = Text>) {
        let uris: Wanted = uris.into_iter().collect();
        self.shared.wanted.send_if_modified(|old| {
            let changed = *old != uris;
            if changed {
                *old = uris;
            }
            changed
        });
    }

    /// The era spoken, while there is a conversation.
    pub fn era(&self) -> Option<Era> {
        self.shared.session.load().as_ref().map(|session| session.era())
    }

    /// Runs one call. `target` is the upstream's own spelling where the caller's differs; `extra` are headers that
    /// mirror arguments.
    pub async fn call(&self, call: &Call, target: Option<&str>, extra: &[(String, String)]) -> Outcome {
        let _running = Running::begin(&self.shared);
        for attempt in 0..2 {
            let session = match self.session().await {
                Ok(session) => session,
                Err(fault) => return fault.into(),
            };
            match session.call(call, target, extra).await {
                Ok(outcome) => return outcome,
                // The call certainly did not run: it may be sent again, once, over a new conversation.
                Err(Lost(why)) => {
                    tracing::debug!(server = &**self.name(), %why, attempt, "the conversation was lost before the call began");
                    self.lost(&session, why);
                }
            }
        }
        Fault::unavailable(self.name(), "it cannot be reached", self.shared.options.backoff.first).into()
    }

    /// The conversation, waiting for one that is about to be.
    async fn session(&self) -> Result<Arc<Session>, Fault> {
        if let Some(session) = &*self.shared.session.load() {
            return Ok(Arc::clone(session));
        }
        let mut status = self.shared.status.subscribe();
        // A server that was idle is woken; one that is starting is waited for; one that is down is not.
        self.shared.wake.notify_one();
        let patience = self.shared.options.timeouts.connect;
        let ready = timeout(patience, async {
            loop {
                if let Some(session) = &*self.shared.session.load() {
                    return Ok(Arc::clone(session));
                }
                let phase = status.borrow_and_update().phase.clone();
                match phase {
                    Phase::Down { reason, retry_in } => return Err((reason, retry_in)),
                    Phase::Stopped => return Err((Arc::from("it was shut down"), Duration::from_secs(5))),
                    Phase::Idle => self.shared.wake.notify_one(),
                    Phase::Starting | Phase::Ready | Phase::Impaired(_) => {}
                }
                if status.changed().await.is_err() {
                    return Err((Arc::from("it was shut down"), Duration::from_secs(5)));
                }
            }
        });
        match ready.await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err((reason, retry_in))) => Err(Fault::unavailable(self.name(), &reason, retry_in)),
            Err(_) => Err(Fault::unavailable(self.name(), "it is still starting", Duration::from_secs(2))),
        }
    }

    /// Takes a broken conversation out of use and has the task open another.
    fn lost(&self, session: &Arc<Session>, why: String) {
        let current = self.shared.session.load();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, session)) {
            self.shared.session.store(None);
            self.shared.status.send_modify(|status| status.phase = Phase::Starting);
            self.shared.lost.send_replace(why);
        }
    }

    /// Stops the upstream; returns when nothing of it runs any more.
    pub async fn stop(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(task) = task {
            // A task that panicked has dropped its child, which kills it.
            let _ = task.await;
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Counts a call while it runs.
struct Running<'a>(&'a Shared);

impl<'a> Running<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.running.fetch_add(1, Ordering::Relaxed);
        shared.uses.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
