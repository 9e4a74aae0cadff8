//! The same endpoint over a pipe: newline-delimited JSON, for clients that only start a command.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use trunkline_model::{Era, Fault, Kind, Note, Notes, Operation};
use trunkline_observe::metrics::Metrics;
use trunkline_protocol::hello::Greeting;
use trunkline_protocol::{Message, ScanError, Scanned, Shape, method, scan};

use super::answer::{self, Answer};
use super::decode;
use super::follow::{self, Follower, Reader, Word};
use super::host::{Host, ViewName};
use super::notes;
use super::session::Session;
use crate::process::{LineError, LineReader};

/// Calls that run at a time on one pipe; further ones wait in the pipe.
const CALLS_MAX: usize = 256;
/// Messages that wait for the client to read them.
const OUTBOX: usize = 256;
/// How long running calls may take to end after the input ended.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves one client over a pipe until its input ends or `stop`.
pub async fn serve(
    input: impl AsyncRead + Unpin + Send,
    output: impl AsyncWrite + Unpin + Send + 'static,
    host: Arc<dyn Host>,
    view: ViewName,
    body_bytes_max: usize,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> io::Result<()> {
    let (outbox, outgoing) = mpsc::channel(OUTBOX);
    let writing = tokio::spawn(write(output, outgoing));
    let over = stop.child_token();
    let pipe = Arc::new(Pipe {
        host,
        view,
        metrics,
        outbox,
        calls: Arc::new(Semaphore::new(CALLS_MAX)),
        session: Mutex::new(None),
        running: Mutex::default(),
        over: over.clone(),
    });
    let mut lines = LineReader::new(input, body_bytes_max);
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            () = stop.cancelled() => break,
        };
        match line {
            Ok(Some(line)) => Arc::clone(&pipe).take(line).await,
            Ok(None) => break,
            Err(LineError::TooLong { limit }) => {
                let fault =
                    Fault::client(Kind::InvalidRequest, format!("the message is larger than {limit} bytes"));
                pipe.say(answer::refusal(None, &fault, Era::Legacy)).await;
            }
            Err(LineError::Read(error)) => return Err(error),
        }
    }
    // Calls in flight may still end, for a client that only closed its writing side.
    let _ = tokio::time::timeout(DRAIN, pipe.calls.acquire_many(CALLS_MAX as u32)).await;
    over.cancel();
    drop(pipe);
    match tokio::time::timeout(DRAIN, writing).await {
        Ok(Ok(written)) => written,
        _ => Ok(()),
    }
}

async fn write(mut output: impl AsyncWrite + Unpin, mut outgoing: mpsc::Receiver<Message>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(8 * 1024);
    while let Some(message) = outgoing.recv().await {
        let mut next = Some(message);
        while let Some(message) = next {
            for piece in message.pieces() {
                // A line end inside a message can only be white space, and here it would end the message.
                buffer.extend(piece.iter().filter(|b| !matches!(b, b'\n' | b'\r')));
            }
            buffer.push(b'\n');
            next = if buffer.len() < 64 * 1024 { outgoing.try_recv().ok() } else { None };
        }
        output.write_all(&buffer).await?;
        output.flush().await?;
        buffer.clear();
    }
    Ok(())
}

struct Pipe {
    host: Arc<dyn Host>,
    view: ViewName,
    metrics: Arc<Metrics>,
    outbox: mpsc::Sender<Message>,
    calls: Arc<Semaphore>,
    /// The legacy session, once `initialize` was seen; then the pipe is legacy for its life.
    session: Mutex<Option<Arc<Session>>>,
    /// Modern requests that run, by their id.
    running: Mutex<HashMap<Bytes, CancellationToken>>,
    over: CancellationToken,
}

