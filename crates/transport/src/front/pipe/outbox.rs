//! What waits for a client of a pipe to be read: bounded in number and in bytes.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use trunkline_protocol::Message;

/// Messages that wait for the client to read them.
const MESSAGES: usize = 256;
/// Bytes that wait, for the same reason: an answer may have many. One that is larger goes when nothing else waits.
const BYTES: usize = 4 << 20;

/// A message and its place among the bytes that wait.
type Waiting = (Message, OwnedSemaphorePermit);

/// Where what is said to a client goes.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    queue: mpsc::Sender<Waiting>,
    bytes: Arc<Semaphore>,
}

/// The other end: what the wire carries to the client.
#[derive(Debug)]
pub(crate) struct Outgoing(mpsc::Receiver<Waiting>);

/// Nobody reads any more.
#[derive(Debug)]
pub(crate) struct Gone;

pub(super) fn outbox() -> (Outbox, Outgoing) {
    let (queue, outgoing) = mpsc::channel(MESSAGES);
    (Outbox { queue, bytes: Arc::new(Semaphore::new(BYTES)) }, Outgoing(outgoing))
}

fn weight(message: &Message) -> u32 {
    message.len().min(BYTES) as u32
}

impl Outbox {
    /// Says a message, as soon as there is room.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(crate) async fn send(&self, message: Message) -> Result<(), Gone> {
        let room = Arc::clone(&self.bytes).acquire_many_owned(weight(&message));
        let room = tokio::select! {
            room = room => room.map_err(|_| Gone)?,
            () = self.queue.closed() => return Err(Gone),
        };
        self.queue.send((message, room)).await.map_err(|_| Gone)
    }

    /// Waits until what waited before has gone, as far as there must be room for more. A client that does not read what
    /// it asked for is not to ask for more: the answers of calls that run wait too, each with its call.
    pub(crate) async fn room(&self) {
        tokio::select! {
            _ = self.bytes.acquire() => {}
            () = self.queue.closed() => {}
        }
    }

    /// Says a message if there is room now.
    ///
    /// # Errors
    /// The message, when there is none.
    pub(crate) fn try_send(&self, message: Message) -> Result<(), Message> {
        let Ok(room) = Arc::clone(&self.bytes).try_acquire_many_owned(weight(&message)) else {
            return Err(message);
        };
        self.queue.try_send((message, room)).map_err(|error| error.into_inner().0)
    }
}

impl Outgoing {
    /// The next message; `None` when there will be none. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        self.0.recv().await.map(|(message, _)| message)
    }

    /// The next message, if one waits.
    pub(crate) fn try_next(&mut self) -> Option<Message> {
        self.0.try_recv().ok().map(|(message, _)| message)
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.0.poll_recv(cx).map(|next| next.map(|(message, _)| message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn message(length: usize) -> Message {
        Message::One(Bytes::from(vec![b' '; length]))
    }

    #[tokio::test]
    async fn what_waits_is_bounded_by_number_and_by_bytes() {
        let (outbox, mut outgoing) = outbox();
        for _ in 0..MESSAGES {
            outbox.try_send(message(1)).unwrap();
        }
        assert!(outbox.try_send(message(1)).is_err());
        while outgoing.try_next().is_some() {}
        outbox.try_send(message(BYTES - 1)).unwrap();
        assert!(outbox.try_send(message(2)).is_err());
        outbox.try_send(message(1)).unwrap();
    }

    #[tokio::test]
    async fn a_message_larger_than_all_room_goes_alone() {
        let (outbox, mut outgoing) = outbox();
        outbox.send(message(BYTES * 2)).await.unwrap();
        assert!(outbox.try_send(message(1)).is_err());
        assert_eq!(outgoing.next().await.map(|m| m.len()), Some(BYTES * 2));
        outbox.try_send(message(1)).unwrap();
    }

    #[tokio::test]
    async fn whoever_waits_for_room_hears_that_the_reader_has_gone() {
        let (outbox, outgoing) = outbox();
        outbox.send(message(BYTES)).await.unwrap();
        let waiting = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.send(message(1)).await }
        });
        tokio::task::yield_now().await;
        drop(outgoing);
        assert!(waiting.await.unwrap().is_err());
    }
}
