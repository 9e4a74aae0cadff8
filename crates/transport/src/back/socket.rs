//! The one task of a WebSocket: it writes what is queued, reads what comes, and finds out when nobody is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::stream::{SplitSink, Stream as Source};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::{Bytes, Message as Frame, Utf8Bytes};
use trunkline_protocol::scan;

use super::Heard;
use super::client::Upgraded;
use super::pending::Pending;

/// A ping goes out this often: proxies on the way close connections that are silent for a minute.
const PING_EVERY: Duration = Duration::from_secs(25);
/// Pings in a row without a frame of the server's after which nobody is there. More than one, because a pong waits
/// behind a long message that is under way.
const PINGS_UNANSWERED_MAX: u32 = 3;
/// How long the server may take to accept one message.
const WRITE: Duration = Duration::from_secs(30);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// Frames that are no messages, logged at most this often.
const NOISE_LOGGED_MAX: u64 = 20;

type Stream = WebSocketStream<Upgraded>;

/// A message on its way out.
pub(super) struct Queued {
    pub(super) text: Utf8Bytes,
    /// Gives the bytes back when the message is written or dropped.
    pub(super) room: OwnedSemaphorePermit,
}

/// Runs until the socket ends, or until nobody holds the other end of the queue any more.
pub(super) async fn serve(
    stream: Stream,
    queue: mpsc::Receiver<Queued>,
    room: Arc<Semaphore>,
    pending: Arc<Pending>,
    stray: Arc<dyn Heard>,
) {
    let (mut sink, source) = stream.split();
    let unanswered = AtomicU32::new(0);
    let why = tokio::select! {
        why = read(source, &unanswered, &pending, &*stray) => why,
        why = write(&mut sink, queue, &unanswered) => why,
    };
    // Before waiting senders are woken, which ask why.
    pending.close(&why);
    room.close();
    let _ = timeout(GOODBYE, sink.close()).await;
}

async fn read(
    mut source: impl Source<Item = Result<Frame, Error>> + Unpin,
    unanswered: &AtomicU32,
    pending: &Pending,
    stray: &dyn Heard,
) -> String {
    let mut noise = 0_u64;
    while let Some(frame) = source.next().await {
        unanswered.store(0, Ordering::Relaxed);
        let error = match frame {
            Ok(Frame::Text(text)) => match scan(Bytes::from(text)) {
                Ok(message) => {
                    pending.deliver(message, stray);
                    continue;
                }
                Err(error) => error.to_string(),
            },
            // Pings are answered by the protocol itself.
            Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_)) => continue,
            Ok(Frame::Binary(_)) => "a binary frame".to_owned(),
            Ok(Frame::Close(None)) => return "the server closed the connection".to_owned(),
            Ok(Frame::Close(Some(frame))) => {
                let (code, reason) = (u16::from(frame.code), frame.reason.as_str());
                let reason: String = reason.chars().filter(|c| !c.is_control()).collect();
                return format!("the server closed the connection ({code} {reason})");
            }
            Err(Error::Capacity(CapacityError::MessageTooLong { max_size, .. })) => {
                return pending.too_large(max_size);
            }
            Err(error) => return error.to_string(),
        };
        noise += 1;
        if noise <= NOISE_LOGGED_MAX {
            tracing::debug!(%error, "skipped a frame that is no message");
        }
    }
    "the server closed the connection".to_owned()
}

async fn write(
    sink: &mut SplitSink<Stream, Frame>,
    mut queue: mpsc::Receiver<Queued>,
    unanswered: &AtomicU32,
) -> String {
    let mut next_ping = Instant::now() + PING_EVERY;
    loop {
        let (frame, room) = tokio::select! {
            queued = queue.recv() => match queued {
                Some(Queued { text, room }) => (Frame::Text(text), Some(room)),
                None => return "it is not used any more".to_owned(),
            },
            () = sleep_until(next_ping) => {
                if unanswered.fetch_add(1, Ordering::Relaxed) >= PINGS_UNANSWERED_MAX {
                    return "the server stopped answering pings".to_owned();
                }
                next_ping = Instant::now() + PING_EVERY;
                (Frame::Ping(Bytes::new()), None)
            }
        };
        match timeout(WRITE, sink.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "the server stopped reading".to_owned(),
        }
        drop(room);
    }
}

#[cfg(any(test, fuzzing))]
#[path = "socket_fuzzing.rs"]
pub(super) mod fuzzing;