impl Pipe {
    async fn say(&self, answer: Answer) {
        // A client that stopped reading has its own trouble; the pipe's end will show.
        let _ = self.outbox.send(answer.message).await;
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn take(self: Arc<Self>, line: Bytes) {
        // Lines share the block they were read into; a call may outlive many of them.
        let scanned = match scan(line.clone()) {
            Ok(scanned) => scanned,
            Err(error) => {
                let kind = if error.is_syntax() { Kind::Unparsable } else { Kind::InvalidRequest };
                let id = if let ScanError::Invalid { id, .. } = &error { id.clone() } else { None };
                let fault = Fault::client(kind, error.to_string());
                self.metrics.gateway().rejected(fault.kind.reason());
                return self
                    .say(answer::refusal(id.and_then(|span| line.get(span)), &fault, Era::Legacy))
                    .await;
            }
        };
        if scanned.shape != Shape::Request {
            return self.hear(&scanned);
        }
        let modern = scanned.params.meta.version.is_some() || &*scanned.method() == method::DISCOVER;
        match self.session() {
            Some(session) => self.legacy(session, scanned).await,
            None if modern => self.modern(scanned).await,
            None if &*scanned.method() == method::INITIALIZE => self.initialize(&scanned).await,
            None => {
                let id = scanned.id_bytes();
                let fault = Fault::client(
                    Kind::InvalidRequest,
                    "start with initialize, or send per-request metadata (2026-07-28)",
                );
                self.say(answer::refusal(id.as_deref(), &fault, Era::Legacy)).await;
            }
        }
    }

    fn hear(&self, scanned: &Scanned) {
        if let Some(session) = self.session() {
            return session.hear(scanned);
        }
        if scanned.shape == Shape::Notification && &*scanned.method() == method::CANCELLED {
            let id = scanned.params.request_id.as_ref().map(|span| scanned.share(span));
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(token) = id.and_then(|id| running.get(&id).cloned()) {
                token.cancel();
            }
        }
    }

    async fn initialize(self: Arc<Self>, scanned: &Scanned) {
        let id = scanned.id_bytes().unwrap_or_default();
        let counted = self.metrics.gateway().sessions().hold();
        let session = match Session::open(self.view.clone(), scanned, counted) {
            Ok(session) => Arc::new(session),
            Err(fault) => return self.say(answer::refusal(Some(&id), &fault, Era::Legacy)).await,
        };
        let introduced = Arc::clone(&self.host).greet(self.view.clone()).await;
        let welcome = session.welcome(&introduced);
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
        self.say(answer::result(&id, &welcome)).await;
        if let Some(changes) = self.host.changes(&self.view) {
            let follower =
                Follower::new(Reader::Session(session), changes, [self.over.clone(), self.over.clone()]);
            tokio::spawn(pump(follower, self.outbox.clone(), None));
        }
    }

    async fn legacy(self: Arc<Self>, session: Arc<Session>, scanned: Scanned) {
        let Ok(room) = Arc::clone(&self.calls).acquire_owned().await else { return };
        let notes = Arc::new(Outbox(self.outbox.clone())) as Arc<dyn Notes>;
        let over = self.over.clone();
        // A task per call: one reader serves many calls that end in any order.
        tokio::spawn(async move {
            let answered = tokio::select! {
                answered = session.request(Arc::clone(&self.host), scanned, notes) => answered,
                () = over.cancelled() => None,
            };
            if let Some(answer) = answered {
                self.say(answer).await;
            }
            drop(room);
        });
    }

    async fn modern(self: Arc<Self>, scanned: Scanned) {
        let id = scanned.id_bytes().unwrap_or_default();
        let notes = Arc::new(Outbox(self.outbox.clone())) as Arc<dyn Notes>;
        let decoded = decode::modern_caller(&scanned)
            .and_then(|(caller, level)| decode::call(&scanned, Arc::new(caller), level, None, notes));
        let call = match decoded {
            Ok(call) => call,
            Err(fault) => return self.say(answer::refusal(Some(&id), &fault, Era::Modern)).await,
        };
        let key = Bytes::copy_from_slice(&id);
        let token = self.over.child_token();
        if !self.begin(&key, &token) {
            let fault = Fault::client(Kind::InvalidRequest, "a request with this id is still running");
            return self.say(answer::refusal(Some(&id), &fault, Era::Modern)).await;
        }
        let Ok(room) = Arc::clone(&self.calls).acquire_owned().await else { return };
        tokio::spawn(async move {
            let long = matches!(call.operation, Operation::Listen(_));
            // A listen request lasts; it must not take the room of calls.
            let room = if long { None } else { Some(room) };
            Arc::clone(&self).run_modern(&id, call, token).await;
            self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            drop(room);
        });
    }

    /// Notes a request as running; `false` when one with its id runs already, which then goes on.
    fn begin(&self, id: &Bytes, token: &CancellationToken) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let free = !running.contains_key(id);
        if free {
            running.insert(id.clone(), token.clone());
        }
        free
    }

    async fn run_modern(self: Arc<Self>, id: &Bytes, call: trunkline_model::Call, token: CancellationToken) {
        match &call.operation {
            Operation::Hello => {
                let introduced = Arc::clone(&self.host).greet(self.view.clone()).await;
                let greeting = Greeting {
                    capabilities: &introduced.modern_capabilities,
                    server_info: &introduced.server_info,
                    instructions: introduced.instructions.as_deref(),
                };
                self.say(answer::result(id, &greeting.discover(introduced.ttl_ms))).await;
            }
            Operation::Listen(watch) => {
                let Some(changes) = self.host.changes(&self.view) else { return };
                let wish = |uri: &trunkline_model::Text| {
                    self.host.subscribe(&self.view, uri).ok().map(|wish| (uri.clone(), wish))
                };
                let reader = Reader::Listen {
                    id: id.clone(),
                    tools: watch.tools,
                    prompts: watch.prompts,
                    resources: watch.resources,
                    wishes: watch.uris.iter().filter_map(wish).collect(),
                };
                if let Some(first) = follow::acknowledgement(&reader) {
                    let _ = self.outbox.send(first).await;
                }
                pump(
                    Follower::new(reader, changes, [token, self.over.clone()]),
                    self.outbox.clone(),
                    Some(follow::completion(id)),
                )
                .await;
            }
            _ => {
                let operation = call.operation.clone();
                let served = Arc::clone(&self.host).serve(self.view.clone(), call);
                let outcome = tokio::select! {
                    outcome = served => outcome,
                    () = token.cancelled() => return,
                };
                self.say(answer::outcome(id, &outcome, Era::Modern, &operation)).await;
            }
        }
    }
}

/// Tells a client what a follower hears, until either ends.
async fn pump(mut follower: Follower, outbox: mpsc::Sender<Message>, last: Option<Message>) {
    loop {
        let message = match follower.next().await {
            Word::Say(message) => message,
            // A pipe needs no sign of life.
            Word::Alive => continue,
            Word::Over => break,
        };
        if outbox.send(message).await.is_err() {
            return;
        }
    }
    if let Some(last) = last {
        let _ = outbox.send(last).await;
    }
}

/// Notes straight into the outbox; a full one drops them rather than hold up the server they come from.
struct Outbox(mpsc::Sender<Message>);

impl Notes for Outbox {
    fn note(&self, note: Note) {
        let _ = self.0.try_send(notes::message(&note));
    }
}
