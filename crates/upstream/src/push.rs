//! The channel on which a server tells of changes: a GET stream (legacy HTTP), a listen request (modern), or the pipe
//! itself (legacy stdio), plus the resource subscriptions that ride on it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use trunkline_model::Era;
use trunkline_protocol::json::escape_into;
use trunkline_protocol::method;
use trunkline_transport::back::{Heard, Position, WireError};

use crate::member::Wanted;
use crate::options::Backoff;
use crate::session::Session;
use crate::spacing::Spacing;

/// How openings of a broken stream are spaced. Each one re-reads every list and tells every subscriber, so a server that
/// ends its streams at once must not be followed at its own pace.
const REOPEN: Backoff = Backoff { first: Duration::from_millis(200), max: Duration::from_secs(30) };
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
    let mut spacing = Spacing::new(REOPEN);
    let mut position = Position::default();
    let mut was_live = false;
    // Whether changes may have been missed since the stream was last heard.
    let mut gap = false;
    loop {
        let mut opened_at = None;
        let opened = || {
            opened_at = Some(Instant::now());
            live.send_replace(true);
            if gap {
                // Whatever changed while the stream was down was not told.
                session.stray.stir_all();
            }
        };
        let ended = http.follow(session.headers(), &mut position, &*session.stray, opened).await;
        live.send_replace(false);
        match opened_at.map_or_else(|| refused(&ended, session.session_id.is_some()), |_| Refused::ForNow) {
            Refused::ForNow => {}
            // It may be the position that is refused; without one it is asked once more.
            Refused::Perhaps if position.last().is_some() => position = Position::default(),
            Refused::Perhaps => {
                session.look_into().await;
                return absent(session).await;
            }
            Refused::Absent => return absent(session).await,
        }
        // A server that closes a stream in order, having said where it stands, wants to be polled and tells what
        // happened meanwhile. One whose stream broke may have lost more than the connection.
        let polled = ended.is_ok() && position.last().is_some();
        was_live |= opened_at.is_some();
        gap = was_live && !polled;
        let stood = opened_at.map_or(Duration::ZERO, |at| at.elapsed());
        let spaced = spacing.failed(stood);
        let wait = match position.retry() {
            Some(asked) if polled => asked.max(REOPEN.first),
            Some(asked) => asked.max(spaced),
            None => spaced,
        };
        tracing::debug!(server = &*session.server, ended = ?ended.err(), ?wait, "the change stream ended; opening it again");
        sleep(wait).await;
    }
}

async fn absent(session: &Session) {
    tracing::debug!(
        server = &*session.server,
        "the server has no stream of its own; lists are read now and then"
    );
    std::future::pending::<()>().await;
}

/// What it means that a GET stream did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// There is no such stream.
    Absent,
    /// There is no such stream, or no such session any more.
    Perhaps,
    /// It may open another time.
    ForNow,
}

fn refused(ended: &Result<(), WireError>, in_session: bool) -> Refused {
    match ended {
        Err(WireError::Refused(refusal)) => match refusal.status {
            405 | 406 | 501 => Refused::Absent,
            404 if !in_session => Refused::Absent,
            400 | 404 if in_session => Refused::Perhaps,
            _ => Refused::ForNow,
        },
        // A web page or the like: whatever answers there knows no streams.
        Err(WireError::Invalid(_)) => Refused::Absent,
        _ => Refused::ForNow,
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
    let mut spacing = Spacing::new(REOPEN);
    let mut gap = false;
    loop {
        let mut current = Listening::open(session, wanted.borrow_and_update().clone());
        let opened_at = Instant::now();
        if current.acknowledged().await {
            live.send_replace(true);
            if std::mem::take(&mut gap) {
                session.stray.stir_all();
            }
        }
        let why = keep(session, &mut current, &mut wanted).await;
        live.send_replace(false);
        gap = true;
        drop(current);
        tracing::debug!(server = &*session.server, %why, "the listen stream ended; opening it again");
        sleep(spacing.failed(opened_at.elapsed())).await;
    }
}

/// Keeps a listen stream until it ends, and replaces it by others as the wanted set changes; returns why the last
/// one ended.
async fn keep(
    session: &Arc<Session>,
    current: &mut Listening,
    wanted: &mut watch::Receiver<Wanted>,
) -> String {
    let mut spacing = Spacing::new(REOPEN);
    let mut retry: Option<Instant> = None;
    loop {
        tokio::select! {
            why = current.ended() => return why,
            Ok(()) = wanted.changed() => {}
            () = due(retry) => {}
        }
        sleep(DEBOUNCE).await;
        let next = Listening::open(session, wanted.borrow_and_update().clone());
        if next.acknowledged().await {
            // Replacing the old one ends it.
            *current = next;
            spacing.reset();
            retry = None;
        } else {
            // The old stream still tells of what it was asked for; that is better than nothing.
            retry = Some(Instant::now() + spacing.failed(Duration::ZERO));
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A listen request under way; dropping it ends it.
struct Listening {
    session: Arc<Session>,
    id: u64,
    task: tokio::task::AbortHandle,
    over: watch::Receiver<Option<String>>,
}

impl Listening {
    fn open(session: &Arc<Session>, wanted: Wanted) -> Self {
        let (told, over) = watch::channel(None);
        let id = session.number();
        let asking = Arc::clone(session);
        // A task of its own, because an old and a new stream must be read side by side for a moment.
        let task = tokio::spawn(async move {
            let why = one_listen(&asking, id, &wanted).await;
            told.send_replace(Some(why));
        });
        Self { session: Arc::clone(session), id, task: task.abort_handle(), over }
    }

    /// Waits until the server acknowledged the request; `false` when it ended first.
    async fn acknowledged(&self) -> bool {
        let waited = async {
            tokio::select! {
                // A request that was acknowledged and has ended since is no stream.
                biased;
                _ = self.ended() => false,
                () = self.session.stray.acknowledged(self.id) => true,
            }
        };
        // Without a word of acknowledgement the stream may still be good.
        timeout(OVERLAP_MAX, waited).await.unwrap_or(true)
    }

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

/// One listen request, to its end; returns why it ended.
async fn one_listen(session: &Session, id: u64, wanted: &Wanted) -> String {
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
    match session.ask_with(id, method::LISTEN, Bytes::from(filter), Some(heard)).await {
        Ok(_) => "the server closed it".to_owned(),
        Err(error) => crate::session::describe(&error),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use trunkline_transport::back::Refusal;

    use super::*;

    fn http(status: u16) -> Result<(), WireError> {
        let headers = http::HeaderMap::new();
        Err(WireError::Refused(Box::new(Refusal { status, headers, body: Bytes::new(), message: None })))
    }

    #[test]
    fn only_a_clear_refusal_means_that_there_is_no_stream() {
        for status in [405, 406, 501] {
            assert_eq!(refused(&http(status), true), Refused::Absent);
        }
        assert_eq!(refused(&http(404), false), Refused::Absent);
        assert_eq!(refused(&http(404), true), Refused::Perhaps);
        assert_eq!(refused(&http(400), true), Refused::Perhaps);
        for status in [400, 429, 500, 503] {
            assert_eq!(refused(&http(status), false), Refused::ForNow);
        }
        assert_eq!(refused(&Err(WireError::Broken(String::new())), true), Refused::ForNow);
    }
}
