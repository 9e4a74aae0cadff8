//! A bare relay from HTTP to one child: ids rewritten, writes gathered, nothing else read.
//!
//! Requests and their answers only: no progress, and no sessions (the handshake goes to the child like any request).

use std::collections::HashMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};

use super::Envelope;

/// Requests that may wait for the child to read. More callers than any measurement has.
const BACKLOG: usize = 1024;
/// Bytes read from the child in one go, at most.
const PIPE_BYTES: usize = 64 << 10;

type Waiting = Mutex<HashMap<u64, oneshot::Sender<Vec<u8>>>>;

struct Relay {
    next: AtomicU64,
    waiting: Arc<Waiting>,
    to_child: mpsc::Sender<Vec<u8>>,
}

pub(super) async fn serve(port: u16, command: &[OsString]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("--child needs a program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let stdin = child.stdin.take().context("the child has no stdin")?;
    let stdout = child.stdout.take().context("the child has no stdout")?;
    let waiting = Arc::<Waiting>::default();
    let (to_child, from_callers) = mpsc::channel(BACKLOG);
    tokio::spawn(write(from_callers, stdin));
    tokio::spawn(read(stdout, Arc::clone(&waiting)));
    let relay = Arc::new(Relay { next: AtomicU64::new(0), waiting, to_child });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let relay = Arc::clone(&relay);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let relay = Arc::clone(&relay);
                async move { Ok::<_, Infallible>(relay.handle(request).await) }
            });
            // A connection that breaks is the caller's to report.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Relay {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        if request.method() != Method::POST {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return response;
        }
        match self.exchange(request).await {
            Ok(Some(answer)) => {
                *response.body_mut() = Full::from(answer);
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            Ok(None) => *response.status_mut() = StatusCode::ACCEPTED,
            Err(_) => *response.status_mut() = StatusCode::BAD_GATEWAY,
        }
        response
    }

    /// The child's answer under the caller's id; none for a notification.
    async fn exchange(&self, request: Request<Incoming>) -> anyhow::Result<Option<Vec<u8>>> {
        let body = request.into_body().collect().await?.to_bytes();
        let Some(id) = serde_json::from_slice::<Envelope<'_>>(&body)?.id else {
            self.to_child.send([&body, &b"\n"[..]].concat()).await?;
            return Ok(None);
        };
        let ours = self.next.fetch_add(1, Ordering::Relaxed);
        let mut line = with_id(&body, id, ours.to_string().as_bytes());
        line.push(b'\n');
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(ours, answer);
        self.to_child.send(line).await?;
        let answer = answered.await?;
        let theirs = serde_json::from_slice::<Envelope<'_>>(&answer)?.id.context("an answer without id")?;
        Ok(Some(with_id(&answer, theirs, id.get().as_bytes())))
    }
}

/// `message`, of which `id` is a part, with another id in its place.
fn with_id(message: &[u8], id: &RawValue, new: &[u8]) -> Vec<u8> {
    let start = id.get().as_ptr() as usize - message.as_ptr() as usize;
    [&message[..start], new, &message[start + id.get().len()..]].concat()
}

async fn write(mut from_callers: mpsc::Receiver<Vec<u8>>, mut stdin: ChildStdin) {
    let mut lines = Vec::new();
    while from_callers.recv_many(&mut lines, BACKLOG).await > 0 {
        if stdin.write_all(&lines.concat()).await.is_err() {
            return;
        }
        lines.clear();
    }
}

async fn read(stdout: ChildStdout, waiting: Arc<Waiting>) {
    #[derive(Deserialize)]
    struct Numbered {
        id: u64,
    }
    let mut stdout = BufReader::with_capacity(PIPE_BYTES, stdout);
    let mut line = Vec::new();
    while stdout.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        let line = std::mem::take(&mut line);
        if let Ok(Numbered { id }) = serde_json::from_slice(&line)
            && let Some(caller) = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
        {
            // A caller that has gone needs no answer.
            let _ = caller.send(line);
        }
    }
    // The child has gone: nobody shall wait for it.
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_changes_and_nothing_else() {
        let message = br#"{"jsonrpc":"2.0", "id" : "a-1" ,"method":"ping","params":{"id":5}}"#;
        let id = serde_json::from_slice::<Envelope<'_>>(message).unwrap().id.unwrap();
        assert_eq!(
            with_id(message, id, b"17"),
            br#"{"jsonrpc":"2.0", "id" : 17 ,"method":"ping","params":{"id":5}}"#
        );
    }
}
