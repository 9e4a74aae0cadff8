//! The one task that owns an upstream: it starts it, watches it, refreshes its lists, and starts it again.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use trunkline_model::{Era, ListKind};
use trunkline_observe::metrics::Era as MeteredEra;

use crate::connect::{Connected, Connecting, Failed, Process, exited};
use crate::due::next_refresh;
use crate::health;
use crate::member::Shared;
use crate::push;
use crate::reason::printable;
use crate::refresh::{Read, refresh};
use crate::session::Session;
use crate::spacing::Spacing;
use crate::status::{Phase, Status};

/// How long a child may take to end in order before it is told to, and again before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// A conversation shorter than this was none.
const FRESH: Duration = Duration::from_millis(500);
/// How long a process whose pipe ended may take to exit before its exit is no explanation any more; and how long its
/// last answers may take to come out of the pipe once it has.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// Changes that arrive within this time are read as one.
const SETTLE: Duration = Duration::from_millis(40);

/// Why a conversation ended.
enum End {
    Shutdown,
    Idle,
    /// The server ended the session, and says why; it is asked for another at once.
    Again(String),
    Lost(Failed),
}

/// Runs like [`run`] as soon as `gone` is cancelled.
pub(crate) async fn after(gone: Option<CancellationToken>, shared: Arc<Shared>, stop: CancellationToken) {
    if let Some(gone) = gone {
        tokio::select! {
            biased;
            () = stop.cancelled() => return set_phase(&shared, Phase::Stopped, Vec::new()),
            () = gone.cancelled() => {}
        }
    }
    run(shared, stop).await;
}

/// Runs until `stop`; everything it started has ended when it returns.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut spacing = Spacing::new(shared.options.backoff);
    loop {
        // While it is down it stays down in everybody's eyes until it is up: `since` must mean something.
        if spacing.fresh() {
            set_phase(&shared, Phase::Starting, Vec::new());
        }
        let begun = Instant::now();
        let attempt = tokio::select! {
            attempt = attempt(&shared) => attempt,
            () = stop.cancelled() => break,
        };
        // How long it stood counts from when it could be used: a slow handshake is no success.
        let (end, stood) = match attempt {
            Ok(connected) => {
                let mut published = None;
                let end = converse(&shared, connected, begun, &mut published, &stop).await;
                (end, published.map_or(Duration::ZERO, |at: Instant| at.elapsed()))
            }
            Err(failed) => (End::Lost(failed), Duration::ZERO),
        };
        shared.session.store(None);
        if !shared.succeeded.load(Ordering::SeqCst) {
            shared.meter.set_up(false);
        }
        match settled(end, stood) {
            End::Shutdown => break,
            End::Again(_) => spacing.reset(),
            End::Idle => {
                // Of calls that came before; those that wait now tell again when they see the phase.
                let _ = shared.wake.notified().now_or_never();
                set_phase(&shared, Phase::Idle, Vec::new());
                tokio::select! {
                    () = shared.wake.notified() => {}
                    () = stop.cancelled() => break,
                }
                spacing.reset();
            }
            End::Lost(failed) => {
                let wait = spacing.failed(stood);
                let (name, reason) = (&*shared.options.name, printable(&failed.reason));
                tracing::warn!(server = name, %reason, retry_in_ms = wait.as_millis() as u64, stderr = failed.stderr.last().map(String::as_str), "upstream is down");
                set_phase(&shared, Phase::Down { reason: reason.into(), retry_in: wait }, failed.stderr);
                tokio::select! {
                    () = sleep(wait) => {}
                    () = stop.cancelled() => break,
                }
            }
        }
    }
    set_phase(&shared, Phase::Stopped, Vec::new());
}

/// A session that is lost as soon as it was opened is no better than none.
fn settled(end: End, stood: Duration) -> End {
    match end {
        End::Again(why) if stood < FRESH => End::Lost(Failed::from(why)),
        other => other,
    }
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
        capabilities: Bytes::from_static(b"{}"),
        known: None,
    };
    // A server that stays silent on the probe is started a second time; its handshake gets the full time again.
    connecting.open(shared.options.timeouts.connect + shared.options.timeouts.probe).await
}

/// Serves one conversation from its lists to its end. `published` is set when calls may use it.
async fn converse(
    shared: &Arc<Shared>,
    connected: Connected,
    begun: Instant,
    published: &mut Option<Instant>,
    stop: &CancellationToken,
) -> End {
    let Connected { session, child } = connected;
    let session = Arc::new(session);
    let took = begun.elapsed();
    shared.status.send_modify(|status| {
        status.era = Some(session.era());
        status.handshake = Some(took);
    });
    let end = tokio::select! {
        biased;
        () = stop.cancelled() => Err(End::Shutdown),
        why = session.wire.ended() => Err(End::Lost(why.into())),
        why = session.lost.heard() => Err(End::Again(why.to_owned())),
        read = read_first(shared, &session) => Ok(read),
    };
    let end = match end {
        Err(end) => end,
        Ok(read) => {
            *published = Some(Instant::now());
            publish(shared, &session, took);
            after_read(shared, read);
            attend(shared, &session, child.as_ref(), stop).await
        }
    };
    shared.session.store(None);
    match (end, child) {
        // Only the process can say why it ended. A broken pipe may be noticed by a call first.
        (End::Lost(Failed { reason, .. }) | End::Again(reason), Some(child)) => {
            End::Lost(died(reason, child).await)
        }
        (end, child) => {
            close(&session, child).await;
            end
        }
    }
}

