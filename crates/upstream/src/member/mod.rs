//! One member of an upstream: a process or an endpoint, with its conversations. Most upstreams have one.

mod calling;
mod hold;
mod shared;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trunkline_model::{Era, ListKind, Text};

use crate::extras::Extras;
use crate::options::{Live, Options};
use crate::pool::Pool;
use crate::status::{Offer, Phase, Status};
use crate::stray::Stray;
use crate::succession::Before;
use crate::supervise;
use crate::tools::Tools;

pub(crate) use calling::Ended;
pub use hold::Hold;
pub(crate) use shared::{Shared, Wanted};

/// One member: started, watched and restarted by a task of its own, called from anywhere.
pub(crate) struct Member {
    pub(crate) shared: Arc<Shared>,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Member {
    /// Begins to start the member, in the background. `label` is how it is called in metrics.
    #[cfg(test)]
    pub(crate) fn start(options: Options, tools: Tools, label: &str) -> Self {
        Self::begin(options, tools, label, Before::default())
    }

    /// The same, in the place of another.
    pub(crate) fn begin(options: Options, tools: Tools, label: &str, before: Before) -> Self {
        let name = Arc::clone(&options.name);
        let status = Status {
            phase: Phase::Starting,
            since: SystemTime::now(),
            era: None,
            handshake: None,
            starts: 0,
            stderr: Vec::new(),
        };
        let meter = tools.metrics.upstream(label);
        let health = options.live.health;
        let shared = Arc::new(Shared {
            stray: Arc::new(Stray::new(name, tools.changes.clone())),
            options,
            tools,
            session: ArcSwapOption::empty(),
            status: watch::Sender::new(status),
            offer: watch::Sender::new(before.offer),
            wanted: watch::Sender::new(Wanted::new()),
            ids: Arc::new(AtomicU64::new(1)),
            wake: Notify::new(),
            published: AtomicBool::new(false),
            hints: std::sync::Mutex::default(),
            meter,
            health: watch::Sender::new(health),
            pings: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            uses: AtomicU64::new(0),
            pool: Pool::default(),
            extras: Extras::default(),
            succeeded: AtomicBool::new(false),
            stop: CancellationToken::new(),
        });
        let task = tokio::spawn(supervise::after(before.gone, Arc::clone(&shared), shared.stop.clone()));
        Self { shared, task: std::sync::Mutex::new(Some(task)) }
    }

    /// The operator's name for it.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.shared.options.name
    }

    /// The options it was started with.
    pub(crate) fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Its state, now and from now on.
    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    /// What it offers, now and from now on; `None` until it has been read once.
    pub(crate) fn offer(&self) -> watch::Receiver<Option<Arc<Offer>>> {
        self.shared.offer.subscribe()
    }

    /// Sets the resources whose updates are wanted.
    pub(crate) fn want(&self, uris: impl IntoIterator<Item = Text>) {
        let uris: Wanted = uris.into_iter().collect();
        self.shared.wanted.send_if_modified(|old| {
            let changed = *old != uris;
            if changed {
                *old = uris;
            }
            changed
        });
    }

    /// Edits the set of resources whose updates are wanted, in place. `edit` says whether it changed anything; it runs
    /// under a lock and must be short.
    pub(crate) fn want_changed(&self, edit: impl FnOnce(&mut BTreeSet<Text>) -> bool) {
        self.shared.wanted.send_if_modified(edit);
    }

    /// The era spoken, while there is a conversation.
    pub(crate) fn era(&self) -> Option<Era> {
        self.shared.session.load().as_ref().map(|session| session.era())
    }

    /// Takes what may change while it runs.
    pub(crate) fn adopt(&self, live: &Live) {
        self.shared.health.send_if_modified(|old| {
            let changed = *old != live.health;
            *old = live.health;
            changed
        });
    }

    /// Calls under way.
    pub(crate) fn running(&self) -> usize {
        self.shared.running.load(Ordering::Relaxed)
    }

    /// Calls so far, those under way by half.
    pub(crate) fn calls(&self) -> u64 {
        self.shared.uses.load(Ordering::Relaxed) / 2
    }

    /// Whether a call could begin at once.
    pub(crate) fn is_up(&self) -> bool {
        self.shared.session.load().is_some()
    }

    /// Reads every list again: they may have changed.
    pub(crate) fn look_again(&self) {
        for kind in ListKind::ALL {
            self.shared.stray.stir(kind);
        }
    }

    /// Stops the upstream; returns when nothing of it runs any more.
    pub(crate) async fn stop(&self) {
        self.shared.stop.cancel();
        let task = self.task.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(task) = task {
            // A task that panicked has dropped its child, which kills it.
            let _ = task.await;
        }
        self.shared.pool.tasks.close();
        self.shared.pool.tasks.wait().await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use futures_util::FutureExt as _;
    use tokio::sync::broadcast;

    use super::hold::Running;
    use super::*;
    use crate::options::{Endpoint, Reach};
    use crate::script::willing;
    use crate::session::Session;

    /// A member whose task has not run yet; it does not, as long as the test awaits nothing.
    pub(crate) fn member() -> Member {
        let url = "http://127.0.0.1:1/mcp".to_owned();
        let metrics = Arc::new(trunkline_observe::metrics::Metrics::new("test"));
        let tools = Tools {
            environment: Arc::default(),
            shepherd: None,
            launch: None,
            http: trunkline_transport::back::HttpClient::new(),
            verdicts: Arc::default(),
            changes: broadcast::Sender::new(1),
            faults: Arc::new(crate::faults::Faults::new(Arc::clone(&metrics))),
            metrics,
        };
        Member::start(Options::new("s", Reach::Http(Endpoint { url, headers: Vec::new() })), tools, "s")
    }

    impl Member {
        /// Keeps the conversation that it is given: nothing looks after it from now on.
        pub(crate) fn is_left_alone(&self) {
            let task = self.task.lock().unwrap().take();
            task.inspect(JoinHandle::abort);
        }
    }

    fn current(member: &Member) -> Option<Arc<Session>> {
        member.shared.session.load_full()
    }

    #[tokio::test]
    async fn a_word_about_an_old_conversation_does_not_end_its_successor() {
        let (member, old, new) = (member(), willing(), willing());
        member.shared.session.store(Some(Arc::clone(&old)));
        member.lost(&old, "gone");
        assert!(current(&member).is_none());
        member.shared.session.store(Some(Arc::clone(&new)));
        member.lost(&old, "gone");
        assert!(current(&member).is_some_and(|current| Arc::ptr_eq(&current, &new)));
        assert!(new.lost.heard().now_or_never().is_none() && old.lost.heard().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_conversation_in_use_is_not_stopped_for_being_idle() {
        let (member, session) = (member(), willing());
        member.shared.session.store(Some(Arc::clone(&session)));
        let mut status = member.status();
        let running = Running::begin(&*member.shared);
        assert!(!member.shared.retire_unused(&session));
        assert!(current(&member).is_some() && status.has_changed().unwrap(), "who met the gap looks again");
        status.mark_unchanged();
        drop(running);
        assert!(member.shared.retire_unused(&session) && current(&member).is_none());
    }

    #[tokio::test]
    async fn an_edit_that_changes_nothing_tells_nobody() {
        let member = member();
        let wanted = member.shared.wanted.subscribe();
        member.want_changed(|set| set.remove("a:b"));
        assert!(!wanted.has_changed().unwrap());
        member.want_changed(|set| set.insert("a:b".into()));
        assert!(wanted.has_changed().unwrap());
    }
}
