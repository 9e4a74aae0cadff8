//! The body of an answer: nothing, a finished message, one whose result still arrives, or a stream of events.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use trunkline_model::{Arriving, Source};
use trunkline_protocol::compose;

use super::heads::Busy;
use crate::pieces::Pieces;

/// The body of an answer.
pub(crate) enum Body {
    /// A finished message, or nothing.
    Whole(Pieces),
    /// A message whose result still arrives.
    Arriving(Box<Passing>),
    /// Events, made as the client takes them.
    Events(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

/// The beginning of a message, then a result as it comes, then the end of the message: only behind a result that was
/// whole and right.
pub(crate) struct Passing {
    /// Goes along with the first piece.
    head: Pieces,
    /// Gone once its end has come.
    arriving: Option<Arriving>,
    busy: Option<Busy>,
}

/// An answer broke off. The connection is closed, so that no client takes what it got for an answer.
#[derive(Debug)]
pub(crate) struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rest of the answer did not come")
    }
}

impl std::error::Error for BrokenOff {}

impl Body {
    /// Has a result follow what there is.
    pub(super) fn goes_on(&mut self, arriving: Arriving) {
        if let Self::Whole(head) = self {
            let head = std::mem::take(head);
            let passing = Passing { head, arriving: Some(arriving), busy: None };
            *self = Self::Arriving(Box::new(passing));
        }
    }

    /// Whether the call goes on while the body is sent; the connection is then `busy` until its end.
    pub(super) fn keeps_busy(&mut self, busy: &Busy) -> bool {
        let Self::Arriving(passing) = self else { return false };
        passing.busy = Some(busy.clone());
        true
    }
}

impl Passing {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Pieces, BrokenOff>>> {
        let Some(arriving) = self.arriving.as_mut() else { return Poll::Ready(None) };
        let mut next = ready!(arriving.poll_piece(cx));
        let mut out = std::mem::take(&mut self.head);
        if let Some(Ok(piece)) = next {
            out.push(piece);
            // Where the end is at hand it comes along: to write one byte costs about as much as to write many.
            let end = if arriving.is_whole() { arriving.poll_piece(cx) } else { Poll::Pending };
            let Poll::Ready(end) = end else { return Poll::Ready(Some(Ok(out))) };
            next = end;
        }
        self.arriving = None;
        if next.is_some() {
            return Poll::Ready(Some(Err(BrokenOff)));
        }
        out.push(Bytes::from_static(compose::RESULT_TAIL));
        Poll::Ready(Some(Ok(out)))
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if let Some(busy) = &self.busy {
            busy.set(false);
        }
    }
}

impl HttpBody for Body {
    type Data = Pieces;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Pieces>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(pieces) => {
                let all = std::mem::take(pieces);
                Poll::Ready(all.has_remaining().then(|| Ok(Frame::data(all))))
            }
            Self::Arriving(passing) => {
                passing.poll_data(cx).map(|next| next.map(|data| data.map(Frame::data)))
            }
            Self::Events(events) => {
                events.as_mut().poll_next(cx).map(|next| next.map(|data| Ok(Frame::data(data.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(pieces) => !pieces.has_remaining(),
            Self::Arriving(passing) => passing.arriving.is_none(),
            Self::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(pieces) => SizeHint::with_exact(pieces.remaining() as u64),
            Self::Arriving(_) | Self::Events(_) => SizeHint::default(),
        }
    }
}
