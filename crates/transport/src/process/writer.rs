//! Messages into a child's stdin: a bounded queue and the one task that drains it. A message for which nobody has to
//! wait is written by its sender.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use tokio::sync::mpsc::Permit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc};
use tokio_util::sync::CancellationToken;
use trunkline_runtime::Alarm;

use super::lane::{DIRECT_BYTES_MAX, Lane, Now};
use super::limits::Limits;
use super::message::Message;

/// Waiting messages gathered into one write.
const BATCH_MESSAGES: usize = 32;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Too much waits already; the child reads too slowly. Trying again later may help.
    #[error("the server process is not keeping up: its queue is full")]
    Full,
    /// The child is gone, closes, or has closed its stdin.
    #[error("the server process no longer takes messages")]
    Closed,
    /// The child took no byte for the write deadline; it is being killed.
    #[error("the server process stopped reading")]
    Stuck,
}

/// A handle for writing to one child. Cheap to clone; messages of one caller keep their order.
#[derive(Clone, Debug)]
pub struct ChildWriter {
    queue: mpsc::Sender<Queued>,
    room: Arc<Room>,
}

/// Bytes that may still wait, and why the queue ended.
#[derive(Debug)]
struct Room {
    bytes: Arc<Semaphore>,
    bytes_max: u32,
    stuck: AtomicBool,
    lane: Lane,
}

#[derive(Debug)]
struct Queued {
    /// `None` says that something was left over by a write past the queue.
    message: Option<Message>,
    /// Gives the bytes back when the message is written or dropped.
    _room: OwnedSemaphorePermit,
}

impl ChildWriter {
    /// Writes a small message if nothing waits before it and the child takes it at once; else it comes back, to be
    /// queued.
    pub fn write_now(&self, message: Message) -> Option<Message> {
        if message.len() >= DIRECT_BYTES_MAX || self.queue.is_closed() {
            return Some(message);
        }
        match self.room.lane.write_now(message.pieces()) {
            Now::Written => None,
            Now::Begun => {
                // The task is told by a message without content. While the queue is full it has others to come by for.
                let room = Arc::clone(&self.room.bytes).try_acquire_many_owned(0);
                if let Ok(room) = room {
                    let _ = self.queue.try_send(Queued { message: None, _room: room });
                }
                None
            }
            Now::Not => Some(message),
        }
    }

    /// Queues a message, waiting for room. `Ok` means queued, not yet written.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), WriteError> {
        let message = message.into();
        // There is nearly always room. Whoever waits for some has been given what there is, and is not overtaken.
        match self.room_now(&message) {
            Ok((room, place)) => self.put(place, message, room),
            Err(WriteError::Full) => {
                let need = self.need(&message);
                let room = Arc::clone(&self.room.bytes).acquire_many_owned(need).await;
                let room = room.map_err(|_| self.ended())?;
                let place = self.queue.reserve().await.map_err(|_| self.ended())?;
                self.put(place, message, room);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Queues a message if there is room now.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), WriteError> {
        let message = message.into();
        let (room, place) = self.room_now(&message)?;
        self.put(place, message, room);
        Ok(())
    }

    fn room_now(&self, message: &Message) -> Result<(OwnedSemaphorePermit, Permit<'_, Queued>), WriteError> {
        let need = self.need(message);
        let room =
            Arc::clone(&self.room.bytes).try_acquire_many_owned(need).map_err(|error| match error {
                TryAcquireError::NoPermits => WriteError::Full,
                TryAcquireError::Closed => self.ended(),
            })?;
        let place = self.queue.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => WriteError::Full,
            mpsc::error::TrySendError::Closed(()) => self.ended(),
        })?;
        Ok((room, place))
    }

    fn put(&self, place: Permit<'_, Queued>, message: Message, room: OwnedSemaphorePermit) {
        self.room.lane.queued();
        place.send(Queued { message: Some(message), _room: room });
    }

    fn need(&self, message: &Message) -> u32 {
        u32::try_from(message.len()).unwrap_or(u32::MAX).min(self.room.bytes_max)
    }

    fn ended(&self) -> WriteError {
        if self.room.stuck.load(Ordering::Acquire) { WriteError::Stuck } else { WriteError::Closed }
    }
}

