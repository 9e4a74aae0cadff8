//! What a legacy client's session holds, and the requests that concern only it.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use trunkline_model::{
    Call, Caller, Change, Era, Fault, Kind, Level, Notes, Operation, Outcome, Served, Stay, Text,
};
use trunkline_observe::metrics::Held;
use trunkline_protocol::hello::Greeting;
use trunkline_protocol::{Revision, Scanned, Shape, asks, bridge, method, offers};
use trunkline_runtime::boxed;

use super::answer::{self, Answer};
use super::aside::Aside;
use super::asking::Questions;
use super::decode;
use super::host::{Host, ListVersions, Subscription, ViewName};
use super::replay::Replay;
use super::running::{Entry, Running};

/// Most resource subscriptions of one session.
const SUBSCRIPTIONS_MAX: usize = 1024;
const NO_LEVEL: u8 = u8::MAX;
/// Numbers the stays of clients, whatever front they came by.
static STAYS: AtomicU64 = AtomicU64::new(1);

/// A call on its way; `None` when the client took it back.
pub(crate) type Calling = Pin<Box<dyn Future<Output = Option<Answer>> + Send>>;

/// What became of a request at once.
pub(crate) enum Begun {
    /// It concerns only the session, or was refused: this is the answer.
    Answered(Answer),
    /// It is noted as running and can be cancelled; the future does the work.
    Call(Calling),
}

type Subscriptions = HashMap<Text, Box<dyn Subscription>>;

/// One legacy session.
///
/// There are thousands of them, nearly all idle: what few need is made when it is first needed.
pub(crate) struct Session {
    pub(crate) view: ViewName,
    pub(crate) revision: Revision,
    caller: Arc<Caller>,
    level: AtomicU8,
    subscriptions: Mutex<Option<Box<Subscriptions>>>,
    running: Arc<Running>,
    /// What it was asked and has not answered yet.
    pub(crate) questions: Arc<Questions>,
    /// What servers say to this session outside of any call.
    pub(crate) aside: Arc<Aside>,
    /// What `known` gives. It outlives streams: what changes between two of them is told on the second.
    known: Known,
    /// Streams that its client may come back to.
    pub(crate) replay: Replay,
    opened: Instant,
    last_used_ms: AtomicU64,
    /// Streams that are open for it.
    pub(crate) streams: AtomicU32,
    /// Ends its streams; its calls are ended by `running`.
    pub(crate) over: CancellationToken,
    _counted: Held,
}

/// List versions that change one at a time.
#[derive(Default)]
struct Known {
    tools: AtomicU64,
    prompts: AtomicU64,
    resources: AtomicU64,
}

impl Known {
    fn get(&self) -> ListVersions {
        let of = |list: &AtomicU64| list.load(Ordering::Relaxed);
        ListVersions { tools: of(&self.tools), prompts: of(&self.prompts), resources: of(&self.resources) }
    }

    fn set(&self, all: ListVersions) {
        self.tools.store(all.tools, Ordering::Relaxed);
        self.prompts.store(all.prompts, Ordering::Relaxed);
        self.resources.store(all.resources, Ordering::Relaxed);
    }
}

impl Session {
    /// The same, where each request is answered on an exchange of its own.
    pub(crate) fn by_exchange(self) -> Self {
        Self { running: Arc::new(Running::by_exchange()), ..self }
    }

