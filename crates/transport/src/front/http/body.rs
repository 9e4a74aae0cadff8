//! The body of an answer: nothing, a finished message, one whose result still arrives, or a stream of events.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
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
    head: Pieces,
    /// Gone once its end has come.
    arriving: Option<Arriving>,
    is_over: bool,
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
            let head = std::mem::replace(head, Pieces::from(None));
            let passing = Passing { head, arriving: Some(arriving), is_over: false, busy: None };
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
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if let Some(piece) = self.head.next() {
            return Poll::Ready(Some(Ok(piece)));
        }
        let Some(arriving) = self.arriving.as_mut() else { return Poll::Ready(None) };
        let next = ready!(arriving.poll_piece(cx));
        if let Some(Ok(piece)) = next {
            return Poll::Ready(Some(Ok(piece)));
        }
        self.arriving = None;
        self.is_over = true;
        Poll::Ready(Some(match next {
            Some(Err(_)) => Err(BrokenOff),
            _ => Ok(Bytes::from_static(compose::RESULT_TAIL)),
        }))
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
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(pieces) => Poll::Ready(pieces.next().map(|piece| Ok(Frame::data(piece)))),
            Self::Arriving(passing) => {
                passing.poll_data(cx).map(|next| next.map(|data| data.map(Frame::data)))
            }
            Self::Events(events) => {
                events.as_mut().poll_next(cx).map(|next| next.map(|data| Ok(Frame::data(data))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(pieces) => pieces.left() == 0,
            Self::Arriving(passing) => passing.is_over,
            Self::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(pieces) => SizeHint::with_exact(pieces.left()),
            Self::Arriving(_) | Self::Events(_) => SizeHint::default(),
        }
    }
}