/// How the drain task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drained {
    /// Everything was written, and stdin is closed.
    Closed,
    /// The child has closed its end.
    Broken,
    /// The child took no byte for the write deadline.
    Stuck,
}

/// The task's half of the queue.
#[derive(Debug)]
pub(super) struct Drain {
    queue: mpsc::Receiver<Queued>,
    room: Arc<Room>,
    write_deadline: Duration,
}

/// A queue within `limits`: the handle, and the half its task runs.
pub(super) fn queue(limits: &Limits) -> (ChildWriter, Drain) {
    let (sender, receiver) = mpsc::channel(limits.queue_messages_max);
    let bytes = Arc::new(Semaphore::new(limits.queue_bytes_max as usize));
    let room = Arc::new(Room {
        bytes,
        bytes_max: limits.queue_bytes_max,
        stuck: AtomicBool::new(false),
        lane: Lane::default(),
    });
    let drain = Drain { queue: receiver, room: Arc::clone(&room), write_deadline: limits.write_deadline };
    (ChildWriter { queue: sender, room }, drain)
}

impl Drain {
    /// Writes what is queued until `closing`, then what is left, then closes `sink` by dropping it.
    pub(super) async fn run<W: AsyncWrite + Send + Unpin + 'static>(
        mut self,
        sink: W,
        closing: CancellationToken,
    ) -> Drained {
        self.room.lane.open(Box::new(sink));
        let mut batch = Vec::with_capacity(BATCH_MESSAGES);
        let mut pieces = Vec::with_capacity(2 * BATCH_MESSAGES);
        let mut permits = Vec::with_capacity(BATCH_MESSAGES);
        loop {
            let taken = tokio::select! {
                taken = self.queue.recv_many(&mut batch, BATCH_MESSAGES) => taken,
                () = closing.cancelled(), if !self.queue.is_closed() => {
                    self.queue.close();
                    self.room.bytes.close();
                    continue;
                }
            };
            if taken > 0 {
                self.gather(&mut batch).await;
            }
            let mut messages = self.room.lane.take_rest(&mut pieces);
            if taken + messages == 0 {
                return Drained::Closed;
            }
            for Queued { message, _room: room } in batch.drain(..) {
                if let Some(message) = message {
                    message.append_to(&mut pieces);
                    messages += 1;
                }
                permits.push(room);
            }
            if let Err(error) = write_pieces(&self.room.lane, &mut pieces, self.write_deadline).await {
                return self.ended(&error);
            }
            self.room.lane.done(messages);
            permits.clear();
        }
    }

    /// Adds what other calls are about to say. One write costs as much as ten, here and in the child; and a task that a
    /// call wakes runs before all others that are ready, when there is only that call's message.
    async fn gather(&mut self, batch: &mut Vec<Queued>) {
        if batch.len() < BATCH_MESSAGES {
            tokio::task::yield_now().await;
        }
        while batch.len() < BATCH_MESSAGES
            && let Ok(more) = self.queue.try_recv()
        {
            batch.push(more);
        }
    }

    fn ended(&self, error: &io::Error) -> Drained {
        let stuck = error.kind() == io::ErrorKind::TimedOut;
        self.room.stuck.store(stuck, Ordering::Release);
        if stuck { Drained::Stuck } else { Drained::Broken }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.room.lane.close();
        // Wakes senders that wait for room; without this they would wait for ever.
        self.room.bytes.close();
    }
}

/// Writes all pieces with as few calls as possible and leaves the list empty. Each byte taken renews the deadline.
async fn write_pieces(lane: &Lane, pieces: &mut Vec<Bytes>, deadline: Duration) -> io::Result<()> {
    let mut first = 0;
    while first < pieces.len() {
        let mut patience = Alarm::after(deadline);
        let write = poll_fn(|cx| match lane.poll_write(cx, &pieces[first..]) {
            Poll::Ready(written) => Poll::Ready(written),
            Poll::Pending => Pin::new(&mut patience).poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        });
        let mut written = write.await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while written > 0 {
            let step = written.min(pieces[first].len());
            pieces[first].advance(step);
            written -= step;
            if pieces[first].is_empty() {
                first += 1;
            }
        }
    }
    pieces.clear();
    Ok(())
}

#[cfg(test)]
#[path = "tests/writer.rs"]
mod tests;
