//! The channel on which a server tells of changes: a GET stream (legacy HTTP), a listen request (modern), or the pipe
//! itself (legacy stdio), plus the resource subscriptions that ride on it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use trunkline_model::Era;
use trunkline_protocol::json::escape_into;
use trunkline_protocol::method;
use trunkline_transport::back::{Head, Heard};

use crate::session::Session;
use crate::supervise::Wanted;

/// Wait before a broken stream is opened again, doubled up to the maximum.
const REOPEN_FIRST: Duration = Duration::from_millis(200);
const REOPEN_MAX: Duration = Duration::from_secs(30);
/// How long the old listen stream is kept while a new one with another filter is not yet acknowledged.
const OVERLAP_MAX: Duration = Duration::from_secs(2);
/// Changes of the wanted set within this time become one new stream.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// Follows the server's changes for as long as it is polled. `live` says whether the channel stands.
pub(crate) async fn follow(
    session: Arc<Session>,
    wanted: watch::Receiver<Wanted>,
    live: &watch::Sender<bool>,
) {
    match (session.era(), session.http.is_some()) {
        (Era::Modern, _) => listen(&session, wanted, live).await,
        (Era::Legacy, true) => tokio::join!(stream(&session, live), subscribe(&session, wanted)).0,
        (Era::Legacy, false) => subscribe(&session, wanted).await,
    }
}

/// The GET stream of a legacy HTTP session.
async fn stream(session: &Arc<Session>, live: &watch::Sender<bool>) {
    let Some(http) = &session.http else { return };
    let mut wait = REOPEN_FIRST;
    let mut was_live = false;
    loop {
        let mut absent = false;
        let opened = |head| match head {
            Head::Streaming => {
                live.send_replace(true);
                if was_live {
                    // Whatever changed while the stream was down was not told.
                    session.stray.stir_all();
                }
            }
            Head::Absent => absent = true,
        };
        let ended = http.follow(session.headers(), &*session.stray, opened).await;
        if absent {
            live.send_replace(false);
            tracing::debug!(
                server = &*session.server,
                "the server has no stream of its own; lists are read now and then"
            );
            return std::future::pending().await;
        }
        if live.send_replace(false) {
            was_live = true;
            wait = REOPEN_FIRST;
        }
        tracing::debug!(server = &*session.server, ended = ?ended.err(), "the change stream ended; opening it again");
        sleep(jittered(wait)).await;
        wait = (wait * 2).min(REOPEN_MAX);
    }
}

/// Keeps a legacy session subscribed to what is wanted.
async fn subscribe(session: &Session, mut wanted: watch::Receiver<Wanted>) {
    let mut have = Wanted::new();
    loop {
        let want = wanted.borrow_and_update().clone();
        for (method, uris) in [
            (method::SUBSCRIBE, want.difference(&have).cloned().collect::<Vec<_>>()),
            (method::UNSUBSCRIBE, have.difference(&want).cloned().collect()),
        ] {
            for uri in uris {
                let mut params = b"{\"uri\":".to_vec();
                escape_into(&mut params, &uri);
                params.push(b'}');
                if let Err(error) = session.ask(method, Bytes::from(params), session.timeouts.list).await {
                    tracing::debug!(server = &*session.server, %error, "subscription not taken");
                }
            }
        }
        have = want;
        if wanted.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// The listen stream of a modern server. When the wanted set changes, the new stream must be acknowledged before the
/// old one is dropped, so that no update falls between them.
async fn listen(session: &Arc<Session>, mut wanted: watch::Receiver<Wanted>, live: &watch::Sender<bool>) {
    let mut wait = REOPEN_FIRST;
    let mut gap = false;
    let mut current: Option<Listening> = None;
    loop {
        if current.is_none() {
            let next = open_listen(session, wanted.borrow_and_update().clone());
            if acknowledged(session, &next).await {
                live.send_replace(true);
                wait = REOPEN_FIRST;
                if std::mem::take(&mut gap) {
                    session.stray.stir_all();
                }
            }
            current = Some(next);
        }
        let Some(running) = &current else { continue };
        tokio::select! {
            why = running.ended() => {
                live.send_replace(false);
                gap = true;
                current = None;
                tracing::debug!(server = &*session.server, %why, "the listen stream ended; opening it again");
                sleep(jittered(wait)).await;
                wait = (wait * 2).min(REOPEN_MAX);
            }
            Ok(()) = wanted.changed() => {
                sleep(DEBOUNCE).await;
                let next = open_listen(session, wanted.borrow_and_update().clone());
                acknowledged(session, &next).await;
                // Replacing the old one ends it.
                current = Some(next);
            }
        }
    }
}

/// A listen request under way; dropping it ends it.
struct Listening {
    task: tokio::task::AbortHandle,
    over: watch::Receiver<Option<String>>,
}

impl Listening {
    async fn ended(&self) -> String {
        let mut over = self.over.clone();
        match over.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => "its task ended".to_owned(),
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn open_listen(session: &Arc<Session>, wanted: Wanted) -> Listening {
    let (told, over) = watch::channel(None);
    let session = Arc::clone(session);
    // A task of its own, because an old and a new stream must be read side by side for a moment.
    let task = tokio::spawn(async move {
        let why = one_listen(&session, &wanted).await;
        told.send_replace(Some(why));
    });
    Listening { task: task.abort_handle(), over }
}

/// Waits until the server acknowledged the request; `false` when it ended first.
async fn acknowledged(session: &Session, listening: &Listening) -> bool {
    let waited = async {
        tokio::select! {
            () = session.stray.acknowledged.notified() => true,
            _ = listening.ended() => false,
        }
    };
    // Without a word of acknowledgement the stream may still be good.
    timeout(OVERLAP_MAX, waited).await.unwrap_or(true)
}

/// One listen request, to its end; returns why it ended.
async fn one_listen(session: &Session, wanted: &Wanted) -> String {
    let mut filter = b"{\"notifications\":{\"toolsListChanged\":true,\"promptsListChanged\":true,\"resourcesListChanged\":true".to_vec();
    if !wanted.is_empty() {
        filter.extend_from_slice(b",\"resourceSubscriptions\":[");
        for (at, uri) in wanted.iter().enumerate() {
            if at > 0 {
                filter.push(b',');
            }
            escape_into(&mut filter, uri);
        }
        filter.push(b']');
    }
    filter.extend_from_slice(b"}}");
    let heard = Arc::clone(&session.stray) as Arc<dyn Heard>;
    match session.ask_with(method::LISTEN, Bytes::from(filter), Some(heard)).await {
        Ok(_) => "the server closed it".to_owned(),
        Err(error) => crate::session::describe(&error),
    }
}

fn jittered(wait: Duration) -> Duration {
    wait / 2 + (wait / 2) * u32::from(trunkline_runtime::random_byte()) / 255
}
