//! What a legacy client's session holds, and the requests that concern only it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use trunkline_model::{Caller, Change, Era, Fault, Kind, Level, Notes, Operation, Text};
use trunkline_observe::metrics::Held;
use trunkline_protocol::hello::Greeting;
use trunkline_protocol::{Revision, Scanned, Shape, method};

use super::answer::{self, Answer};
use super::decode;
use super::host::{Host, Introduced, Subscription, ViewName};

/// Most resource subscriptions of one session.
const SUBSCRIPTIONS_MAX: usize = 1024;
/// Most calls of one session that run at a time.
const RUNNING_MAX: usize = 1024;
const NO_LEVEL: u8 = u8::MAX;

/// One legacy session.
pub(crate) struct Session {
    pub(crate) view: ViewName,
    pub(crate) revision: Revision,
    caller: Arc<Caller>,
    level: AtomicU8,
    subscriptions: Mutex<HashMap<Text, Box<dyn Subscription>>>,
    running: Mutex<HashMap<Bytes, CancellationToken>>,
    opened: Instant,
    last_used_ms: AtomicU64,
    /// Streams that are open for it.
    pub(crate) streams: AtomicUsize,
    /// Ends its streams and calls.
    pub(crate) over: CancellationToken,
    _counted: Held,
}

impl Session {
    /// A session as `initialize` asks for it.
    ///
    /// # Errors
    /// Params without a protocol version, capabilities or client information.
    pub(crate) fn open(view: ViewName, hello: &Scanned, counted: Held) -> Result<Self, Fault> {
        let p = &hello.params;
        let invalid = |text: &'static str| Fault::client(Kind::InvalidParams, text);
        let asked =
            p.protocol_version.as_ref().ok_or_else(|| invalid("params.protocolVersion is missing"))?;
        let object = |span: &Option<trunkline_model::Span>| {
            span.as_ref()
                .filter(|s| hello.at(s).starts_with(b"{"))
                .map(|s| Bytes::copy_from_slice(hello.at(s)))
        };
        let capabilities =
            object(&p.capabilities).ok_or_else(|| invalid("params.capabilities must be an object"))?;
        let info = object(&p.client_info).ok_or_else(|| invalid("params.clientInfo must be an object"))?;
        Ok(Self {
            view,
            revision: Revision::negotiate(&hello.text(asked)),
            caller: Arc::new(Caller { era: Era::Legacy, info: Some(info), capabilities }),
            level: AtomicU8::new(NO_LEVEL),
            subscriptions: Mutex::default(),
            running: Mutex::default(),
            opened: Instant::now(),
            last_used_ms: AtomicU64::new(0),
            streams: AtomicUsize::new(0),
            over: CancellationToken::new(),
            _counted: counted,
        })
    }

    /// The result of `initialize`.
    pub(crate) fn welcome(&self, introduced: &Introduced) -> Bytes {
        let greeting = Greeting {
            capabilities: &introduced.legacy_capabilities,
            server_info: &introduced.server_info,
            instructions: introduced.instructions.as_deref(),
        };
        greeting.initialize(self.revision)
    }

