//! One HTTP connection of a client: a request goes out, and what comes back is read message by message, be it one JSON
//! body or a stream of events.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than any deadline that is set.
const PATIENCE: Duration = Duration::from_secs(40);

/// An open connection; dropping it cuts it, whatever is on its way.
pub(crate) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    host: String,
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, driver, host: address.to_string() })
    }

    /// Sends a request; `headers` besides those that every one has.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri("/mcp").header("Host", &self.host);
        if body.is_some() {
            request = request
                .header("Content-Type", "application/json")
                .header("Accept", "application/json, text/event-stream");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        self.sender.ready().await?;
        let sent = self.sender.send_request(request.body(Full::new(body))?);
        let (head, body) = timeout(PATIENCE, sent).await.context("no answer in time")??.into_parts();
        let events = head
            .headers
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            events,
            body,
            ahead: String::new(),
            over: false,
        })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// What comes back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    events: bool,
    body: Incoming,
    ahead: String,
    over: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    /// The next message, raw; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<String>> {
        timeout(PATIENCE, self.read()).await.context("nothing more in time")?
    }

    /// Like [`Answer::next`], for streams that may be silent for as long as they like.
    pub(crate) async fn read(&mut self) -> Result<Option<String>> {
        loop {
            if self.events {
                while let Some(end) = self.ahead.find("\n\n") {
                    let event: String = self.ahead.drain(..end + 2).collect();
                    let data: Vec<&str> = event
                        .lines()
                        .filter_map(|line| line.strip_prefix("data:"))
                        .map(str::trim_start)
                        .collect();
                    if !data.concat().is_empty() {
                        return Ok(Some(data.join("\n")));
                    }
                }
            }
            if self.over {
                let rest = std::mem::take(&mut self.ahead);
                return Ok((!self.events && !rest.trim().is_empty()).then_some(rest));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.ahead.push_str(std::str::from_utf8(&data).context("not UTF-8")?);
                    }
                }
                Some(Err(error)) => bail!("the answer broke off: {error}"),
                None => self.over = true,
            }
        }
    }
}
