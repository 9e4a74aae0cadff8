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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use trunkline_model::Fault;

    use super::*;

    type Said = Poll<Option<Result<Bytes, Box<Fault>>>>;

    /// Says these one after the other; of pieces, `whole` is the number of the last one.
    struct Script {
        said: VecDeque<Said>,
        whole: usize,
        pieces: usize,
    }

    impl Source for Script {
        fn poll_piece(&mut self, _: &mut Context<'_>) -> Said {
            let next = self.said.pop_front().unwrap_or(Poll::Pending);
            self.pieces += usize::from(matches!(next, Poll::Ready(Some(Ok(_)))));
            next
        }

        fn is_whole(&self) -> bool {
            self.pieces == self.whole
        }

        fn is_tool_error(&self) -> bool {
            false
        }
    }

    fn piece(text: &'static str) -> Said {
        Poll::Ready(Some(Ok(Bytes::from_static(text.as_bytes()))))
    }

    /// The frames that come, a dot for each wait, and whether it broke off.
    fn frames(said: impl Into<VecDeque<Said>>) -> Vec<String> {
        let mut body = Body::Whole(Bytes::from_static(b"<").into());
        body.goes_on(Arriving::new(Script { said: said.into(), whole: 2, pieces: 0 }));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut out = Vec::new();
        while !body.is_end_stream() && out.len() < 9 {
            out.push(match Pin::new(&mut body).poll_frame(&mut cx) {
                Poll::Pending => ".".to_owned(),
                Poll::Ready(Some(Ok(frame))) => {
                    let mut data = frame.into_data().expect("data");
                    String::from_utf8(data.copy_to_bytes(data.remaining()).to_vec()).expect("text")
                }
                Poll::Ready(Some(Err(_))) => "broken".to_owned(),
                Poll::Ready(None) => "end".to_owned(),
            });
        }
        out
    }

    #[test]
    fn head_and_end_go_along_where_they_can() {
        let end = || Poll::Ready(None);
        assert_eq!(frames([piece("a"), piece("b"), end()]), ["<a", "b}"]);
        assert_eq!(
            frames([Poll::Pending, piece("a"), Poll::Pending, piece("b"), end()]),
            [".", "<a", ".", "b}"]
        );
        assert_eq!(frames([piece("a"), piece("b"), Poll::Pending, end()]), ["<a", "b", "}"]);
    }

    #[test]
    fn what_is_wrong_at_the_end_is_told_before_the_last_piece() {
        let fault = || Poll::Ready(Some(Err(Box::new(Fault::internal("x")))));
        assert_eq!(frames([piece("a"), piece("b"), fault()]), ["<a", "broken"]);
        assert_eq!(frames([piece("a"), fault()]), ["<a", "broken"]);
        assert_eq!(frames([fault()]), ["broken"]);
    }
}
