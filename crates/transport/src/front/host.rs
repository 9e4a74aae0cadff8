//! What the fronts need from whatever stands behind them.
//!
//! The fronts know sockets, sessions and streams; they know nothing of catalogs and upstreams. This trait is the seam.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, watch};
use trunkline_model::{Call, Caller, Change, Fault, Served, Text};

/// A future at the seam.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The name of a view; `None` is the default one.
pub type ViewName = Option<Arc<str>>;

/// What stands behind the fronts.
pub trait Host: Send + Sync + 'static {
    /// Whether there is a view of that name.
    fn has_view(&self, view: &ViewName) -> bool;

    /// Runs one call to its outcome, or to a result that still arrives where the call allows that. Dropping the future, or
    /// what arrives, gives the call up.
    fn serve(self: Arc<Self>, view: ViewName, call: Call) -> BoxFuture<Served>;

    /// What the gateway says of itself in this view; waits, within bounds, for a first look at the upstreams.
    fn greet(self: Arc<Self>, view: ViewName) -> BoxFuture<Introduced>;

    /// Asks to hear of updates of the resource that this view calls `uri`. A caller with a session hears what the server
    /// says to that session, where it has one of its own with the server.
    ///
    /// # Errors
    /// When nothing answers to the URI, or its server has no subscriptions.
    fn subscribe(
        &self,
        view: &ViewName,
        caller: Option<&Arc<Caller>>,
        uri: &Text,
    ) -> Result<Box<dyn Subscription>, Fault>;

    /// Begins to watch how these tasks of a caller stand; those that it has none of are left out.
    fn watch_tasks(self: Arc<Self>, view: &ViewName, caller: &Arc<Caller>, ids: &[Text]) -> TaskWatch {
        let _ = (view, caller, ids);
        TaskWatch::none()
    }

    /// Resolves when no call waits for its client to come back. Until then its client must find a way to.
    fn unparked(self: Arc<Self>) -> BoxFuture<()> {
        Box::pin(std::future::ready(()))
    }

    /// The caller's roots have changed.
    fn roots_changed(&self, view: &ViewName, caller: &Arc<Caller>);

    /// The changes behind a view; `None` when the view has gone.
    fn changes(&self, view: &ViewName) -> Option<Changes>;
}

/// The gateway's self-introduction, rendered.
#[derive(Clone, Debug)]
pub struct Introduced {
    /// Capabilities object for legacy clients.
    pub legacy_capabilities: Bytes,
    /// Capabilities object for modern clients.
    pub modern_capabilities: Bytes,
    /// Name and version object.
    pub server_info: Bytes,
    /// Instructions, if there are any.
    pub instructions: Option<Arc<str>>,
    /// How long the introduction may be kept, in milliseconds.
    pub ttl_ms: u64,
}

/// Somebody's wish to hear of one resource; ends when dropped.
pub trait Subscription: Send + Sync {
    /// Whether a change is about this resource.
    fn concerns(&self, change: &Change) -> bool;
}

/// Tasks that are watched on behalf of one stream, until it is dropped.
#[derive(Debug)]
pub struct TaskWatch {
    /// Their ids, as the client spells them.
    pub ids: Vec<Text>,
    /// The params of a notification for each change, without the mark of the stream.
    pub news: mpsc::Receiver<Bytes>,
}

impl TaskWatch {
    /// Watches nothing.
    pub fn none() -> Self {
        Self { ids: Vec::new(), news: mpsc::channel(1).1 }
    }

    /// The next news; never, when there will be none. Cancel safe.
    pub(crate) async fn next(&mut self) -> Bytes {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }
}

/// What a change of a task is to the legacy session with this number: the params of its notification.
pub type TaskWord = Arc<dyn Fn(u64, &Change) -> Option<Bytes> + Send + Sync>;

/// How often each list has changed. A reader compares with what it last saw; any number of changes in between is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListVersions {
    /// Tool list.
    pub tools: u64,
    /// Prompt list.
    pub prompts: u64,
    /// Resource and template lists.
    pub resources: u64,
}

/// Change channels of one view.
pub struct Changes {
    /// List changes, coalesced.
    pub lists: watch::Receiver<ListVersions>,
    /// Everything else; a reader that lags learns that it did.
    pub events: broadcast::Receiver<Change>,
    /// Whether a server belongs to the view now. The events are those of every server; what a server outside the view
    /// logs must not be told to the view's clients.
    pub member: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// Which tasks are whose.
    pub task_word: TaskWord,
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("lists", &self.lists).finish_non_exhaustive()
    }
}
