//! Streamable HTTP towards a server: each request is an exchange of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use trunkline_protocol::{Message, Scanned, Shape, scan};
use trunkline_runtime::boxed;

use super::arriving::{self, Beginning, Exchanged, Incoming, WHOLE_BYTES_MAX};
use super::client::{Body, Fixed, Kind, Pool, Rendered, Request, Response, Target};
use super::events::{Events, Position};
use super::resume::{Context, resume, until_answer};
use super::{Answered, BoxFuture, Headers, Heard, HttpClient, Outgoing, Refusal, Wire, WireError};
use crate::names;

/// What an answer may come as.
const ANSWER: &str = "application/json, text/event-stream";
/// How much of an error page is read.
const ERROR_PAGE_BYTES_MAX: usize = 64 * 1024;
/// Messages without an answer that may be under way at once. Each costs a task and a connection for up to
/// [`COURTESY`], and a server causes them (each of its pings is answered), so further ones are dropped.
const COURTESIES_MAX: usize = 32;
/// How long a message that nobody waits for may take.
const COURTESY: Duration = Duration::from_secs(10);

/// An HTTP endpoint.
#[derive(Clone)]
pub struct HttpWire {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) client: HttpClient,
    pool: Arc<Pool>,
    uri: Uri,
    target: Target,
    fixed: Fixed,
    pub(super) message_bytes_max: usize,
    courtesies: Arc<Semaphore>,
    /// A stream that was asked for before anybody follows it.
    ahead: Mutex<Option<Ahead>>,
}

/// An opening under way; dropping it takes the request back.
type Ahead = AbortOnDropHandle<Result<Events, WireError>>;

impl HttpWire {
    /// A wire to `uri`. `fixed` headers go with every request.
    pub fn new(client: HttpClient, uri: Uri, fixed: HeaderMap, message_bytes_max: usize) -> Self {
        let courtesies = Arc::new(Semaphore::new(COURTESIES_MAX));
        let ahead = Mutex::new(None);
        let (pool, target, fixed) = (client.pool(&uri), Target::of(&uri), Fixed::new(fixed));
        Self {
            inner: Arc::new(Inner { client, pool, uri, target, fixed, message_bytes_max, courtesies, ahead }),
        }
    }

    /// The same endpoint at another address of the same origin.
    pub fn moved(&self, uri: Uri) -> Self {
        let inner = &self.inner;
        Self::new(inner.client.clone(), uri, inner.fixed.get().clone(), inner.message_bytes_max)
    }

    /// The address.
    pub fn uri(&self) -> &Uri {
        &self.inner.uri
    }

    /// Begins to open the stream of a legacy session (GET) for whoever follows it first, and waits until it is open or
    /// refused, `within` at most: what a server says before its stream is open may be said to nobody.
    pub async fn follow_soon(&self, extra: Headers, within: Duration) {
        let (decided, decision) = tokio::sync::oneshot::channel();
        // Another wire for the request alone: this one holds the task and must not be held by it.
        let alone = self.moved(self.inner.uri.clone());
        let opening = AbortOnDropHandle::new(tokio::spawn(async move {
            let opened = alone.listen(extra).await;
            let _ = decided.send(());
            opened
        }));
        *self.inner.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(opening);
        let _ = tokio::time::timeout(within, decision).await;
    }

    /// Opens the stream of a legacy session (GET), from `position` on, and hears it out. `opened` is told once the server
    /// accepted it. A refusal comes back as [`WireError::Refused`], and a page that is no event stream as
    /// [`WireError::Invalid`]; what they mean is the caller's to say.
    pub async fn follow(
        &self,
        mut extra: Headers,
        position: &mut Position,
        heard: &dyn Heard,
        opened: impl FnOnce() + Send,
    ) -> Result<(), WireError> {
        if let Some(last) = position.last() {
            extra.push((names::LAST_EVENT_ID.clone(), last.clone()));
        }
        let ahead = self.inner.ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut events = match ahead {
            Some(opening) => {
                opening.await.unwrap_or_else(|error| Err(WireError::Broken(error.to_string())))?
            }
            None => self.listen(extra).await?,
        };
        opened();
        while let Some(message) = events.message(position).await? {
            heard.hear(message);
        }
        events.finish();
        Ok(())
    }

    /// Opens an event stream (GET); errors as of [`HttpWire::follow`].
    pub(super) async fn listen(&self, extra: Headers) -> Result<Events, WireError> {
        let response = self.get(extra, "text/event-stream").await?;
        if !response.head.is_success() {
            return Err(refusal(response, None).await);
        }
        if response.head.kind != Kind::Events {
            return Err(WireError::Invalid("what it answered is no event stream".to_owned()));
        }
        Ok(Events::new(response.body, self.inner.message_bytes_max))
    }

