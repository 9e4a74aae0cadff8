//! One member of an upstream: a process or an endpoint, with its conversations. Most upstreams have one.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use trunkline_model::{Call, Era, Fault, ListKind, Outcome, Served, Text};
use trunkline_observe::metrics::UpstreamHandle;

use crate::breaker::{Trouble, Verdict};
use crate::extras::Extras;
use crate::health;
use crate::options::{Live, Options};
use crate::pool::{Lease, Pool, Refused};
use crate::refresh::Hints;
use crate::session::{Lost, Session};
use crate::status::{Offer, Phase, Status};
use crate::stray::Stray;
use crate::succession::Before;
use crate::supervise;
use crate::tools::Tools;

/// The resources that somebody wants to hear about.
pub(crate) type Wanted = BTreeSet<Text>;

/// One member: started, watched and restarted by a task of its own, called from anywhere.
pub(crate) struct Member {
    pub(crate) shared: Arc<Shared>,
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
    fn retire(&self, session: &Arc<Session>) {
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

    /// Runs one call. `target` is the upstream's own spelling where the caller's differs; `extra` are headers that
    /// mirror arguments; `passes` is whether a large result may be handed on while it arrives. What the call runs on is
    /// in use until that has ended.
    pub(crate) async fn call(
        &self,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
        passes: bool,
    ) -> Ended {
        let _running = Running::begin(&*self.shared);
        let (served, conversation, verdict) = self.run(call, target, extra, passes).await;
        let served = match served {
            Served::Arriving(arriving) => {
                let running = Running::begin(Arc::clone(&self.shared));
                Served::Arriving(arriving.holding((conversation, running)))
            }
            whole @ Served::Whole(_) => whole,
        };
        Ended { served, verdict, member: None }
    }

    /// Runs one call like [`Member::call`], and keeps what it ran on; `None` when it did not run.
    pub(crate) async fn call_holding(
        &self,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
    ) -> (Ended, Option<Hold>) {
        let running = Running::begin(Arc::clone(&self.shared));
        let (served, conversation, verdict) = self.run(call, target, extra, false).await;
        let hold = conversation.map(|conversation| Hold { conversation, member: None, _running: running });
        (Ended { served, verdict, member: None }, hold)
    }

    async fn run(
        &self,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
        passes: bool,
    ) -> (Served, Option<Conversation>, Verdict) {
        // While there is no conversation the supervisor holds calls back; that is no news for the breaker.
        let mut verdict = Verdict::Nothing;
        for attempt in 0..2 {
            let conversation = match self.conversation(call).await {
                Ok(conversation) => conversation,
                Err(fault) => return (fault.before_it_began().into(), None, verdict),
            };
            match conversation.session().call(call, target, extra, passes).await {
                Ok((served, verdict)) => return (served, Some(conversation), verdict),
                // The call certainly did not run: it may be sent again, once, over a new conversation.
                Err(Lost(why)) => {
                    verdict = Verdict::Failed(Trouble::Connect);
                    tracing::debug!(server = &**self.name(), %why, attempt, "the conversation was lost before the call began");
                    match &conversation {
                        Conversation::Shared(session) => self.lost(session, &why),
                        Conversation::Own(lease) => self.shared.pool.lost(lease, &why),
                    }
                }
            }
        }
        let after = self.shared.options.backoff.first;
        let fault = Fault::unavailable(self.name(), "it cannot be reached", after).before_it_began();
        (fault.into(), None, verdict)
    }

    /// The conversation for a call: the shared one, unless the server is a legacy one and may ask the caller something.
    async fn conversation(&self, call: &Call) -> Result<Conversation, Fault> {
        let shared = &self.shared;
        let key = Pool::key(shared.options.sessions, call);
        let main = self.session().await?;
        let Some(key) = key.filter(|_| main.era() == Era::Legacy) else {
            return Ok(Conversation::Shared(main));
        };
        match Pool::lease(shared, key, &call.caller).await {
            Ok(lease) => Ok(Conversation::Own(lease)),
            Err(Refused::Full(fault)) => Err(fault),
            Err(Refused::Unopened(why)) => {
                tracing::debug!(server = &**self.name(), %why, "the shared conversation serves a call that could be asked");
                Ok(Conversation::Shared(main))
            }
        }
    }

    /// The conversation, waiting for one that is about to be.
    pub(crate) async fn session(&self) -> Result<Arc<Session>, Fault> {
        if let Some(session) = &*self.shared.session.load() {
            return Ok(Arc::clone(session));
        }
        let mut status = self.shared.status.subscribe();
        let patience = self.shared.options.timeouts.connect;
        let ready = timeout(patience, async {
            loop {
                // The status is looked at first: a session that comes after the look changes the status again.
                let phase = status.borrow_and_update().phase.clone();
                if let Some(session) = &*self.shared.session.load() {
                    return Ok(Arc::clone(session));
                }
                // A server that was idle is woken; one that is starting is waited for; one that is down is not.
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
    fn lost(&self, session: &Arc<Session>, why: &str) {
        self.shared.retire(session);
        session.lost.tell(why);
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

/// How a call ended, and what that says about its server.
pub(crate) struct Ended {
    pub(crate) served: Served,
    pub(crate) verdict: Verdict,
    /// The member that it was sent to last, where there are several.
    pub(crate) member: Option<usize>,
}

impl Ended {
    /// A call that was refused before it began.
    pub(crate) fn refused(fault: Fault) -> Self {
        Self { served: fault.before_it_began().into(), verdict: Verdict::Nothing, member: None }
    }

    /// Whether it is certain that the call never began.
    pub(crate) fn never_began(&self) -> bool {
        matches!(&self.served, Served::Whole(Outcome::Fault(fault)) if fault.unbegun)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// What a call runs on.
enum Conversation {
    Shared(Arc<Session>),
    Own(Lease),
}

impl Conversation {
    fn session(&self) -> &Arc<Session> {
        match self {
            Self::Shared(session) => session,
            Self::Own(lease) => &lease.session,
        }
    }
}

/// What a call ran on, kept for later calls that must run on the same: a legacy server may know a task only there.
/// Counts as a use of the server, which is not stopped for being idle meanwhile.
pub struct Hold {
    conversation: Conversation,
    /// The member that it belongs to, where there are several.
    pub(crate) member: Option<usize>,
    _running: Running<Arc<Shared>>,
}

impl Hold {
    /// The same, of this one of several members.
    pub(crate) fn of(self, member: usize) -> Self {
        Self { member: Some(member), ..self }
    }

    /// The era spoken there.
    pub fn era(&self) -> Era {
        self.conversation.session().era()
    }

    /// Runs one call there.
    pub(crate) async fn call(&self, call: &Call, target: Option<&str>) -> Result<Outcome, Lost> {
        // What is asked about a call that ran is let through whatever became of other calls.
        self.conversation.session().call(call, target, &[], false).await.map(|(served, _)| served.outcome())
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("era", &self.era()).finish_non_exhaustive()
    }
}

/// Counts a call while it runs.
struct Running<S: Deref<Target = Shared>>(S);

impl<S: Deref<Target = Shared>> Running<S> {
    fn begin(shared: S) -> Self {
        shared.uses.fetch_add(1, Ordering::Relaxed);
        shared.running.fetch_add(1, Ordering::SeqCst);
        // Before the session is looked at: see `Shared::retire_unused`.
        fence(Ordering::SeqCst);
        Self(shared)
    }
}

impl<S: Deref<Target = Shared>> Drop for Running<S> {
    fn drop(&mut self) {
        self.0.uses.fetch_add(1, Ordering::Relaxed);
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use futures_util::FutureExt as _;
    use tokio::sync::broadcast;

    use super::*;
    use crate::options::{Endpoint, Reach};
    use crate::script::willing;

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