    /// A session as `initialize` asks for it.
    ///
    /// # Errors
    /// Params without a protocol version, capabilities or client information.
    pub(crate) fn open(
        view: ViewName,
        hello: &Scanned,
        peer: Option<IpAddr>,
        counted: Held,
    ) -> Result<Self, Fault> {
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
        let revision = Revision::negotiate(&hello.text(asked));
        let capabilities = asks::offered(&capabilities, revision);
        let questions = Arc::<Questions>::default();
        let aside = Aside::new(Arc::clone(&questions), revision);
        let number = STAYS.fetch_add(1, Ordering::Relaxed);
        let stay = Stay::new(number, Arc::clone(&aside) as Arc<dyn Notes>);
        let caller = Caller {
            era: Era::Legacy,
            info: Some(info),
            offers: offers::of(&capabilities),
            capabilities,
            stay: Some(Arc::new(stay)),
            peer,
        };
        Ok(Self {
            view,
            revision,
            caller: Arc::new(caller),
            level: AtomicU8::new(NO_LEVEL),
            subscriptions: Mutex::default(),
            running: Arc::default(),
            questions,
            aside,
            known: Known::default(),
            replay: Replay::default(),
            opened: Instant::now(),
            last_used_ms: AtomicU64::new(0),
            streams: AtomicU32::new(0),
            over: CancellationToken::new(),
            _counted: counted,
        })
    }