    /// Sends a GET.
    pub(super) async fn get(&self, extra: Headers, accept: &'static str) -> Result<Response, WireError> {
        self.inner.send("GET", None, &extra, accept).await
    }

    /// Largest message that is taken, in bytes.
    pub(super) fn message_bytes_max(&self) -> usize {
        self.inner.message_bytes_max
    }

    /// How many more notifications may be under way.
    #[cfg(test)]
    pub(super) fn courtesies_left(&self) -> usize {
        self.inner.courtesies.available_permits()
    }

    /// Like [`Wire::exchange`], for a result that may be handed on while it arrives.
    pub fn pass(&self, out: Outgoing) -> BoxFuture<'_, Result<Exchanged, WireError>> {
        let mut out = self.inner.rendered(out);
        boxed(|| async move { self.inner.pass(&mut out).await })
    }

    /// Ends a legacy session (DELETE). Servers may refuse; there is nothing to do about it.
    pub async fn end(&self, extra: Headers) {
        let _ = self.inner.send("DELETE", None, &extra, "application/json").await;
    }
}

impl Inner {
    pub(super) async fn send(
        &self,
        method: &'static str,
        message: Option<Message>,
        extra: &Headers,
        accept: &'static str,
    ) -> Result<Response, WireError> {
        let request = Request { method, target: &self.target, fixed: &self.fixed, extra, accept };
        let mut request = Rendered::new(&request, message);
        self.client.send(&self.pool, &mut request).await
    }

    fn rendered(&self, out: Outgoing) -> UnderWay {
        let Outgoing { id, message, headers: extra, heard } = out;
        let (target, fixed) = (&self.target, &self.fixed);
        let request = Request { method: "POST", target, fixed, extra: &extra, accept: ANSWER };
        UnderWay { id, request: Rendered::new(&request, Some(message)), extra, heard }
    }

    async fn exchange(&self, out: &mut UnderWay) -> Result<Answered, WireError> {
        let id = out.id;
        match self.begin(out).await? {
            Begun::Answered(answered) => Ok(*answered),
            Begun::Json(mut body, session) => {
                let message = answer(body.collect(self.message_bytes_max).await?, id)?;
                body.finish();
                Ok(Answered { message, session })
            }
        }
    }

    async fn pass(&self, out: &mut UnderWay) -> Result<Exchanged, WireError> {
        let (id, limit) = (out.id, self.message_bytes_max);
        let (mut body, session) = match self.begin(out).await? {
            Begun::Answered(answered) => return Ok(Exchanged::Whole(*answered)),
            Begun::Json(body, session) => (body, session),
        };
        match body.length() {
            Some(length) if length > limit as u64 => Err(WireError::TooLarge(limit)),
            Some(length) if length <= WHOLE_BYTES_MAX as u64 => {
                let message = answer(body.collect(limit).await?, id)?;
                body.finish();
                Ok(Exchanged::Whole(Answered { message, session }))
            }
            // Boxed, that small answers need no room for it.
            _ => Box::pin(large(body, session, id, limit)).await,
        }
    }

    /// Sends a request and reads what comes back as far as it is no plain JSON.
    async fn begin(&self, out: &mut UnderWay) -> Result<Begun, WireError> {
        let Response { head, body } = self.client.send(&self.pool, &mut out.request).await?;
        let UnderWay { id, extra, heard, .. } = out;
        let id = *id;
        if !head.is_success() {
            return Err(Box::pin(refusal(Response { head, body }, Some(id))).await);
        }
        let session = head.session;
        let limit = self.message_bytes_max;
        if head.kind == Kind::Events {
            let mut position = Position::default();
            let mut events = Events::new(body, limit);
            let message = match until_answer(&mut events, &mut position, id, heard.as_ref()).await {
                Ok(Some(message)) => {
                    events.finish();
                    message
                }
                ended @ (Ok(None) | Err(WireError::Broken(_))) if Context::of(extra).resumes(&position) => {
                    match ended {
                        Ok(_) => events.finish(),
                        Err(_) => drop(events),
                    }
                    // Boxed: it is rare, and would make every call's future larger.
                    let context = Context::of(extra);
                    let rest = resume(self, context, session.as_ref(), position, id, heard.as_ref());
                    Box::pin(rest).await?
                }
                Ok(None) => return Err(WireError::Broken("the stream ended before the answer".to_owned())),
                Err(error) => return Err(error),
            };
            return Ok(Begun::Answered(Box::new(Answered { message, session })));
        }
        if head.status == StatusCode::ACCEPTED {
            return Err(WireError::Invalid("a request was acknowledged like a notification".to_owned()));
        }
        Ok(Begun::Json(body, session))
    }
}

/// A request that is sent, and what is needed when its answer comes.
struct UnderWay {
    id: u64,
    request: Rendered,
    extra: Headers,
    heard: Option<Arc<dyn Heard>>,
}

