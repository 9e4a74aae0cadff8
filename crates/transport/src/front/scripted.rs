//! A host that does what a test says, for tests of the wires.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{broadcast, watch};
use trunkline_model::{Call, Caller, Change, Era, Fault, Note, Outcome, Reply, Served, Text};

use super::host::{BoxFuture, Changes, Host, Introduced, ListVersions, Subscription, ViewName};

/// The server that belongs to the view; every other one does not.
pub(crate) const MEMBER: &str = "mine";

/// Calls of a tool named `wait` last until `release`; one named `notes` gives two notes before its answer; one named
/// `half` gives one, waits, and gives the other.
pub(crate) struct Scripted {
    pub(crate) lists: watch::Sender<ListVersions>,
    pub(crate) events: broadcast::Sender<Change>,
    pub(crate) begun: AtomicUsize,
    pub(crate) finished: AtomicUsize,
    pub(crate) given_up: AtomicUsize,
    released: watch::Sender<bool>,
    /// Whether a call waits for its client to come back.
    pub(crate) parked: watch::Sender<bool>,
}

impl Scripted {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            lists: watch::Sender::default(),
            events: broadcast::Sender::new(16),
            begun: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            given_up: AtomicUsize::new(0),
            released: watch::Sender::new(false),
            parked: watch::Sender::new(false),
        })
    }

    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }

    pub(crate) fn tools_changed(&self) {
        self.lists.send_modify(|versions| versions.tools += 1);
    }

    pub(crate) fn logs(&self, server: &str, text: &str) {
        let params = Bytes::from(format!(r#"{{"level":"error","data":"{text}"}}"#));
        let level = trunkline_model::Level::Error;
        self.events
            .send(Change::Logged { server: server.into(), level, params, to: None })
            .expect("somebody listens");
    }
}

/// Waits until a counter has come to `value`.
pub(crate) async fn until(counter: &AtomicUsize, value: usize) {
    let reached = async {
        while counter.load(Ordering::SeqCst) < value {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached).await.expect("the counter never came so far");
}

/// Reads up to the end of `needle` and no further; what was read.
pub(crate) async fn read_until(from: &mut (impl AsyncRead + Unpin), needle: &str) -> String {
    let mut all = Vec::new();
    let reading = async {
        while !all.ends_with(needle.as_bytes()) {
            match from.read_u8().await {
                Ok(byte) => all.push(byte),
                Err(_) => return,
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(10), reading).await;
    let all = String::from_utf8(all).expect("text");
    assert!(all.ends_with(needle), "waited for {needle:?}, got {all:?}");
    all
}

/// Counts a call that is dropped before its end.
struct Watched(Arc<Scripted>, bool);

impl Drop for Watched {
    fn drop(&mut self) {
        let counter = if self.1 { &self.0.finished } else { &self.0.given_up };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

impl Host for Scripted {
    fn has_view(&self, view: &ViewName) -> bool {
        view.is_none()
    }

    fn serve(self: Arc<Self>, _view: ViewName, call: Call) -> BoxFuture<Served> {
        Box::pin(async move {
            let mut watched = Watched(Arc::clone(&self), false);
            self.begun.fetch_add(1, Ordering::SeqCst);
            let params = String::from_utf8_lossy(&call.params.raw).into_owned();
            if params.contains(r#""name":"wait""#) {
                let _ = self.released.subscribe().wait_for(|released| *released).await;
            }
            if params.contains(r#""name":"half""#) {
                call.notes.note(Note::Progress(Bytes::from_static(b"{\"progress\":1}")));
                let _ = self.released.subscribe().wait_for(|released| *released).await;
                call.notes.note(Note::Progress(Bytes::from_static(b"{\"progress\":2}")));
            }
            if params.contains(r#""name":"notes""#) {
                call.notes.note(Note::Progress(Bytes::from_static(b"{\"progress\":1}")));
                tokio::task::yield_now().await;
                call.notes.note(Note::Progress(Bytes::from_static(b"{\"progress\":2}")));
            }
            watched.1 = true;
            Outcome::Result(Reply { raw: Bytes::from_static(b"{\"content\":[]}"), era: Era::Legacy }).into()
        })
    }

    fn greet(self: Arc<Self>, _view: ViewName) -> BoxFuture<Introduced> {
        Box::pin(async {
            Introduced {
                legacy_capabilities: Bytes::from_static(b"{}"),
                modern_capabilities: Bytes::from_static(b"{}"),
                server_info: Bytes::from_static(b"{\"name\":\"t\",\"version\":\"0\"}"),
                instructions: None,
                ttl_ms: 0,
            }
        })
    }

    fn subscribe(
        &self,
        _view: &ViewName,
        _caller: Option<&Arc<Caller>>,
        uri: &Text,
    ) -> Result<Box<dyn Subscription>, Fault> {
        Ok(Box::new(Wish(uri.clone())))
    }

    fn unparked(self: Arc<Self>) -> BoxFuture<()> {
        Box::pin(async move {
            let _ = self.parked.subscribe().wait_for(|parked| !parked).await;
        })
    }

    fn roots_changed(&self, _view: &ViewName, _caller: &Arc<Caller>) {}

    fn changes(&self, _view: &ViewName) -> Option<Changes> {
        let member = Arc::new(|server: &str| server == MEMBER);
        let task_word = Arc::new(|_, _: &Change| None);
        Some(Changes { lists: self.lists.subscribe(), events: self.events.subscribe(), member, task_word })
    }
}

struct Wish(Text);

impl Subscription for Wish {
    fn concerns(&self, change: &Change) -> bool {
        matches!(change, Change::ResourceUpdated { uri, .. } if *uri == self.0)
    }
}
