//! Servers that are reached: hyper over connections in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trunkline_transport::back::{BoxFuture, Dial, Link};

use super::mind::{Channel, Said};
use super::{Server, Speaks, lock};
use crate::client::LARGE_BYTES;
use crate::wire;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The servers that can be reached, by host.
pub struct Network {
    servers: BTreeMap<String, Arc<Server>>,
    tasks: TaskTracker,
}

impl Network {
    /// These servers, at `http://<name>/mcp`.
    pub fn new(servers: &[Arc<Server>], tasks: &TaskTracker) -> Arc<Self> {
        let servers = servers.iter().map(|server| (server.name.clone(), Arc::clone(server))).collect();
        Arc::new(Self { servers, tasks: tasks.clone() })
    }
}

impl Dial for Network {
    fn dial<'a>(&'a self, origin: &'a Uri) -> BoxFuture<'a, io::Result<Box<dyn Link>>> {
        Box::pin(async move {
            let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "simulated: nobody listens");
            let server = self.servers.get(origin.host().unwrap_or_default()).ok_or_else(refused)?;
            if server.is_down() || server.once_in(40) {
                return Err(refused());
            }
            let over = server.life().child_token();
            let (near, far) = wire::connect(server.branch(), server.temper(), &over);
            self.tasks.spawn(serve(Arc::clone(server), far, over));
            Ok(Box::new(near) as Box<dyn Link>)
        })
    }
}

/// Serves whoever connects, for as long as the program runs.
///
/// # Errors
/// None, in fact: a connection that fails is its own affair.
pub async fn listen(server: Arc<Server>, listener: tokio::net::TcpListener) -> anyhow::Result<()> {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve(Arc::clone(&server), stream, CancellationToken::new()));
        }
    }
}

async fn serve(
    server: Arc<Server>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    over: CancellationToken,
) {
    let cut = over.clone();
    let service = service_fn(move |request| {
        let (server, cut) = (Arc::clone(&server), cut.clone());
        async move { Ok::<_, Infallible>(answer(server, request, cut).await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = connection => drop(ended),
        () = over.cancelled() => {}
    }
}

fn plain(status: StatusCode) -> Response<Body> {
    let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn json(status: StatusCode, message: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(message.to_string())).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

struct Exchange {
    events: mpsc::UnboundedSender<Value>,
    cut: CancellationToken,
    /// Whether changes are told here.
    listens: bool,
    /// The marks of the listen request.
    subscription: Value,
}

impl Channel for Exchange {
    fn say(&self, message: &Value) {
        let _ = self.events.send(message.clone());
    }

    fn spread(&self, message: &Value) {
        if self.listens {
            let mut message = message.clone();
            if !self.subscription.is_null() {
                message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] =
                    self.subscription.clone();
            }
            self.say(&message);
        }
    }

    fn cut(&self) {
        self.cut.cancel();
    }
}

async fn answer(server: Arc<Server>, request: Request<Incoming>, cut: CancellationToken) -> Response<Body> {
    if server.is_stalled() {
        std::future::pending::<()>().await;
    }
    let session = request.headers().get("mcp-session-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let legacy = server.speaks == Speaks::Legacy;
    match *request.method() {
        Method::POST => {}
        Method::DELETE if legacy => {
            lock(&server.sessions).remove(session.as_deref().unwrap_or_default());
            return plain(StatusCode::OK);
        }
        _ => return plain(StatusCode::METHOD_NOT_ALLOWED),
    }
    let events = request
        .headers()
        .get(ACCEPT)
        .is_some_and(|accept| accept.as_bytes().windows(12).any(|w| w == b"event-stream"));
    let Ok(body) = request.into_body().collect().await else { return plain(StatusCode::BAD_REQUEST) };
    let Ok(message) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
        server.history.broken("what is sent is JSON", "a body");
        return plain(StatusCode::BAD_REQUEST);
    };
    let method = message["method"].as_str().unwrap_or_default().to_owned();
    let mut opened = None;
    let mut asks = false;
    if legacy {
        if method == "initialize" {
            asks = !message["params"]["capabilities"]["elicitation"].is_null();
            let id = format!("session-{}-{}", server.name, server.number());
            lock(&server.sessions).insert(id.clone(), asks);
            opened = Some(id);
        } else if method == "server/discover" {
            return plain(StatusCode::BAD_REQUEST);
        } else {
            match lock(&server.sessions).get(session.as_deref().unwrap_or_default()) {
                Some(declared) => asks = *declared,
                None => return plain(StatusCode::NOT_FOUND),
            }
        }
    }
    if message.get("id").is_none() || method.is_empty() {
        if method.is_empty() {
            server.hear_answer(&message);
        }
        return plain(StatusCode::ACCEPTED);
    }
    if method == "tools/call"
        && let Some((status, after)) = server.refuses(&message["params"]["arguments"])
    {
        let mut refusal = plain(StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE));
        if let Some(after) = after {
            refusal.headers_mut().insert(RETRY_AFTER, after.as_secs().into());
        }
        return refusal;
    }
    let (sender, mut said) = mpsc::unbounded_channel::<Value>();
    let listens = method == "subscriptions/listen";
    let subscription = if listens { message["id"].clone() } else { Value::Null };
    let channel: Arc<dyn Channel> =
        Arc::new(Exchange { events: sender.clone(), cut: cut.clone(), listens, subscription });
    if listens {
        server.adopt(&channel);
    }
    let is_large = message["params"]["arguments"]["bytes"] == LARGE_BYTES;
    let answering = {
        let server = Arc::clone(&server);
        async move {
            let said = server.request(&channel, &message, asks).await;
            drop(channel);
            said
        }
    };
    // Only a plain answer can be handed on while it arrives.
    let streamed =
        events && (listens || method == "tools/call" && !server.once_in(if is_large { 2 } else { 4 }));
    if !streamed {
        // What is said besides has no place in a plain answer.
        drop(said);
        return match answering.await {
            Said::Answer(answer) => {
                let mut response = json(StatusCode::OK, &answer);
                if let Some(id) = opened
                    && let Ok(id) = http::HeaderValue::try_from(id)
                {
                    response.headers_mut().insert("mcp-session-id", id);
                }
                response
            }
            Said::Nothing => plain(StatusCode::ACCEPTED),
        };
    }
    // The answer is made by whoever reads the body: when the reader goes, the work ends.
    let (mut answering, mut sender) = (Box::pin(answering), Some(sender));
    let all = futures_util::stream::poll_fn(move |cx| {
        if let Some(events) = &sender
            && let Poll::Ready(ended) = answering.as_mut().poll(cx)
        {
            if let Said::Answer(answer) = ended {
                let _ = events.send(answer);
            }
            sender = None;
        }
        said.poll_recv(cx)
    });
    let all = all.map(|event| Ok(Frame::data(Bytes::from(format!("event: message\ndata: {event}\n\n")))));
    let mut response = Response::new(StreamBody::new(all).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/event-stream"));
    response
}
