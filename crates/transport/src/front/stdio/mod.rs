//! The same endpoint over a pipe: newline-delimited JSON, for clients that only start a command.
//!
//! `pipe.rs` takes what the client says, `modern.rs` runs the requests of the modern era.

mod modern;
mod pipe;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use trunkline_model::{Era, Fault, Kind};
use trunkline_observe::metrics::Metrics;
use trunkline_protocol::Message;

use super::answer;
use super::host::{Host, ViewName};
use super::running::RUNNING_MAX;
use crate::process::{LineError, LineReader};
use pipe::Pipe;

/// Listen requests at a time. A client needs one; each of them follows every change.
const LISTENS_MAX: usize = 64;
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
        calls: Arc::new(Semaphore::new(RUNNING_MAX)),
        listens: Arc::new(Semaphore::new(LISTENS_MAX)),
        session: Mutex::new(None),
        running: Arc::default(),
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
    let _ = tokio::time::timeout(DRAIN, pipe.calls.acquire_many(RUNNING_MAX as u32)).await;
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
