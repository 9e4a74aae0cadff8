//! Newline-delimited JSON over the pipes of a child process: one pipe for all callers, answers matched by our numbers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::process::ChildStdout;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use trunkline_protocol::{Message, Scanned, Shape, method, scan};

use super::{Answered, BoxFuture, Headers, Heard, Outgoing, Wire, WireError};
use crate::process::{ChildWriter, LineError, LineReader, Message as Lines, WriteError};

/// Lines that are not messages, logged at most this often; a server that prints its log on stdout is common.
const NOISE_LOGGED_MAX: u64 = 20;

/// The pipes of one child.
#[derive(Clone)]
pub struct StdioWire {
    inner: Arc<Inner>,
}

struct Inner {
    writer: ChildWriter,
    waiting: Mutex<Waiting>,
    ended: CancellationToken,
}

#[derive(Default)]
struct Waiting {
    calls: HashMap<u64, Pending>,
    /// Set when the pipe has ended: nothing is waited for any more.
    over: Option<String>,
}

struct Pending {
    answer: oneshot::Sender<Result<Scanned, WireError>>,
    heard: Option<Arc<dyn Heard>>,
}

impl StdioWire {
    /// A wire over a child's pipes. `stray` hears whatever belongs to no request of ours. The task that reads ends
    /// with the pipe.
    pub fn open(
        writer: ChildWriter,
        reader: LineReader<ChildStdout>,
        name: Arc<str>,
        stray: Arc<dyn Heard>,
    ) -> Self {
        let inner = Arc::new(Inner {
            writer,
            waiting: Mutex::new(Waiting::default()),
            ended: CancellationToken::new(),
        });
        tokio::spawn(read(reader, Arc::downgrade(&inner), inner.ended.clone(), name, stray));
        Self { inner }
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, why: &str) {
        let mut waiting = self.lock();
        waiting.over.get_or_insert_with(|| why.to_owned());
        let calls = std::mem::take(&mut waiting.calls);
        drop(waiting);
        for (_, pending) in calls {
            let _ = pending.answer.send(Err(WireError::Broken(why.to_owned())));
        }
        self.ended.cancel();
    }

    fn why_over(&self) -> String {
        self.lock().over.clone().unwrap_or_else(|| "the pipe ended".to_owned())
    }
}

/// Forgets a request whose caller has gone.
struct Forget<'a> {
    inner: &'a Inner,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.inner.lock().calls.remove(&self.id);
    }
}

impl Wire for StdioWire {
    fn exchange(&self, out: Outgoing) -> BoxFuture<'_, Result<Answered, WireError>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            {
                let mut waiting = self.inner.lock();
                if let Some(why) = &waiting.over {
                    return Err(WireError::NotSent(why.clone()));
                }
                waiting.calls.insert(out.id, Pending { answer, heard: out.heard });
            }
            let _forget = Forget { inner: &self.inner, id: out.id };
            self.inner.writer.send(lines(out.message)).await.map_err(not_sent)?;
            match answered.await {
                Ok(Ok(message)) => Ok(Answered { message, session: None }),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(WireError::Broken(self.inner.why_over())),
            }
        })
    }

    fn tell(&self, message: Message, _headers: Headers) -> BoxFuture<'_, Result<(), WireError>> {
        Box::pin(async move { self.inner.writer.send(lines(message)).await.map_err(not_sent) })
    }

    fn tell_soon(&self, message: Message, _headers: Headers) {
        if let Err(error) = self.inner.writer.try_send(lines(message)) {
            tracing::debug!(%error, "a notification was not taken");
        }
    }

    fn ended(&self) -> BoxFuture<'_, String> {
        Box::pin(async move {
            self.inner.ended.cancelled().await;
            self.inner.why_over()
        })
    }

    fn drop_tells(&self) -> bool {
        false
    }

    fn close(&self, why: &str) {
        self.inner.close(why);
    }
}

fn not_sent(error: WriteError) -> WireError {
    WireError::NotSent(error.to_string())
}

fn lines(message: Message) -> Lines {
    match message {
        Message::One(bytes) => Lines::from(bytes),
        Message::Three(pieces) => Lines::from(pieces.to_vec()),
    }
}

/// Reads until the pipe ends and hands every message to whom it concerns.
async fn read(
    mut reader: LineReader<ChildStdout>,
    inner: std::sync::Weak<Inner>,
    ended: CancellationToken,
    name: Arc<str>,
    stray: Arc<dyn Heard>,
) {
    let mut noise = 0_u64;
    let why = loop {
        let line = tokio::select! {
            line = reader.next() => line,
            () = ended.cancelled() => break "closed".to_owned(),
        };
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) => break "the process closed its output".to_owned(),
            Err(LineError::TooLong { limit }) => {
                break format!("the process sent a message of more than {limit} bytes");
            }
            Err(LineError::Read(error)) => break format!("reading from the process failed: {error}"),
        };
        let Some(inner) = inner.upgrade() else { return };
        match scan(line) {
            Ok(message) => deliver(&inner, message, &stray),
            Err(error) => {
                noise += 1;
                if noise <= NOISE_LOGGED_MAX {
                    tracing::debug!(server = &*name, %error, "skipped a line that is no message");
                }
            }
        }
    };
    if let Some(inner) = inner.upgrade() {
        inner.close(&why);
    }
}

fn deliver(inner: &Inner, message: Scanned, stray: &Arc<dyn Heard>) {
    if message.shape == Shape::Answer {
        let pending = message.id_number().and_then(|id| inner.lock().calls.remove(&id));
        if let Some(pending) = pending {
            let _ = pending.answer.send(Ok(message));
        }
        return;
    }
    // Progress names its request by our token, which is the request's number.
    let progress = message.shape == Shape::Notification && &*message.method() == method::PROGRESS;
    let token = message.params.progress_token.as_ref().filter(|_| progress);
    let owner = token.and_then(|span| std::str::from_utf8(message.at(span)).ok()?.parse::<u64>().ok());
    let heard = owner.and_then(|id| inner.lock().calls.get(&id).and_then(|p| p.heard.clone()));
    match heard {
        Some(heard) => heard.hear(message),
        None if progress => {}
        None => stray.hear(message),
    }
}
