//! The one task that owns an upstream: it starts it, watches it, refreshes its lists, and starts it again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use trunkline_model::{Era, ListKind, Text};
use trunkline_observe::metrics::Era as MeteredEra;

use crate::connect::{Connected, Connecting, Failed, Process, exited};
use crate::lists::{self, Fetched};
use crate::push;
use crate::session::Session;
use crate::status::{Offer, Phase, Status};
use crate::upstream::Shared;

/// How long a child may take to end in order before it is told to, and again before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// How often lists are read again from a server that cannot tell us of changes.
const POLL: Duration = Duration::from_mins(1);
/// A conversation that lasted this long was a success: the next failure starts with a short wait again.
const STEADY: Duration = Duration::from_secs(30);
/// A conversation shorter than this was none.
const FRESH: Duration = Duration::from_millis(500);
/// Changes that arrive within this time are read as one.
const SETTLE: Duration = Duration::from_millis(40);

/// Why a conversation ended.
enum End {
    Shutdown,
    Idle,
    /// The server ended the session; it is asked for another at once.
    Again,
    Lost(Failed),
}

/// Runs until `stop`; everything it started has ended when it returns.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut failures = 0_u32;
    loop {
        // While it is down it stays down in everybody's eyes until it is up: `since` must mean something.
        if failures == 0 {
            set_phase(&shared, Phase::Starting, Vec::new());
        }
        let begun = Instant::now();
        let attempt = tokio::select! {
            attempt = attempt(&shared) => attempt,
            () = stop.cancelled() => break,
        };
        let end = match attempt {
            Ok(connected) => converse(&shared, connected, begun, &stop).await,
            Err(failed) => End::Lost(failed),
        };
        shared.session.store(None);
        shared.meter.set_up(false);
        // A session that is lost as soon as it was opened is no better than none.
        let end = match end {
            End::Again if begun.elapsed() < FRESH => {
                End::Lost("the server ended the session at once".to_owned().into())
            }
            other => other,
        };
        match end {
            End::Shutdown => break,
            End::Again => failures = 0,
            End::Idle => {
                set_phase(&shared, Phase::Idle, Vec::new());
                tokio::select! {
                    () = shared.wake.notified() => {}
                    () = stop.cancelled() => break,
                }
                failures = 0;
            }
            End::Lost(failed) => {
                failures = if begun.elapsed() > STEADY { 1 } else { failures.saturating_add(1) };
                let wait = backoff(&shared, failures);
                let name = &*shared.options.name;
                tracing::warn!(server = name, reason = %failed.reason, retry_in_ms = wait.as_millis() as u64, stderr = failed.stderr.last().map(String::as_str), "upstream is down");
                let reason = Arc::from(failed.reason.as_str());
                set_phase(&shared, Phase::Down { reason, retry_in: wait }, failed.stderr);
                tokio::select! {
                    () = sleep(wait) => {}
                    () = stop.cancelled() => break,
                }
            }
        }
    }
    set_phase(&shared, Phase::Stopped, Vec::new());
}

async fn attempt(shared: &Arc<Shared>) -> Result<Connected, Failed> {
    let again = shared.status.borrow().starts > 0;
    shared.status.send_modify(|status| status.starts += 1);
    let connecting = Connecting {
        options: &shared.options,
        tools: &shared.tools,
        stray: &shared.stray,
        ids: &shared.ids,
        meter: &shared.meter,
        again,
    };
    // A server that stays silent on the probe is started a second time; its handshake gets the full time again.
    let longest = shared.options.timeouts.connect + shared.options.timeouts.probe;
    match timeout(longest, connecting.open()).await {
        Ok(opened) => opened,
        Err(_) => Err(format!("no handshake within {} s", longest.as_secs()).into()),
    }
}

/// Serves one conversation from its lists to its end.
async fn converse(
    shared: &Arc<Shared>,
    connected: Connected,
    begun: Instant,
    stop: &CancellationToken,
) -> End {
    let Connected { session, child } = connected;
    let session = Arc::new(session);
    let era = session.era();
    let took = begun.elapsed();
    shared.status.send_modify(|status| {
        status.era = Some(era);
        status.handshake = Some(took);
    });
    shared.stray.take_stale();
    let trouble = tokio::select! {
        trouble = refresh(shared, &session, &ListKind::ALL, false) => trouble,
        why = session.wire.ended() => return End::Lost(died(why, child).await),
        () = stop.cancelled() => {
            close(&session, child).await;
            return End::Shutdown;
        }
    };
    shared.session.store(Some(Arc::clone(&session)));
    shared.meter.set_up(true);
    shared.meter.set_era(match era {
        Era::Legacy => MeteredEra::Legacy,
        Era::Modern => MeteredEra::Modern,
    });
    let (name, revision, ms) =
        (&*shared.options.name, session.introduction.revision.as_str(), took.as_millis() as u64);
    tracing::info!(server = name, era = era.as_str(), revision, handshake_ms = ms, "upstream is up");
    set_phase(shared, trouble.map_or(Phase::Ready, Phase::Impaired), Vec::new());
    let end = attend(shared, &session, child.as_ref(), stop).await;
    shared.session.store(None);
    match end {
        End::Lost(_) if child.as_ref().is_some_and(|c| c.try_exit().is_some()) => {
            End::Lost(died(String::new(), child).await)
        }
        End::Lost(failed) => {
            close(&session, child).await;
            End::Lost(failed)
        }
        other => {
            close(&session, child).await;
            other
        }
    }
}