/// An exchange that the server has answered.
enum Begun {
    /// With events, which were read to the answer.
    Answered(Box<Answered>),
    /// With JSON, which comes.
    Json(Body, Option<HeaderValue>),
}

/// The answer to the request with this id.
fn answer(raw: Bytes, id: u64) -> Result<Scanned, WireError> {
    let message = scan(raw).map_err(|e| WireError::Invalid(e.to_string()))?;
    let ours = message.id_number() == Some(id) || (message.error.is_some() && !is_number(&message));
    if message.shape != Shape::Answer || !ours {
        return Err(foreign());
    }
    Ok(message)
}

pub(super) fn foreign() -> WireError {
    WireError::Invalid("the message is not the answer to this request".to_owned())
}

/// A large answer, or one of a length that the head did not say.
async fn large(
    mut body: Body,
    session: Option<HeaderValue>,
    id: u64,
    limit: usize,
) -> Result<Exchanged, WireError> {
    let (begun, is_whole) = arriving::begin(&mut body).await?;
    if begun.length > limit {
        return Err(WireError::TooLarge(limit));
    }
    let raw = if is_whole {
        begun.whole()
    } else {
        let (returned, begun) = match Incoming::of(body, begun, id, limit)? {
            Ok(incoming) => return Ok(Exchanged::Arriving(Box::new(incoming))),
            Err(returned) => returned,
        };
        body = returned;
        rest(&mut body, begun, limit).await?
    };
    let message = answer(raw, id)?;
    body.finish();
    Ok(Exchanged::Whole(Answered { message, session }))
}

/// The whole of an answer whose beginning was read.
async fn rest(body: &mut Body, mut begun: Beginning, limit: usize) -> Result<Bytes, WireError> {
    let rest = body.collect(limit - begun.length).await.map_err(|error| match error {
        WireError::TooLarge(_) => WireError::TooLarge(limit),
        other => other,
    })?;
    begun.pieces.push(rest);
    Ok(begun.whole())
}

/// Some servers answer errors with the id `"server-error"` or none; the exchange says whose they are.
fn is_number(message: &Scanned) -> bool {
    message.id_number().is_some()
}

impl Wire for HttpWire {
    fn exchange(&self, out: Outgoing) -> BoxFuture<'_, Result<Answered, WireError>> {
        let mut out = self.inner.rendered(out);
        boxed(|| async move { self.inner.exchange(&mut out).await })
    }

    fn tell(&self, message: Message, headers: Headers) -> BoxFuture<'_, Result<(), WireError>> {
        Box::pin(async move {
            let mut response = self.inner.send("POST", Some(message), &headers, ANSWER).await?;
            if !response.head.is_success() {
                return Err(refusal(response, None).await);
            }
            if acknowledges(&mut response).await {
                response.body.finish();
            }
            Ok(())
        })
    }

    fn tell_soon(&self, message: Message, headers: Headers) {
        let Ok(room) = Arc::clone(&self.inner.courtesies).try_acquire_owned() else {
            tracing::debug!(max = COURTESIES_MAX, "too many notifications are under way; one was dropped");
            return;
        };
        let wire = self.clone();
        tokio::spawn(async move {
            let _room = room;
            let told = tokio::time::timeout(COURTESY, wire.tell(message, headers)).await;
            if let Ok(Err(error)) = told {
                tracing::debug!(%error, "a notification was not taken");
            }
        });
    }

    fn ended(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }

    fn drop_tells(&self) -> bool {
        true
    }
}

/// Whether this is what a server says to a message that has no answer. An answer is none: it belongs to another request, and
/// what the server says to this message is still to come on the connection.
async fn acknowledges(response: &mut Response) -> bool {
    if response.head.status != StatusCode::OK || response.body.length() == Some(0) {
        return true;
    }
    if response.head.kind == Kind::Events {
        return false;
    }
    let Ok(page) = response.body.collect(ERROR_PAGE_BYTES_MAX).await else { return false };
    !scan(page).is_ok_and(|message| is_number(&message))
}

/// What a status that is no success means. `id` is the number of the request that was refused, if it has one.
pub(super) async fn refusal(response: Response, id: Option<u64>) -> WireError {
    let Response { head, mut body } = response;
    let collected = body.collect(ERROR_PAGE_BYTES_MAX).await;
    let page = collected.as_ref().cloned().unwrap_or_default();
    let message = scan(page.clone()).ok().filter(|m| m.shape == Shape::Answer);
    let named = message.as_ref().and_then(Scanned::id_number);
    if id.is_some() && named.is_some() && named != id {
        return foreign();
    }
    if collected.is_ok() {
        body.finish();
    }
    let mut headers = head.headers;
    headers.remove(ALLOW);
    WireError::Refused(Box::new(Refusal { status: head.status, headers, body: page, message }))
}