    /// Where it was opened from; `None` is a pipe.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.caller.peer
    }

    /// The result of `initialize`.
    pub(crate) async fn welcome(&self, host: &Arc<dyn Host>) -> Bytes {
        let introduced = Arc::clone(host).greet(self.view.clone()).await;
        // Before the client can read any list: from here on every change is news to it.
        if let Some(changes) = host.changes(&self.view) {
            self.known.set(*changes.lists.borrow());
        }
        let greeting = Greeting {
            capabilities: &introduced.legacy_capabilities,
            server_info: &introduced.server_info,
            instructions: introduced.instructions.as_deref(),
        };
        greeting.initialize(self.revision)
    }

    /// The list versions that its client knows of: those that there were when it came, or when it last read the list.
    /// What it was told on a stream does not count, for the stream may have been dead by then.
    pub(crate) fn known(&self) -> ListVersions {
        self.known.get()
    }

    /// Ends its streams and calls.
    pub(crate) fn end(&self) {
        self.running.end();
        self.over.cancel();
        // They hold the session.
        self.replay.clear();
    }

    /// Notes a sign of life.
    pub(crate) fn touch(&self) {
        self.last_used_ms.store(self.opened.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// How long nothing was heard of the client, in milliseconds; 0 while a stream is open or a call runs.
    pub(crate) fn idle_ms(&self) -> u64 {
        if self.streams.load(Ordering::Relaxed) > 0 || !self.running.is_empty() {
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
        let all = subscriptions.iter().flat_map(|all| all.iter());
        all.filter(|(_, wish)| wish.concerns(change)).map(|(uri, _)| uri.clone()).collect()
    }

    /// Every resource the client subscribed to.
    pub(crate) fn all_subscribed(&self) -> Vec<Text> {
        self.subscriptions().iter().flat_map(|all| all.keys()).cloned().collect()
    }

    fn subscriptions(&self) -> MutexGuard<'_, Option<Box<Subscriptions>>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the client's stay.
    pub(crate) fn stay(&self) -> Option<u64> {
        self.caller.stay.as_ref().map(|stay| stay.number())
    }

    /// Whether the client offers anything that a server might ask for.
    pub(crate) fn can_be_asked(&self) -> bool {
        !self.caller.offers.is_none()
    }

    /// Takes a notification or an answer; there is nothing to say to either.
    pub(crate) fn hear(&self, host: &dyn Host, scanned: &Scanned) {
        self.touch();
        match scanned.shape {
            Shape::Answer => self.questions.answer(scanned),
            _ if &*scanned.method() == method::ROOTS_CHANGED => host.roots_changed(&self.view, &self.caller),
            _ => self.running.hear(scanned),
        }
    }

    /// Begins one request. Whatever the session itself answers or notes is done on return, so that requests take effect
    /// in the order they are read, and a cancellation that is read next finds its call. `passes` says that the wire can
    /// carry a result that still arrives.
    pub(crate) fn request(
        self: &Arc<Self>,
        host: &Arc<dyn Host>,
        scanned: &Scanned,
        notes: Arc<dyn Notes>,
        passes: bool,
    ) -> Begun {
        self.touch();
        let id = scanned.id_bytes().unwrap_or_default();
        let begun = decode::call(scanned, Arc::clone(&self.caller), self.level(), None, notes).and_then(
            |mut call| {
                call.passes = passes && bridge::passes(self.revision, &call.operation);
                if self.answers(&**host, &call.operation)? {
                    return Ok(Begun::Answered(answer::result(&id, &Bytes::from_static(b"{}"))));
                }
                let entry = self.running.begin(&id)?;
                let (stay, host, id) = (Arc::clone(self), Arc::clone(host), id.clone());
                Ok(Begun::Call(boxed(|| stay.call(host, id, call, entry))))
            },
        );
        begun.unwrap_or_else(|fault| {
            let refusal = answer::refusal(Some(&id), &fault, Era::Legacy);
            Begun::Answered(Answer { status: 200, ..refusal })
        })
    }

    /// Does what concerns only the session; `false` when the operation is not of that kind.
    fn answers(&self, host: &dyn Host, operation: &Operation) -> Result<bool, Fault> {
        match operation {
            Operation::Ping => {}
            Operation::SetLevel(level) => self.level.store(*level as u8, Ordering::Relaxed),
            Operation::Subscribe(uri) => self.subscribe(host, uri)?,
            Operation::Unsubscribe(uri) => {
                drop(self.subscriptions().as_mut().and_then(|all| all.remove(uri)));
            }
            Operation::Hello => {
                return Err(Fault::client(Kind::InvalidRequest, "the session is initialized already"));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The present list versions, for a call that begins to read a list.
    fn versions(&self, host: &dyn Host, operation: &Operation) -> Option<ListVersions> {
        let (Operation::ListTools(None) | Operation::ListPrompts(None) | Operation::ListResources(None)) =
            operation
        else {
            return None;
        };
        host.changes(&self.view).map(|changes| *changes.lists.borrow())
    }

    /// The client was given a list that is at least as new as these versions.
    fn has_read(&self, operation: &Operation, versions: ListVersions) {
        let (list, version) = match operation {
            Operation::ListTools(_) => (&self.known.tools, versions.tools),
            Operation::ListPrompts(_) => (&self.known.prompts, versions.prompts),
            _ => (&self.known.resources, versions.resources),
        };
        list.store(version, Ordering::Relaxed);
    }

    /// Runs a call. `None` when the client cancelled it: then nothing is answered.
    async fn call(
        self: Arc<Self>,
        host: Arc<dyn Host>,
        id: Bytes,
        call: Call,
        entry: Entry,
    ) -> Option<Answer> {
        let operation = call.operation.clone();
        let before = self.versions(&*host, &operation);
        let served = host.serve(self.view.clone(), call);
        let served = tokio::select! {
            biased;
            () = entry.cancelled() => return None,
            served = served => served,
        };
        self.touch();
        if let (Some(before), Served::Whole(Outcome::Result(_))) = (before, &served) {
            self.has_read(&operation, before);
        }
        Some(answer::served(&id, served, self.revision, &operation))
    }

    fn subscribe(&self, host: &dyn Host, uri: &Text) -> Result<(), Fault> {
        if self.subscriptions().as_ref().is_some_and(|all| all.len() >= SUBSCRIPTIONS_MAX) {
            return Err(Fault::overloaded("this session has too many subscriptions"));
        }
        // Copied for the same reason as ids.
        let uri = Text::from(uri.as_str());
        let wish = host.subscribe(&self.view, Some(&self.caller), &uri)?;
        self.subscriptions().get_or_insert_default().insert(uri, wish);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten thousand of them may be kept, with 1 KiB each as the goal; the names of the client and the ids come to these.
    #[test]
    fn an_idle_session_takes_little() {
        let parts = [
            size_of::<Session>(),
            size_of::<Caller>(),
            size_of::<Stay>(),
            size_of::<Aside>(),
            size_of::<Questions>(),
            size_of::<Running>(),
        ];
        assert!(parts[0] <= 176, "with its counts 192 bytes: the allocator's next size is 224");
        let all: usize = parts.iter().sum();
        assert!(all <= 600, "{all} bytes: {parts:?}");
    }
}
