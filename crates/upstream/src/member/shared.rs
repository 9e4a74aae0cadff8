//! What the handle of a member and its task share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use trunkline_model::Text;
use trunkline_observe::metrics::UpstreamHandle;

use crate::extras::Extras;
use crate::health;
use crate::options::Options;
use crate::pool::Pool;
use crate::refresh::Hints;
use crate::session::Session;
use crate::status::{Offer, Phase, Status};
use crate::stray::Stray;
use crate::tools::Tools;

/// The resources that somebody wants to hear about.
pub(crate) type Wanted = BTreeSet<Text>;

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
    /// Whether a conversation was ever published.
    pub(crate) published: AtomicBool,
    /// How long each list in the offer may be kept and shown to whom.
    pub(crate) hints: std::sync::Mutex<Hints>,
    pub(crate) meter: UpstreamHandle,
    /// When it is asked whether it is there.
    pub(crate) health: watch::Sender<Option<health::Options>>,
    /// Whether it has ever answered a ping.
    pub(crate) pings: AtomicBool,
    /// Calls under way.
    pub(crate) running: AtomicUsize,
    /// Beginnings and ends of calls so far.
    pub(crate) uses: AtomicU64,
    /// The conversations on which the server may ask.
    pub(crate) pool: Pool,
    /// What the server offers there alone.
    pub(crate) extras: Extras,
    /// Another has taken its place.
    pub(crate) succeeded: AtomicBool,
    /// Ends everything.
    pub(crate) stop: CancellationToken,
}

impl Shared {
    /// Takes a conversation out of use, unless another has taken its place.
    pub(super) fn retire(&self, session: &Arc<Session>) {
        let current = self.session.load();
        let ours = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, session));
        if !ours {
            return;
        }
        let was = self.session.compare_and_swap(&current, None);
        if was.as_ref().is_some_and(|was| Arc::ptr_eq(was, session)) {
            self.status.send_if_modified(|status| {
                // A server that went down meanwhile stays down in everybody's eyes.
                let serving = matches!(status.phase, Phase::Ready | Phase::Impaired(_));
                if serving {
                    status.phase = Phase::Starting;
                }
                serving
            });
        }
    }

    /// Takes the conversation out of use if no call is under way; `false` puts it back.
    pub(crate) fn retire_unused(&self, session: &Arc<Session>) -> bool {
        self.session.store(None);
        // Either the call that begins now sees that there is no session, or we see the call: see `Running::begin`.
        fence(Ordering::SeqCst);
        if self.running.load(Ordering::SeqCst) == 0 {
            return true;
        }
        self.session.store(Some(Arc::clone(session)));
        // A call that met the gap waits for the status to change.
        self.status.send_modify(|_| {});
        false
    }
}
