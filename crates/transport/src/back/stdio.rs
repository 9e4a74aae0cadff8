//! Newline-delimited JSON over the pipes of a child process: one pipe for all callers, answers matched by our numbers.

use std::pin::pin;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use trunkline_protocol::{Message, scan};
use trunkline_runtime::boxed;

use super::pending::Pending;
use super::{Answered, BoxFuture, Headers, Heard, Outgoing, Wire, WireError};
use crate::process::{ChildWriter, LineError, LineReader, Message as Lines, Output, WriteError};

/// Lines that are not messages, logged at most this often; a server that prints its log on stdout is common.
const NOISE_LOGGED_MAX: u64 = 20;

/// The pipes of one child.
#[derive(Clone)]
pub struct StdioWire {
    inner: Arc<Inner>,
}

struct Inner {
    writer: ChildWriter,
    pending: Pending,
}

impl StdioWire {
    /// A wire over a child's pipes. `stray` hears whatever belongs to no request of ours. The task that reads ends
    /// with the pipe.
    pub fn open(
        writer: ChildWriter,
        reader: LineReader<Output>,
        name: Arc<str>,
        stray: Arc<dyn Heard>,
    ) -> Self {
        let inner = Arc::new(Inner { writer, pending: Pending::default() });
        let ended = inner.pending.ending().clone();
        tokio::spawn(read(reader, Arc::downgrade(&inner), ended, name, stray));
        Self { inner }
    }
}

impl Wire for StdioWire {
    fn exchange(&self, out: Outgoing) -> BoxFuture<'_, Result<Answered, WireError>> {
        boxed(|| async move {
            let mut expected = self.inner.pending.expect(out.id, out.heard)?;
            // Alone, a call is quickest when it writes by itself; of many, most are written together.
            let message = lines(out.message);
            let left = if expected.alone { self.inner.writer.write_now(message) } else { Some(message) };
            if let Some(message) = left {
                self.inner.writer.send(message).await.map_err(not_sent)?;
            }
            expected.answer().await
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
        Box::pin(self.inner.pending.ended())
    }

    fn heard(&self) -> Option<u64> {
        Some(self.inner.pending.heard())
    }

    fn drop_tells(&self) -> bool {
        false
    }

    fn close(&self, why: &str) {
        self.inner.pending.close(why);
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
    mut reader: LineReader<Output>,
    inner: std::sync::Weak<Inner>,
    ended: CancellationToken,
    name: Arc<str>,
    stray: Arc<dyn Heard>,
) {
    let mut noise = 0_u64;
    let mut closed = pin!(ended.cancelled());
    let why = loop {
        let line = tokio::select! {
            // Lines that are at hand first: each look at the other takes a lock. A pipe that never runs dry yields by itself.
            biased;
            line = reader.next() => line,
            () = &mut closed => break "closed".to_owned(),
        };
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) => break "the process closed its output".to_owned(),
            Err(LineError::TooLong { limit }) => {
                let Some(inner) = inner.upgrade() else { return };
                break inner.pending.too_large(limit);
            }
            Err(LineError::Read(error)) => break format!("reading from the process failed: {error}"),
        };
        let Some(inner) = inner.upgrade() else { return };
        match scan(line) {
            Ok(message) => inner.pending.deliver(message, &*stray),
            Err(error) => {
                noise += 1;
                if noise <= NOISE_LOGGED_MAX {
                    tracing::debug!(server = &*name, %error, "skipped a line that is no message");
                }
            }
        }
    };
    if let Some(inner) = inner.upgrade() {
        inner.pending.close(&why);
    }
}