async fn attend(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    child: Option<&Process>,
    stop: &CancellationToken,
) -> End {
    let live = watch::Sender::new(session.http.is_none());
    let mut pushing = std::pin::pin!(push::follow(Arc::clone(session), shared.wanted.subscribe(), &live));
    let mut refreshed = Instant::now();
    let mut lost = shared.lost.subscribe();
    lost.mark_unchanged();
    loop {
        let due = next_refresh(shared, session, *live.borrow(), refreshed);
        let idle = shared.options.idle_stop.filter(|_| child.is_some());
        tokio::select! {
            why = session.wire.ended() => return End::Lost(Failed::from(why)),
            () = stop.cancelled() => return End::Shutdown,
            () = &mut pushing => {}
            Ok(()) = lost.changed() => {
                let why = lost.borrow_and_update().clone();
                tracing::info!(server = &*shared.options.name, %why, "opening a new conversation");
                return End::Again;
            }
            () = shared.stray.stirred.notified() => {
                sleep(SETTLE).await;
                let stale = shared.stray.take_stale();
                after_refresh(shared, refresh(shared, session, &stale, true).await);
                refreshed = Instant::now();
            }
            () = wait_until(due) => {
                after_refresh(shared, refresh(shared, session, &ListKind::ALL, false).await);
                refreshed = Instant::now();
            }
            () = unused_for(shared, idle) => return End::Idle,
        }
    }
}

fn after_refresh(shared: &Shared, trouble: Option<Arc<str>>) {
    set_phase(shared, trouble.map_or(Phase::Ready, Phase::Impaired), Vec::new());
}

/// When lists must be read again without being told: never, when the server pushes or its lists are fixed.
fn next_refresh(shared: &Shared, session: &Session, live: bool, last: Instant) -> Option<Instant> {
    let ttl = shared
        .offer
        .borrow()
        .as_ref()
        .and_then(|offer| offer.ttl_ms)
        .filter(|_| session.era() == Era::Modern);
    let pushes = live && lists::announces(&session.introduction);
    if pushes {
        return None;
    }
    match ttl {
        Some(ms) => Some(last + Duration::from_millis(ms).max(POLL)),
        None if session.era() == Era::Legacy && !lists::announces(&session.introduction) => None,
        None => Some(last + POLL),
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Resolves when no call has been under way for `idle`.
async fn unused_for(shared: &Shared, idle: Option<Duration>) {
    let Some(idle) = idle else { return std::future::pending().await };
    loop {
        let used = shared.uses.load(Ordering::Relaxed);
        sleep(idle).await;
        if shared.running.load(Ordering::Relaxed) == 0 && shared.uses.load(Ordering::Relaxed) == used {
            return;
        }
    }
}

/// Reads the given lists again. Those that fail keep their last good state; the reason of the first failure comes back.
async fn refresh(
    shared: &Shared,
    session: &Session,
    kinds: &[ListKind],
    announced: bool,
) -> Option<Arc<str>> {
    let mut trouble = None;
    let mut fetched: Vec<(ListKind, Fetched)> = Vec::with_capacity(kinds.len());
    for kind in kinds {
        match lists::fetch(session, &shared.options, *kind).await {
            Ok(list) => fetched.push((*kind, list)),
            Err(error) => {
                tracing::warn!(server = &*shared.options.name, %error, "could not read a list");
                trouble.get_or_insert_with(|| Arc::from(error.as_str()));
            }
        }
    }
    shared.offer.send_modify(|offer| {
        let old = offer.as_deref();
        let mut new = Offer {
            introduction: session.introduction.clone(),
            lists: old.map_or_else(|| std::array::from_fn(|_| Arc::from([])), |o| o.lists.clone()),
            ttl_ms: if kinds.len() == ListKind::ALL.len() { None } else { old.and_then(|o| o.ttl_ms) },
            public: session.era() == Era::Modern,
            pushes: lists::announces(&session.introduction),
            announced: old.map_or([0; 4], |o| o.announced),
        };
        for kind in kinds.iter().filter(|_| announced) {
            new.announced[*kind as usize] += 1;
        }
        for (kind, list) in fetched {
            new.ttl_ms = match (new.ttl_ms, list.ttl_ms) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            new.public &= list.public;
            new.lists[kind as usize] = list.items;
        }
        *offer = Some(Arc::new(new));
    });
    trouble
}

async fn died(why: String, child: Option<Process>) -> Failed {
    let Some(child) = child else { return Failed::from(why) };
    let exit = timeout(Duration::from_millis(300), child.wait()).await.ok();
    let stderr = child.stderr_tail();
    child.shutdown(Duration::from_millis(200)).await;
    Failed { reason: exit.map_or(why, |exit| exited(exit.status)), stderr }
}

async fn close(session: &Session, child: Option<Process>) {
    // Courtesy to the server; it must not delay the next attempt or the end of the gateway.
    let _ = timeout(GRACE, session.end()).await;
    if let Some(child) = child {
        child.shutdown(GRACE).await;
    }
}

fn backoff(shared: &Shared, failures: u32) -> Duration {
    let spacing = shared.options.backoff;
    let full = spacing.first.saturating_mul(1 << (failures.saturating_sub(1)).min(16)).min(spacing.max);
    // Spread over the upper half, so that many upstreams of one dead host do not come back in step.
    let spread = u32::from(trunkline_runtime::random_byte());
    full / 2 + (full / 2) * spread / 255
}

fn set_phase(shared: &Shared, phase: Phase, stderr: Vec<String>) {
    shared.status.send_if_modified(|status: &mut Status| {
        let same = status.phase == phase;
        if !same {
            if status.phase.as_str() != phase.as_str() {
                status.since = SystemTime::now();
            }
            if !stderr.is_empty() {
                status.stderr = stderr;
            }
            status.phase = phase;
        }
        !same
    });
}

/// The resources that somebody wants to hear about.
pub(crate) type Wanted = BTreeSet<Text>;
