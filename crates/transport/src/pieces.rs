//! The pieces of a message, one after the other.

use bytes::Bytes;
use trunkline_protocol::Message;

/// The pieces of a message, each handed to the connection as it is.
#[derive(Debug)]
pub(crate) struct Pieces {
    message: Option<Message>,
    next: usize,
    left: u64,
}

impl From<Option<Message>> for Pieces {
    fn from(message: Option<Message>) -> Self {
        let left = message.as_ref().map_or(0, |m| m.len() as u64);
        Self { message, next: 0, left }
    }
}

impl Pieces {
    /// The next piece; `None` when there are no more.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let piece = self.message.as_ref().and_then(|m| m.pieces().get(self.next)).cloned();
        self.next += 1;
        self.left -= piece.as_ref().map_or(0, |p| p.len() as u64);
        piece
    }

    /// Whether any piece is such.
    pub(crate) fn any(&self, such: impl Fn(&[u8]) -> bool) -> bool {
        self.message.iter().flat_map(trunkline_protocol::Message::pieces).any(|piece| such(piece))
    }

    /// Bytes that are left.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }
}
