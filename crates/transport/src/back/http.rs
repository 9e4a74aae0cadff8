//! Streamable HTTP towards a server: each request is an exchange of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use trunkline_protocol::{Message, Scanned, Shape, headers, scan};

use super::events::{Events, Position};
use super::resume::{Context, resume, until_answer};
use super::{Answered, BoxFuture, Headers, Heard, HttpClient, Outgoing, Refusal, Wire, WireError};
use crate::pieces::Pieces;

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
    client: HttpClient,
    uri: Uri,
    fixed: HeaderMap,
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
        Self { inner: Arc::new(Inner { client, uri, fixed, message_bytes_max, courtesies, ahead }) }
    }

    /// The same endpoint at another address of the same origin.
    pub fn moved(&self, uri: Uri) -> Self {
        let inner = &self.inner;
        Self::new(inner.client.clone(), uri, inner.fixed.clone(), inner.message_bytes_max)
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
            extra.push((HeaderName::from_static(headers::LAST_EVENT_ID), last.clone()));
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
        Ok(())
    }

    /// Opens an event stream (GET); errors as of [`HttpWire::follow`].
    pub(super) async fn listen(&self, extra: Headers) -> Result<Events, WireError> {
        let response = self.request(Method::GET, extra, "text/event-stream").await?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        if !is_event_stream(response.headers()) {
            return Err(WireError::Invalid("what it answered is no event stream".to_owned()));
        }
        Ok(Events::new(response.into_body(), self.inner.message_bytes_max))
    }

    /// Sends a request without a body.
    pub(super) async fn request(
        &self,
        method: Method,
        extra: Headers,
        accept: &'static str,
    ) -> Result<Response<Incoming>, WireError> {
        self.inner.send(method, None, extra, accept).await
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

    /// Ends a legacy session (DELETE). Servers may refuse; there is nothing to do about it.
    pub async fn end(&self, extra: Headers) {
        let _ = self.inner.send(Method::DELETE, None, extra, "application/json").await;
    }
}

impl Inner {
    pub(super) async fn send(
        &self,
        method: Method,
        message: Option<Message>,
        extra: Headers,
        accept: &'static str,
    ) -> Result<Response<Incoming>, WireError> {
        let has_body = message.is_some();
        let mut request = Request::new(Pieces::from(message));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.reserve(self.fixed.len() + extra.len() + 2);
        for (name, value) in &self.fixed {
            headers.append(name.clone(), value.clone());
        }
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if has_body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in extra {
            headers.insert(name, value);
        }
        self.client.inner.request(request).await.map_err(|error| {
            let text = with_causes(&error);
            // Only a failed connect proves that the server saw nothing.
            if error.is_connect() { WireError::NotSent(text) } else { WireError::Broken(text) }
        })
    }

    async fn exchange(&self, out: Outgoing) -> Result<Answered, WireError> {
        let Outgoing { id, message, headers: extra, heard } = out;
        let context = Context::of(&extra);
        let response =
            self.send(Method::POST, Some(message), extra, "application/json, text/event-stream").await?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        let session = response.headers().get(HeaderName::from_static(headers::SESSION)).cloned();
        let limit = self.message_bytes_max;
        if is_event_stream(response.headers()) {
            let mut position = Position::default();
            let mut events = Events::new(response.into_body(), limit);
            let message = match until_answer(&mut events, &mut position, id, heard.as_ref()).await {
                Ok(Some(message)) => message,
                Ok(None) | Err(WireError::Broken(_)) if context.resumes(&position) => {
                    drop(events);
                    // Boxed: it is rare, and would make every call's future larger.
                    let rest = resume(self, context, session.as_ref(), position, id, heard.as_ref());
                    Box::pin(rest).await?
                }
                Ok(None) => return Err(WireError::Broken("the stream ended before the answer".to_owned())),
                Err(error) => return Err(error),
            };
            return Ok(Answered { message, session });
        }
        if response.status() == StatusCode::ACCEPTED {
            return Err(WireError::Invalid("a request was acknowledged like a notification".to_owned()));
        }
        let body = collect(response.into_body(), limit).await?;
        let message = scan(body).map_err(|e| WireError::Invalid(e.to_string()))?;
        let ours = message.id_number() == Some(id) || (message.error.is_some() && !is_number(&message));
        if message.shape != Shape::Answer || !ours {
            return Err(WireError::Invalid("the message is not the answer to this request".to_owned()));
        }
        Ok(Answered { message, session })
    }
}

/// Some servers answer errors with the id `"server-error"` or none; the exchange says whose they are.
fn is_number(message: &Scanned) -> bool {
    message.id_number().is_some()
}

impl Wire for HttpWire {
    fn exchange(&self, out: Outgoing) -> BoxFuture<'_, Result<Answered, WireError>> {
        Box::pin(self.inner.exchange(out))
    }

    fn tell(&self, message: Message, headers: Headers) -> BoxFuture<'_, Result<(), WireError>> {
        Box::pin(async move {
            let accept = "application/json, text/event-stream";
            let response = self.inner.send(Method::POST, Some(message), headers, accept).await?;
            if response.status().is_success() { Ok(()) } else { Err(refusal(response).await) }
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

pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
}

pub(super) async fn refusal(response: Response<Incoming>) -> WireError {
    let (parts, body) = response.into_parts();
    let body = match collect(body, ERROR_PAGE_BYTES_MAX).await {
        Ok(body) => body,
        Err(_) => Bytes::new(),
    };
    let message = scan(body.clone()).ok().filter(|m| m.shape == Shape::Answer);
    let mut headers = parts.headers;
    headers.remove(ALLOW);
    WireError::Refused(Box::new(Refusal { status: parts.status.as_u16(), headers, body, message }))
}

/// Reads a whole body of at most `limit` bytes. The declared length is checked before anything is read.
async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, WireError> {
    use http_body::Body as _;
    let declared = body.size_hint();
    if declared.lower() > limit as u64 {
        return Err(WireError::TooLarge(limit));
    }
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|e| WireError::Broken(with_causes(&e)))?.into_data() else { continue };
        if first.is_none() && rest.is_empty() {
            first = Some(data);
            continue;
        }
        if let Some(first) = first.take() {
            // The length is known for most answers: one allocation instead of a dozen doublings.
            let exact = declared.exact().unwrap_or(0).min(limit as u64);
            rest.reserve(usize::try_from(exact).unwrap_or(0).max(first.len() + data.len()));
            rest.extend_from_slice(&first);
        }
        if rest.len() + data.len() > limit {
            return Err(WireError::TooLarge(limit));
        }
        rest.extend_from_slice(&data);
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

/// An error with what caused it, in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