    /// Notes a sign of life.
    pub(crate) fn touch(&self) {
        self.last_used_ms.store(self.opened.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// How long nothing was heard of the client, in milliseconds; 0 while a stream is open or a call runs.
    pub(crate) fn idle_ms(&self) -> u64 {
        if self.streams.load(Ordering::Relaxed) > 0 || !self.running().is_empty() {
            return 0;
        }
        (self.opened.elapsed().as_millis() as u64).saturating_sub(self.last_used_ms.load(Ordering::Relaxed))
    }

    /// The level the client set.
    pub(crate) fn level(&self) -> Option<Level> {
        Level::ALL.get(usize::from(self.level.load(Ordering::Relaxed))).copied()
    }

    /// How the client spells the resources that a change concerns.
    pub(crate) fn concerned(&self, change: &Change) -> Vec<Text> {
        let subscriptions = self.subscriptions();
        subscriptions.iter().filter(|(_, wish)| wish.concerns(change)).map(|(uri, _)| uri.clone()).collect()
    }

    /// Every resource the client subscribed to.
    pub(crate) fn all_subscribed(&self) -> Vec<Text> {
        self.subscriptions().keys().cloned().collect()
    }

    fn subscriptions(&self) -> MutexGuard<'_, HashMap<Text, Box<dyn Subscription>>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Bytes, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a notification or an answer; there is nothing to say to either.
    pub(crate) fn hear(&self, scanned: &Scanned) {
        self.touch();
        if scanned.shape == Shape::Notification && &*scanned.method() == method::CANCELLED {
            let id = scanned.params.request_id.as_ref().map(|span| scanned.share(span));
            if let Some(token) = id.and_then(|id| self.running().get(&id).cloned()) {
                token.cancel();
            }
        }
    }

    /// Runs one request. `None` when the client cancelled it: then nothing is answered.
    pub(crate) async fn request(
        self: Arc<Self>,
        host: Arc<dyn Host>,
        scanned: Scanned,
        notes: Arc<dyn Notes>,
    ) -> Option<Answer> {
        self.touch();
        let id = scanned.id_bytes().unwrap_or_default();
        let call = match decode::call(&scanned, Arc::clone(&self.caller), self.level(), None, notes) {
            Ok(call) => call,
            Err(fault) => {
                return Some(Answer { status: 200, ..answer::refusal(Some(&id), &fault, Era::Legacy) });
            }
        };
        let empty = || Some(answer::result(&id, &Bytes::from_static(b"{}")));
        match &call.operation {
            Operation::Ping => return empty(),
            Operation::SetLevel(level) => {
                self.level.store(*level as u8, Ordering::Relaxed);
                return empty();
            }
            Operation::Subscribe(uri) => {
                return Some(match self.subscribe(&*host, uri) {
                    Ok(()) => answer::result(&id, &Bytes::from_static(b"{}")),
                    Err(fault) => Answer { status: 200, ..answer::refusal(Some(&id), &fault, Era::Legacy) },
                });
            }
            Operation::Unsubscribe(uri) => {
                self.subscriptions().remove(uri);
                return empty();
            }
            Operation::Hello => {
                let fault = Fault::client(Kind::InvalidRequest, "the session is initialized already");
                return Some(Answer { status: 200, ..answer::refusal(Some(&id), &fault, Era::Legacy) });
            }
            _ => {}
        }
        let operation = call.operation.clone();
        // Copied: the key would keep the whole request body alive.
        let key = Bytes::copy_from_slice(&id);
        let Some(running) = Running::begin(&self, key) else {
            let fault = Fault::client(
                Kind::InvalidRequest,
                "a request with this id is still running, or too many are",
            );
            return Some(Answer { status: 200, ..answer::refusal(Some(&id), &fault, Era::Legacy) });
        };
        let token = running.token.clone();
        let served = host.serve(self.view.clone(), call);
        let outcome = tokio::select! {
            outcome = served => outcome,
            () = token.cancelled() => return None,
        };
        self.touch();
        Some(answer::outcome(&id, &outcome, Era::Legacy, &operation))
    }

    fn subscribe(&self, host: &dyn Host, uri: &Text) -> Result<(), Fault> {
        if self.subscriptions().len() >= SUBSCRIPTIONS_MAX {
            return Err(Fault::overloaded("this session has too many subscriptions"));
        }
        // Copied for the same reason as ids.
        let uri = Text::from(uri.as_str());
        let wish = host.subscribe(&self.view, &uri)?;
        self.subscriptions().insert(uri, wish);
        Ok(())
    }
}

/// A call while it runs, so that it can be cancelled by its id.
struct Running {
    session: Arc<Session>,
    id: Bytes,
    token: CancellationToken,
}

impl Running {
    fn begin(session: &Arc<Session>, id: Bytes) -> Option<Self> {
        let token = session.over.child_token();
        let mut running = session.running();
        if running.len() >= RUNNING_MAX || running.contains_key(&id) {
            return None;
        }
        running.insert(id.clone(), token.clone());
        drop(running);
        Some(Self { session: Arc::clone(session), id, token })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.session.running().remove(&self.id);
    }
}
