//! One connection, with one call under way at a time; in the legacy era a session, too.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use super::check::{self, Mistake, Progress};
use super::plan::{LISTEN, Op, Plan, text};
use crate::era::{Era, LEGACY_VERSION, METHOD_HEADER, SESSION_HEADER};
use crate::sse::{self, Decoder};

/// Longest answer read.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// A connection that makes the plan's calls.
pub(crate) struct Caller {
    plan: Arc<Plan>,
    number: usize,
    sender: SendRequest<Full<Bytes>>,
    headers: HeaderMap,
    next_id: u64,
}

impl Caller {
    /// Connects; in the legacy era also opens a session.
    pub(crate) async fn open(plan: Arc<Plan>, number: usize) -> anyhow::Result<Self> {
        let sender = connect(&plan.authority).await?;
        let headers = plan.call_headers()?;
        let mut caller = Self { plan, number, sender, headers, next_id: 1 };
        if caller.plan.era == Era::Legacy {
            caller.open_session().await.context("cannot open a session")?;
        }
        Ok(caller)
    }

    /// A new connection in place of one that broke; the session stays.
    pub(super) async fn reconnect(&mut self) -> anyhow::Result<()> {
        self.sender = connect(&self.plan.authority).await?;
        Ok(())
    }

    /// A further session over the same connection; the one before stays open at the server.
    pub(crate) async fn another_session(&mut self) -> anyhow::Result<()> {
        self.headers.remove(SESSION_HEADER);
        self.open_session().await
    }

    /// Turns the connection into one that waits for news: a `subscriptions/listen` that has been acknowledged, or the
    /// GET stream of a session. It lasts as long as what is returned.
    pub(crate) async fn wait_for_news(mut self) -> anyhow::Result<News> {
        let (method, body) = match self.plan.era {
            Era::Modern => {
                self.headers.insert(METHOD_HEADER, HeaderValue::from_static(LISTEN));
                (Method::POST, self.plan.listen())
            }
            Era::Legacy => {
                self.headers.remove(CONTENT_TYPE);
                self.headers.insert(ACCEPT, HeaderValue::from_static(sse::CONTENT_TYPE));
                (Method::GET, Bytes::new())
            }
        };
        let response = self.send(method, body).await?;
        ensure!(response.status() == 200, "no stream: {}", response.status());
        ensure!(streams(response.headers()), "not an event stream");
        let mut body = response.into_body();
        if self.plan.era == Era::Modern {
            acknowledged(&mut body).await?;
        }
        Ok(News { _sender: self.sender, _body: body })
    }

