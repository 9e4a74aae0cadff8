//! Requests of the legacy era: `initialize`, sessions, the GET stream, DELETE, and batches of the oldest revisions.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Response, StatusCode};
use trunkline_model::{Era, Fault, Kind, Quiet};
use trunkline_protocol::{Revision, Scanned, Shape, method};

use super::super::answer;
use super::super::asking::{Asking, Voice};
use super::super::batch;
use super::super::follow::{self, Follower};
use super::super::host::ViewName;
use super::super::notes::Pad;
use super::super::replay::{Purpose, Reader, Resumed};
use super::super::said;
use super::super::session::{Begun, Session};
use super::ahead::Ahead;
use super::body::Body;
use super::header::Headers;
use super::route::{Handled, Refusal, refuse};
use super::unhurried::Unhurried;
use super::{Front, leaving, respond, stream};
use crate::{names, sse};

/// Begins one message.
pub(crate) fn begin(
    front: &Arc<Front>,
    view: ViewName,
    headers: &Headers<'_>,
    scanned: &Scanned,
    peer: IpAddr,
) -> Result<Ahead, Refusal> {
    if scanned.shape == Shape::Request && &*scanned.method() == method::INITIALIZE {
        if front.ending.refuses() {
            return Err(leaving::refusal(front, scanned.id_bytes().as_deref(), Era::Legacy));
        }
        return Ok(Ahead::Rare(Box::pin(initialize(Arc::clone(front), view, scanned.clone(), peer))));
    }
    let session = find(front, &view, headers, scanned.id_bytes())?;
    if scanned.shape != Shape::Request {
        session.hear(&*front.host, scanned);
        return Ok(Ahead::Answered(respond::empty(StatusCode::ACCEPTED)));
    }
    if front.ending.refuses() && !goes_on(scanned) {
        return Err(leaving::refusal(front, scanned.id_bytes().as_deref(), Era::Legacy));
    }
    let (notes, pad) = Pad::of_client(headers.accepts_events());
    let notes = match &pad {
        Some(pad) if session.can_be_asked() => {
            Asking::through(Voice::Pad(Arc::clone(pad)), Arc::clone(&session))
        }
        _ => notes,
    };
    Ok(match session.request(&front.host, scanned, notes, true) {
        Begun::Answered(answer) => Ahead::Answered(respond::answer(answer)),
        Begun::Call(calling) => Ahead::Legacy(Unhurried::new(calling, Arc::clone(&session)), pad, session),
    })
}

/// Whether a request is about something that is under way.
fn goes_on(scanned: &Scanned) -> bool {
    matches!(
        &*scanned.method(),
        method::PING
            | method::GET_TASK
            | method::TASK_RESULT
            | method::UPDATE_TASK
            | method::CANCEL_TASK
            | method::LIST_TASKS
    )
}

async fn initialize(front: Arc<Front>, view: ViewName, scanned: Scanned, peer: IpAddr) -> Handled {
    let id = scanned.id_bytes().unwrap_or_default();
    let session = match Session::open(view, &scanned, Some(peer), front.sessions.counted()) {
        Ok(session) => Arc::new(session.by_exchange()),
        Err(fault) => return Ok(respond::answer(answer::refusal(Some(&id), &fault, Era::Legacy))),
    };
    let welcome = session.welcome(&front.host).await;
    let Some(session_id) = front.sessions.add(session) else {
        let fault = Fault::overloaded("too many sessions are in use; try again later");
        return Ok(respond::answer(answer::refusal(Some(&id), &fault, Era::Legacy)));
    };
    let mut response = respond::answer(answer::result(&id, &welcome));
    if let Ok(value) = HeaderValue::try_from(session_id) {
        response.headers_mut().insert(names::SESSION.clone(), value);
    }
    Ok(response)
}

/// The session that a request belongs to.
fn find(
    front: &Front,
    view: &ViewName,
    headers: &Headers<'_>,
    id: Option<Bytes>,
) -> Result<Arc<Session>, Refusal> {
    let session_id = match headers.session.values() {
        [_] => headers.session.text().unwrap_or_default(),
        [] => {
            let text = "start with initialize and send its Mcp-Session-Id, or send per-request metadata (2026-07-28)";
            return Err(refusal(front, StatusCode::BAD_REQUEST, text, id));
        }
        _ => {
            return Err(refusal(
                front,
                StatusCode::BAD_REQUEST,
                "there is more than one Mcp-Session-Id header",
                id,
            ));
        }
    };
    let session = front.sessions.get(session_id).filter(|session| session.view == *view);
    let session = session.ok_or_else(|| {
        refusal(front, StatusCode::NOT_FOUND, "the session does not exist (any more)", id.clone())
    })?;
    check_version(headers).map_err(|text| refusal(front, StatusCode::BAD_REQUEST, text, id))?;
    Ok(session)
}

