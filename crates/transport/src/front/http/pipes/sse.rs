//! HTTP+SSE, the transport of 2024-11-05: a GET opens an event stream, whose first event names where to POST; what is
//! said comes in those POSTs, everything else goes out on the stream (2024-11-05, transports, HTTP with SSE).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http::{StatusCode, Uri};
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;
use trunkline_model::Era;

use super::super::super::answer;
use super::super::super::follow::KEEP_ALIVE;
use super::super::super::frames::encode;
use super::super::super::host::ViewName;
use super::super::super::pipe::{Outgoing, Pipe};
use super::super::super::said::{Said, Unreadable};
use super::super::header::Headers;
use super::super::route::{self, Handled, refuse};
use super::super::{Front, respond};
use super::Room;
use crate::sse;

/// What names the client in the address that it POSTs to.
const SESSION: &str = "sessionId";
/// Messages that were accepted and not taken yet. A POST waits for its place, so a few will do.
const INBOX: usize = 4;

/// The clients of this front by the id in their addresses. Ids are 128 random bits: who knows one may speak.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<String, Client>>);

#[derive(Clone)]
struct Client {
    view: ViewName,
    inbox: mpsc::Sender<Said>,
}

impl Clients {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id in an address, if it is one to POST to.
pub(crate) fn session_of(uri: &Uri) -> Option<&str> {
    let pairs = uri.query()?.split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == SESSION).map(|(_, id)| id)
}

/// Opens the stream of a new client.
pub(crate) fn open(front: &Arc<Front>, view: ViewName, path: &str, peer: IpAddr) -> Handled {
    let room = super::room(front, peer)?;
    let id = trunkline_runtime::random_id();
    let (inbox, incoming) = mpsc::channel(INBOX);
    front.clients.lock().insert(id.clone(), Client { view: view.clone(), inbox });
    let over = CancellationToken::new();
    let (pipe, outgoing) = super::pipe(front, view, false, peer, over.clone());
    tokio::spawn(read(Arc::clone(front), pipe, incoming, over.clone()));
    // The path that the client came by, so that it need not know another.
    let first = endpoint(&format!("{path}?{SESSION}={id}"));
    let leaving = Leaving { front: Arc::clone(front), id, over, _room: room };
    Ok(respond::events(Box::pin(Events {
        outgoing,
        ready: VecDeque::from([first]),
        quiet: Box::pin(sleep(KEEP_ALIVE)),
        _leaving: leaving,
    })))
}

/// The event that says where to POST.
fn endpoint(address: &str) -> Bytes {
    let head = sse::Head { event: Some("endpoint"), ..sse::Head::default() };
    let mut pieces = Vec::new();
    sse::event_pieces(&head, [Bytes::copy_from_slice(address.as_bytes())], &mut pieces);
    Bytes::from(pieces.concat())
}

/// Takes a message of a client. What is to be said to it goes out on the client's stream.
pub(crate) async fn post(
    front: &Arc<Front>,
    view: &ViewName,
    headers: &Headers<'_>,
    id: &str,
    body: Incoming,
) -> Handled {
    let client = front.clients.lock().get(id).filter(|client| client.view == *view).cloned();
    let Some(client) = client else {
        let text = "this session does not exist (any more): it ends with its event stream";
        return Err(refuse(front, StatusCode::NOT_FOUND, text));
    };
    let raw = route::read(front, headers, body).await?;
    let said = Said::read(raw).map_err(|what| {
        let Unreadable { id, fault } = *what;
        front.metrics.gateway().rejected(fault.kind.reason());
        Box::new(respond::answer(answer::refusal(id.as_deref(), &fault, Era::Legacy)))
    })?;
    let patience = front.live.load().options.body_timeout;
    match client.inbox.send_timeout(said, patience).await {
        Ok(()) => Ok(respond::empty(StatusCode::ACCEPTED)),
        Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
            let text = "the messages before this one are not taken yet; read the event stream";
            Err(refuse(front, StatusCode::SERVICE_UNAVAILABLE, text))
        }
        Err(mpsc::error::SendTimeoutError::Closed(_)) => {
            Err(refuse(front, StatusCode::NOT_FOUND, "the session has just ended"))
        }
    }
}

/// Takes what a client says, until it goes or the front stops.
async fn read(
    front: Arc<Front>,
    pipe: Arc<Pipe>,
    mut incoming: mpsc::Receiver<Said>,
    over: CancellationToken,
) {
    // Who opens a stream has something to say, or takes the place of somebody who has.
    let mut patience = Some(front.live.load().options.body_timeout);
    let ending = async {
        front.stop.cancelled().await;
        pipe.finish(front.ending.patience()).await;
    };
    tokio::pin!(ending);
    loop {
        let next = async {
            match patience {
                Some(limit) => timeout(limit, incoming.recv()).await.ok().flatten(),
                None => incoming.recv().await,
            }
        };
        let said = tokio::select! {
            said = next => said,
            () = over.cancelled() => return,
            // What it says meanwhile may be the answer to a question of a call that runs.
            () = &mut ending => break,
        };
        let Some(said) = said else { break };
        patience = None;
        pipe.take(Ok(said)).await;
    }
    over.cancel();
    // With the pipe the outbox ends, and with it the stream.
}

/// What is said to a client, as events.
struct Events {
    outgoing: Outgoing,
    ready: VecDeque<Bytes>,
    quiet: Pin<Box<Sleep>>,
    _leaving: Leaving,
}

impl Stream for Events {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        if this.ready.is_empty() {
            match this.outgoing.poll_next(cx) {
                Poll::Ready(Some(message)) => encode(&OF_MESSAGE, &message, &mut this.ready),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending if this.quiet.as_mut().poll(cx).is_ready() => {
                    this.ready.push_back(Bytes::from_static(sse::KEEP_ALIVE));
                }
                Poll::Pending => return Poll::Pending,
            }
            this.quiet.as_mut().reset(Instant::now() + KEEP_ALIVE);
            // The timer must be asked once to wake us.
            let _ = this.quiet.as_mut().poll(cx);
        }
        Poll::Ready(this.ready.pop_front())
    }
}

/// The clients of this transport insist on the name that newer ones take for granted.
const OF_MESSAGE: sse::Head<'static> = sse::Head { event: Some("message"), id: None, retry: None };

/// Ends the client with its stream.
struct Leaving {
    front: Arc<Front>,
    id: String,
    over: CancellationToken,
    _room: Room,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.front.clients.lock().remove(&self.id);
        self.over.cancel();
    }
}