/// Everything is read; what was announced before and never read counts as announced.
async fn read_first(shared: &Shared, session: &Session) -> Read {
    let announced = shared.stray.take_stale();
    refresh(shared, session, &ListKind::ALL, &announced).await
}

/// Lets calls use the conversation.
fn publish(shared: &Shared, session: &Arc<Session>, took: Duration) {
    shared.session.store(Some(Arc::clone(session)));
    shared.meter.set_up(true);
    shared.meter.set_era(match session.era() {
        Era::Legacy => MeteredEra::Legacy,
        Era::Modern => MeteredEra::Modern,
    });
    let (name, era, revision, ms) = (
        &*shared.options.name,
        session.era().as_str(),
        session.introduction.revision.as_str(),
        took.as_millis() as u64,
    );
    tracing::info!(server = name, era, revision, handshake_ms = ms, "upstream is up");
    if shared.published.swap(true, Ordering::Relaxed) {
        // Nobody heard what happened to resources between the conversations.
        shared.stray.unsure();
    }
}

/// Lists being read; dropping it puts what was announced back.
type Reading<'a> = Pin<Box<dyn Future<Output = Read> + Send + 'a>>;

async fn attend(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    child: Option<&Process>,
    stop: &CancellationToken,
) -> End {
    let live = watch::Sender::new(session.http.is_none());
    let mut live_changes = live.subscribe();
    let mut pushing = std::pin::pin!(push::follow(Arc::clone(session), shared.wanted.subscribe(), &live));
    let mut refreshed = Instant::now();
    let mut reading: Option<Reading<'_>> = None;
    let idle = shared.options.idle_stop.filter(|_| child.is_some());
    let mut unused = std::pin::pin!(unused_for(shared, idle));
    let mut stalled = std::pin::pin!(health::stalled(shared, session));
    loop {
        let (due, kinds) = next_refresh(shared, session, *live.borrow(), refreshed);
        let quiet = reading.is_none();
        tokio::select! {
            // At the end wires end, and that is no news; a wire that ended says more than a call that found it broken.
            biased;
            () = stop.cancelled() => return End::Shutdown,
            why = session.wire.ended() => return End::Lost(Failed::from(why)),
            () = gone(child) => {
                session.wire.close("the process ended");
                return End::Lost(Failed::from("the process ended".to_owned()));
            }
            why = session.lost.heard() => {
                tracing::info!(server = &*shared.options.name, %why, "opening a new conversation");
                return End::Again(why.to_owned());
            }
            why = &mut stalled => {
                session.wire.close(&why);
                return End::Lost(Failed::from(why));
            }
            () = &mut pushing => {}
            // Whether the server can tell us decides when to read without being told.
            Ok(()) = live_changes.changed() => {}
            read = finish(&mut reading) => {
                reading = None;
                after_read(shared, read);
            }
            () = shared.stray.stirred.notified(), if quiet => {
                reading = Some(Box::pin(read_stirred(shared, session)));
            }
            () = wait_until(due), if quiet => {
                refreshed = Instant::now();
                reading = Some(Box::pin(refresh(shared, session, kinds, &[])));
            }
            () = &mut unused => {
                if shared.retire_unused(session) {
                    return End::Idle;
                }
                unused.set(unused_for(shared, idle));
            }
        }
    }
}

/// Resolves when the process has ended and its pipe, which ends with it as a rule, has had time to: a descendant that
/// left the group may hold the pipe open and would answer nothing.
pub(crate) async fn gone(child: Option<&Process>) {
    match child {
        Some(child) => {
            child.wait().await;
            sleep(LAST_WORDS).await;
        }
        None => std::future::pending().await,
    }
}

/// Polls the reading, if there is one.
async fn finish(reading: &mut Option<Reading<'_>>) -> Read {
    match reading {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}

async fn read_stirred(shared: &Shared, session: &Session) -> Read {
    sleep(SETTLE).await;
    let stale = shared.stray.take_stale();
    refresh(shared, session, &stale, &stale).await
}

fn after_read(shared: &Shared, read: Read) {
    match read {
        Read::Nothing => {}
        Read::Whole => set_phase(shared, Phase::Ready, Vec::new()),
        Read::Partly(trouble) => set_phase(shared, Phase::Impaired(trouble), Vec::new()),
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

/// Ends a process whose conversation broke, and finds out why it broke.
async fn died(why: String, child: Process) -> Failed {
    // A pipe ends a moment before the exit is known and the last words on stderr are read.
    let exit = timeout(LAST_WORDS, child.wait()).await.ok();
    let stderr = child.stderr_tail();
    child.shutdown(GRACE).await;
    Failed { stderr, ..Failed::from(exit.map_or(why, |exit| exited(exit.status))) }
}

pub(crate) async fn close(session: &Session, child: Option<Process>) {
    // Courtesy to the server; it must not delay the next attempt or the end of the gateway.
    let _ = timeout(GRACE, session.end()).await;
    if let Some(child) = child {
        child.shutdown(GRACE).await;
    }
}

/// The one place where a phase is set: whatever a server said of itself is cut here before anybody is shown it.
fn set_phase(shared: &Shared, phase: Phase, stderr: Vec<String>) {
    let phase = match phase {
        Phase::Impaired(reason) => Phase::Impaired(printable(&reason).into()),
        Phase::Down { reason, retry_in } => Phase::Down { reason: printable(&reason).into(), retry_in },
        other => other,
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lost_as_soon_as_it_was_opened_counts_as_a_failure() {
        let lost = |stood| matches!(settled(End::Again("gone".to_owned()), stood), End::Lost(f) if f.reason == "gone");
        assert!(lost(Duration::ZERO));
        assert!(!lost(FRESH));
    }
}
