//! The same endpoint over a pipe: newline-delimited JSON, for clients that only start a command.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use trunkline_model::{Fault, Kind};
use trunkline_observe::metrics::Metrics;

use super::host::{Host, ViewName};
use super::pipe::{Opening, Outgoing, Pipe};
use super::said::Said;
use crate::process::{LineError, LineReader};

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
    let over = stop.child_token();
    // However this ends, also by an error or by being dropped: nothing goes on for a client that is not there.
    let _ended = over.clone().drop_guard();
    let (pipe, outgoing) = Pipe::open(Opening { host, view, metrics, modern: true, peer: None, over });
    let writing = tokio::spawn(write(output, outgoing));
    let mut lines = LineReader::new(input, body_bytes_max);
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            () = stop.cancelled() => break,
        };
        match line {
            Ok(Some(line)) => pipe.take(Said::read(line)).await,
            Ok(None) => break,
            Err(LineError::TooLong { limit }) => {
                let fault =
                    Fault::client(Kind::InvalidRequest, format!("the message is larger than {limit} bytes"));
                pipe.refuse(None, &fault).await;
            }
            Err(LineError::Read(error)) => return Err(error),
        }
    }
    // Calls in flight may still end, for a client that only closed its writing side.
    pipe.finish(DRAIN).await;
    drop(pipe);
    match tokio::time::timeout(DRAIN, writing).await {
        Ok(Ok(written)) => written,
        _ => Ok(()),
    }
}

async fn write(mut output: impl AsyncWrite + Unpin, mut outgoing: Outgoing) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(8 * 1024);
    while let Some(message) = outgoing.next().await {
        let mut next = Some(message);
        while let Some(message) = next {
            for piece in message.pieces() {
                // A line end inside a message can only be white space, and here it would end the message.
                buffer.extend(piece.iter().filter(|b| !matches!(b, b'\n' | b'\r')));
            }
            buffer.push(b'\n');
            next = if buffer.len() < 64 * 1024 { outgoing.try_next() } else { None };
        }
        output.write_all(&buffer).await?;
        output.flush().await?;
        buffer.clear();
    }
    Ok(())
}