/// A version header must name a revision that has sessions; without one the session says it all (2025-06-18,
/// protocol version header).
fn check_version(headers: &Headers<'_>) -> Result<(), &'static str> {
    match headers.version.values() {
        [] => Ok(()),
        [_] => {
            let known = headers.version.text().and_then(|version| Revision::parse(version.trim()));
            let fits = known.is_some_and(|revision| revision.era() == Era::Legacy);
            fits.then_some(()).ok_or("MCP-Protocol-Version names a revision that is not supported here")
        }
        _ => Err("there is more than one MCP-Protocol-Version header"),
    }
}

fn refusal(front: &Front, status: StatusCode, text: &'static str, id: Option<Bytes>) -> Box<Response<Body>> {
    front.metrics.gateway().rejected(if status == StatusCode::NOT_FOUND {
        "unknown_session"
    } else {
        "bad_request"
    });
    let fault = Fault::client(Kind::InvalidRequest, text);
    let answer = answer::refusal(id.as_deref(), &fault, Era::Legacy);
    Box::new(respond::json(status, answer.message))
}

/// The stream on which a session hears of changes, which takes the place of the one that was open before; or, with the
/// id of an event, the rest of the stream that the event was on.
pub(crate) fn get(front: &Arc<Front>, view: &ViewName, headers: &Headers<'_>, peer: IpAddr) -> Handled {
    if !headers.session.is_some() {
        let text =
            "a GET stream needs a session; start with initialize, or accept text/event-stream for HTTP+SSE";
        let mut response = refuse(front, StatusCode::METHOD_NOT_ALLOWED, text);
        response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static("POST"));
        return Err(response);
    }
    let session = find(front, view, headers, None)?;
    if !headers.accepts_events() {
        return Err(refuse(front, StatusCode::NOT_ACCEPTABLE, "accept text/event-stream"));
    }
    let Some(room) = front.stream_room(peer) else {
        return Err(refuse(
            front,
            StatusCode::SERVICE_UNAVAILABLE,
            "too many streams are open; try again later",
        ));
    };
    session.touch();
    let guard = (room, Open::begin(&session));
    let last = headers.last_event_id.text();
    let reader = match last.map_or(Resumed::Afresh, |id| session.replay.resume(id)) {
        Resumed::Reader(reader) => reader,
        // Not 404: that would tell the client that its session has gone.
        Resumed::Lost => {
            let text = "what came after this event is not kept any more; its call may have run";
            return Err(refusal(front, StatusCode::BAD_REQUEST, text, None));
        }
        Resumed::Afresh if front.ending.refuses() => {
            return Err(leaving::refusal(front, None, Era::Legacy));
        }
        Resumed::Afresh => news(front, session)?,
    };
    Ok(respond::events(Box::pin(stream::guarded(reader, guard))))
}

fn news(front: &Front, session: Arc<Session>) -> Result<Reader, Refusal> {
    let gone = || refuse(front, StatusCode::NOT_FOUND, "nothing is served at this path");
    let changes = front.host.changes(&session.view).ok_or_else(gone)?;
    let over = [session.over.clone(), front.stop.clone()];
    let source = stream::news(Follower::new(follow::Reader::Session(Arc::clone(&session)), changes, over));
    let begun = session.replay.begin(Purpose::News, source, session.revision, &front.kept);
    // Without a first byte some clients and proxies wait for the head of the answer.
    begun.map(|reader| reader.after(Bytes::from_static(sse::KEEP_ALIVE))).map_err(|_| gone())
}

/// Counts a stream on its session while it is open.
struct Open(Arc<Session>);

impl Open {
    fn begin(session: &Arc<Session>) -> Self {
        session.streams.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(session))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.touch();
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends a session.
pub(crate) fn delete(front: &Arc<Front>, view: &ViewName, headers: &Headers<'_>) -> Handled {
    if !headers.session.is_some() {
        let mut response =
            refuse(front, StatusCode::METHOD_NOT_ALLOWED, "DELETE ends a session and needs its id");
        response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static("POST"));
        return Err(response);
    }
    find(front, view, headers, None)?;
    front.sessions.remove(headers.session.text().unwrap_or_default());
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

/// A batch: only sessions of the revisions that had them may send one.
pub(crate) fn batch(
    front: &Front,
    view: &ViewName,
    headers: &Headers<'_>,
    raw: &Bytes,
) -> Result<Ahead, Refusal> {
    let refused = |text| refusal(front, StatusCode::BAD_REQUEST, text, None);
    let session = find(front, view, headers, None).map_err(|_| refused("batches are not accepted here"))?;
    if front.ending.refuses() {
        return Err(leaving::refusal(front, None, Era::Legacy));
    }
    batch::allowed(&session).map_err(refused)?;
    // Before anything is begun: a batch that is refused has done nothing.
    let messages = said::split(raw).map_err(refused)?;
    // The answer is one JSON array, in which there is no room for notes.
    let calling = batch::begin(&session, &front.host, messages, || Arc::new(Quiet));
    // The calls of a batch outlive their connection like single ones.
    Ok(Ahead::Legacy(Unhurried::new(calling, Arc::clone(&session)), None, session))
}
