//! Streamable HTTP: `/mcp` (also `/u1/mcp`, `/u2/mcp` and so on, which are the same server under other names), and
//! `/stats` for the one who measures.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::answer::{HEADER_MISMATCH, INVALID_REQUEST, PARSE, Reply, Server, Slow, error_message, failure};
use super::message::Message;
use crate::era::{METHOD_HEADER, MODERN_VERSION, NAME_HEADER, SESSION_HEADER, VERSION_HEADER};
use crate::sse;

/// Largest request read.
const REQUEST_BYTES_MAX: usize = 64 << 20;
/// Progress events that may wait for a slow reader.
const EVENT_BACKLOG: usize = 16;

type Body = Either<Full<Bytes>, Events>;

/// How long tool calls take, and how many are worked on at a time: a capacity that is not the processor's.
pub(super) struct Work {
    service: Duration,
    room: Option<Semaphore>,
}

impl Work {
    /// Of so many at a time, each for so long; 0 is no bound, and no time.
    pub(super) fn new(service_ms: u64, width: usize) -> Self {
        Self { service: Duration::from_millis(service_ms), room: (width > 0).then(|| Semaphore::new(width)) }
    }

    /// Works on one call.
    async fn run(&self) {
        let _room = match &self.room {
            Some(room) => room.acquire().await.ok(),
            None => None,
        };
        if !self.service.is_zero() {
            tokio::time::sleep(self.service).await;
        }
    }
}

/// The server and what it counts.
struct Site {
    server: Arc<Server>,
    work: Work,
    sessions: Mutex<HashSet<String>>,
    /// Sessions ever opened; names the next one.
    opened: AtomicU64,
    connections: AtomicU64,
    requests: AtomicU64,
}

pub(super) async fn serve(server: Arc<Server>, port: u16, work: Work) -> anyhow::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let site = Arc::new(Site {
        server,
        work,
        sessions: Mutex::default(),
        opened: AtomicU64::new(0),
        connections: AtomicU64::new(0),
        requests: AtomicU64::new(0),
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        site.connections.fetch_add(1, Ordering::Relaxed);
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let site = Arc::clone(&site);
                async move { Ok::<_, Infallible>(site.handle(request).await) }
            });
            // A connection that breaks is the caller's to report.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Whether MCP is spoken at this path. Many paths are one process, because a hundred processes would be measured, too.
fn is_endpoint(path: &str) -> bool {
    path.strip_suffix("/mcp").is_some_and(|above| {
        above.is_empty()
            || above
                .strip_prefix("/u")
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

impl Site {
    async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        match (request.method(), request.uri().path()) {
            (&Method::POST, path) if is_endpoint(path) => self.post(request).await,
            (&Method::DELETE, path) if is_endpoint(path) => self.end_session(request.headers()),
            (_, path) if is_endpoint(path) => {
                let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, DELETE"));
                response
            }
            (&Method::GET, "/stats") => json(StatusCode::OK, self.stats()),
            _ => empty(StatusCode::NOT_FOUND),
        }
    }

    async fn post(&self, request: Request<Incoming>) -> Response<Body> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, REQUEST_BYTES_MAX).collect().await else {
            return empty(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let body = body.to_bytes();
        let message = match Message::read(&body) {
            Ok(message) => message,
            Err(error) => {
                return json(StatusCode::BAD_REQUEST, error_message("null", PARSE, &error.to_string()));
            }
        };
        if let Some(refusal) = self.refuse(&head.headers, &message) {
            return refusal;
        }
        if message.method == "tools/call" {
            self.work.run().await;
        }
        let reply = self.server.reply(&message);
        let begins = message.method == "initialize" && matches!(reply, Reply::Answer(_));
        let mut response = render(reply);
        if begins {
            response.headers_mut().insert(SESSION_HEADER, self.begin_session());
        }
        response
    }

    /// Headers that contradict the message, or a session that is not there.
    fn refuse(&self, headers: &HeaderMap, message: &Message<'_>) -> Option<Response<Body>> {
        let said = |name| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
        if message.is_modern() {
            let id = message.id?;
            let agrees = said(VERSION_HEADER) == MODERN_VERSION.as_bytes()
                && said(METHOD_HEADER) == message.method.as_bytes()
                && (message.method != "tools/call" || said(NAME_HEADER) == message.params.name.as_bytes());
            return (!agrees).then(|| render(failure(id, HEADER_MISMATCH, "headers differ from the body")));
        }
        if message.method == "initialize" || message.method == "server/discover" {
            return None;
        }
        let Some(session) = headers.get(SESSION_HEADER).and_then(|value| value.to_str().ok()) else {
            let id = message.id.map_or("null", |id| id.get());
            return Some(json(StatusCode::BAD_REQUEST, error_message(id, INVALID_REQUEST, "no session")));
        };
        let known = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).contains(session);
        (!known).then(|| empty(StatusCode::NOT_FOUND))
    }

    fn begin_session(&self) -> HeaderValue {
        // Guessable, which is no harm on the loopback of a measurement.
        let name = format!("bench-{:08}", self.opened.fetch_add(1, Ordering::Relaxed));
        let value = HeaderValue::from_str(&name).expect("letters and digits make a header value");
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        value
    }

    fn end_session(&self, headers: &HeaderMap) -> Response<Body> {
        let session = headers.get(SESSION_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let known = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
        empty(if known { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
    }

    fn stats(&self) -> Vec<u8> {
        let open = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).len();
        serde_json::json!({
            "connections": self.connections.load(Ordering::Relaxed),
            "requests": self.requests.load(Ordering::Relaxed),
            "sessions_opened": self.opened.load(Ordering::Relaxed),
            "sessions_open": open,
        })
        .to_string()
        .into_bytes()
    }
}

fn render(reply: Reply) -> Response<Body> {
    match reply {
        Reply::Nothing => empty(StatusCode::ACCEPTED),
        Reply::Answer(body) => json(StatusCode::OK, body),
        Reply::Failure(status, body) => {
            json(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), body)
        }
        Reply::Slow(slow) => stream(slow),
    }
}

fn json(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = status;
    response
}

fn stream(slow: Slow) -> Response<Body> {
    let (sender, receiver) = mpsc::channel(EVENT_BACKLOG);
    tokio::spawn(narrate(slow, sender));
    let mut response = Response::new(Either::Right(Events(receiver)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(sse::CONTENT_TYPE));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Stops early when the reader has gone.
async fn narrate(slow: Slow, sender: mpsc::Sender<Bytes>) {
    for step in 1..=slow.steps {
        if !slow.interval.is_zero() {
            tokio::time::sleep(slow.interval).await;
        }
        let Some(progress) = slow.progress(step) else { continue };
        if sender.send(sse::event(&progress).into()).await.is_err() {
            return;
        }
    }
    let _ = sender.send(sse::event(&slow.answer()).into()).await;
}

/// The body of an event stream.
struct Events(mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_is_many_servers() {
        assert!(["/mcp", "/u1/mcp", "/u100/mcp"].into_iter().all(is_endpoint));
        assert!(!["/", "/stats", "/u/mcp", "/ux/mcp", "/u1/u2/mcp", "/u1"].into_iter().any(is_endpoint));
    }
}
