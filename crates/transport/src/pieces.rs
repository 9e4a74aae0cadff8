//! A message as an HTTP body.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
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

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let piece = this.message.as_ref().and_then(|m| m.pieces().get(this.next)).cloned();
        this.next += 1;
        this.left -= piece.as_ref().map_or(0, |p| p.len() as u64);
        Poll::Ready(piece.map(|p| Ok(Frame::data(p))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
