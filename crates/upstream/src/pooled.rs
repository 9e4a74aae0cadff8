//! The life of one conversation on which a server may ask: a task of its own from its opening to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use trunkline_model::{Caller, Era, ListKind};
use trunkline_protocol::offers;

use crate::connect::{Connected, Connecting, Failed, Process};
use crate::extras;
use crate::health;
use crate::member::Shared;
use crate::pool::{Key, Slot, State};
use crate::push;
use crate::reason::printable;
use crate::session::Session;
use crate::stray::{Relay, Stray};
use crate::supervise::{close, gone};

/// A conversation of modern callers is closed when nobody used it for this long; opening another costs them little.
const IDLE: Duration = Duration::from_mins(5);
/// A server that speaks of a change to all of its sessions does so within this time.
const SETTLE: Duration = Duration::from_millis(100);

/// Begins to open the conversation on behalf of `caller`.
pub(crate) fn start(shared: &Arc<Shared>, slot: Arc<Slot>, caller: Option<&Arc<Caller>>) {
    let over = shared.stop.child_token();
    let stay = caller.and_then(|caller| Some((caller, caller.stay.as_ref()?)));
    let (relay, capabilities) = match (slot.key, stay) {
        (Key::Stay(number), Some((caller, stay))) => {
            let (pool, token) = (Arc::downgrade(shared), over.clone());
            stay.on_end(move || {
                token.cancel();
                if let Some(shared) = pool.upgrade() {
                    shared.pool.forget(number);
                }
            });
            (Relay::Stay(Arc::downgrade(stay), caller.offers), offers::on_behalf(&caller.capabilities))
        }
        (Key::Alike(offers), _) => (Relay::Calls, offers::declared(offers)),
        (Key::Stay(_), None) => (Relay::Nobody, Bytes::from_static(b"{}")),
    };
    let shared = Arc::clone(shared);
    let tasks = shared.pool.tasks.clone();
    tasks.spawn(async move { run(&shared, &slot, relay, capabilities, over).await });
}

async fn run(
    shared: &Arc<Shared>,
    slot: &Arc<Slot>,
    relay: Relay,
    capabilities: Bytes,
    over: CancellationToken,
) {
    let begun = Instant::now();
    let (name, changes) = (Arc::clone(&shared.options.name), shared.tools.changes.clone());
    let stray = Arc::new(Stray::relaying(name, changes, relay));
    let connecting = Connecting {
        options: &shared.options,
        tools: &shared.tools,
        stray: &stray,
        ids: &shared.ids,
        meter: &shared.meter,
        again: false,
        capabilities,
        known: Some(Era::Legacy),
    };
    let opened = tokio::select! {
        opened = connecting.open(shared.options.timeouts.connect) => opened,
        () = over.cancelled() => Err(Failed::from("it was given up".to_owned())),
    };
    let why = match opened {
        Ok(connected) => {
            shared.pool.opened(true);
            tracing::debug!(server = &*shared.options.name, key = ?slot.key, ms = begun.elapsed().as_millis() as u64, "a conversation of its own is open");
            hold(shared, slot, connected, &over).await
        }
        Err(failed) => {
            if !over.is_cancelled() {
                shared.pool.opened(false);
                let reason = printable(&failed.reason);
                tracing::warn!(server = &*shared.options.name, %reason, "could not open a session on which the server may ask; calls go on without");
            }
            failed.reason
        }
    };
    shared.pool.remove(slot);
    extras::forget(shared, slot.key);
    slot.state.send_replace(State::Over(why.into()));
}

/// Holds the conversation until it ends, and ends it; returns why.
async fn hold(
    shared: &Arc<Shared>,
    slot: &Arc<Slot>,
    connected: Connected,
    over: &CancellationToken,
) -> String {
    let Connected { session, child } = connected;
    let session = Arc::new(session);
    slot.state.send_replace(State::Open(Arc::clone(&session)));
    let why = last(shared, slot, &session, child.as_ref(), over).await;
    // Nobody may begin on it any more, before it is closed.
    shared.pool.remove(slot);
    slot.state.send_replace(State::Over(why.as_str().into()));
    session.lost.tell(&why);
    tracing::debug!(server = &*shared.options.name, key = ?slot.key, %why, "a conversation of its own is over");
    close(&session, child).await;
    why
}

async fn last(
    shared: &Arc<Shared>,
    slot: &Arc<Slot>,
    session: &Arc<Session>,
    child: Option<&Process>,
    over: &CancellationToken,
) -> String {
    let live = watch::Sender::new(false);
    let mut pushing = std::pin::pin!(push::follow(Arc::clone(session), slot.wanted.clone(), &live));
    let own = &session.stray;
    let mut stalled = std::pin::pin!(health::stalled(shared, session));
    let mut reading: Option<Reading<'_>> = None;
    if matches!(slot.key, Key::Alike(_)) {
        reading = Some(Box::pin(extras::read(shared, slot.key, session, &ListKind::ALL, false)));
    }
    loop {
        tokio::select! {
            biased;
            why = session.wire.ended() => return why,
            () = over.cancelled() => return "nobody needs it any more".to_owned(),
            why = session.lost.heard() => return why.to_owned(),
            () = gone(child) => {
                session.wire.close("the process ended");
                return "the process ended".to_owned();
            }
            why = &mut stalled => {
                session.wire.close(&why);
                return why;
            }
            () = &mut pushing => {}
            () = finish(&mut reading) => reading = None,
            () = own.stirred.notified(), if reading.is_none() => {
                reading = Some(Box::pin(read_stirred(shared, slot.key, session)));
            }
            () = unused(slot), if matches!(slot.key, Key::Alike(_)) => {
                if shared.pool.remove_unused(slot) {
                    return "nobody used it".to_owned();
                }
            }
        }
    }
}

/// Lists being read.
type Reading<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

async fn finish(reading: &mut Option<Reading<'_>>) {
    match reading {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}

/// The server spoke of changed lists on this conversation. What it says on all of them is read on the shared one.
async fn read_stirred(shared: &Shared, key: Key, session: &Session) {
    sleep(SETTLE).await;
    let mut stale = session.stray.take_stale();
    stale.retain(|kind| !shared.stray.stirred_within(*kind, SETTLE * 4));
    if !stale.is_empty() {
        extras::read(shared, key, session, &stale, true).await;
    }
}

/// Resolves when nobody has used the conversation for [`IDLE`].
async fn unused(slot: &Slot) {
    loop {
        tokio::select! {
            () = sleep(IDLE) => {
                if !slot.in_use() {
                    return;
                }
            }
            () = slot.freed.notified() => {}
        }
    }
}