    async fn open_session(&mut self) -> anyhow::Result<()> {
        #[derive(Deserialize)]
        struct Hello {
            result: Chosen,
        }
        #[derive(Deserialize)]
        struct Chosen {
            #[serde(rename = "protocolVersion")]
            version: String,
        }
        let hello = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{LEGACY_VERSION}","capabilities":{{}},"clientInfo":{{"name":"trunkline-bench","version":"1"}}}}}}"#
        );
        let response = self.send(Method::POST, hello.into()).await?;
        let (head, body) = response.into_parts();
        let mut bytes = body.collect().await?.to_bytes();
        ensure!(head.status == 200, "initialize: {} {}", head.status, String::from_utf8_lossy(&bytes));
        if streams(&head.headers) {
            bytes = last_event(&bytes);
        }
        let Hello { result } = serde_json::from_slice(&bytes)?;
        ensure!(result.version == LEGACY_VERSION, "the server chose {}", result.version);
        if let Some(session) = head.headers.get(SESSION_HEADER) {
            self.headers.insert(SESSION_HEADER, session.clone());
        }
        let ready = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let response = self.send(Method::POST, Bytes::from_static(ready)).await?;
        ensure!(response.status() == 202, "notifications/initialized: {}", response.status());
        response.into_body().collect().await?;
        Ok(())
    }

    /// One call, checked. Returns the ages of its progress events.
    pub(crate) async fn call(&mut self) -> Result<Vec<Duration>, Mistake> {
        let id = self.next_id;
        self.next_id += 1;
        let text = text(self.number, id);
        let body = self.plan.body(id, &text);
        self.plan.name_tool(id, &mut self.headers);
        let response = self.send(Method::POST, body).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        if head.status != 200 {
            let body = body.collect().await.map_err(broken)?.to_bytes();
            return Err(Mistake::Status(head.status.as_u16(), String::from_utf8_lossy(&body).into_owned()));
        }
        if streams(&head.headers) {
            return self.follow(id, &text, body).await;
        }
        let bytes = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(broken)?.to_bytes();
        check::answer(&self.plan, id, &text, &bytes)?;
        self.expect_progress(0)?;
        Ok(Vec::new())
    }

    /// Reads an event stream to its end.
    async fn follow(&self, id: u64, text: &str, mut body: Incoming) -> Result<Vec<Duration>, Mistake> {
        let mut decoder = Decoder::default();
        let mut ages = Vec::new();
        let mut outcome = Err(Mistake::Json("the stream ended without an answer".to_owned()));
        let mut misplaced = false;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            let now = SystemTime::now();
            decoder.push(&data, |event| match serde_json::from_slice::<Progress<'_>>(event) {
                Ok(note) if note.method == "notifications/progress" => {
                    misplaced |= !note.params.is(id, ages.len() as u64 + 1);
                    ages.push(age(now, &note.params.message));
                }
                _ => outcome = check::answer(&self.plan, id, text, event),
            });
        }
        outcome?;
        if misplaced {
            return Err(Mistake::Progress(ages.len() as u64));
        }
        self.expect_progress(ages.len() as u64)?;
        Ok(ages)
    }

    fn expect_progress(&self, seen: u64) -> Result<(), Mistake> {
        let expected = match self.plan.op {
            Op::Progress { steps, .. } => steps,
            _ => 0,
        };
        if seen == expected { Ok(()) } else { Err(Mistake::Progress(seen)) }
    }

    async fn send(&mut self, method: Method, body: Bytes) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        // A path comes from a parsed URL, so it parses again.
        *request.uri_mut() = self.plan.path.parse().unwrap_or_default();
        request.headers_mut().clone_from(&self.headers);
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Ends the session, if there is one.
    pub(crate) async fn close(mut self) {
        if self.headers.contains_key(SESSION_HEADER)
            && let Ok(response) = self.send(Method::DELETE, Bytes::new()).await
        {
            // Whether it went well is not what is measured.
            let _ = response.into_body().collect().await;
        }
    }
}

/// An open stream. Nobody reads it: it is there to be open.
pub(crate) struct News {
    _sender: SendRequest<Full<Bytes>>,
    _body: Incoming,
}

/// Waits for the first event, which says that the stream stands.
async fn acknowledged(body: &mut Incoming) -> anyhow::Result<()> {
    let mut decoder = Decoder::default();
    let mut seen = false;
    while !seen {
        let frame = body.frame().await.context("the stream ended")??;
        if let Ok(data) = frame.into_data() {
            decoder.push(&data, |_| seen = true);
        }
    }
    Ok(())
}

async fn connect(authority: &str) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let Ok(stream) = TcpStream::connect(authority).await else { bail!("cannot connect to {authority}") };
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Ends with the sender, or when the other side closes; a failure shows in the next call.
    tokio::spawn(connection);
    Ok(sender)
}

fn streams(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(sse::CONTENT_TYPE.as_bytes()))
}

fn last_event(bytes: &[u8]) -> Bytes {
    let mut last = Bytes::new();
    Decoder::default().push(bytes, |event| last = Bytes::copy_from_slice(event));
    last
}

/// How long ago an event was written, by the clock both sides share.
fn age(now: SystemTime, written: &str) -> Duration {
    let written = Duration::from_nanos(written.parse().unwrap_or(u64::MAX));
    now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(written)
}

fn broken(error: impl std::fmt::Display) -> Mistake {
    Mistake::Transport(error.to_string())
}
