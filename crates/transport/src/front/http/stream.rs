//! A call's answer: plain JSON when the answer comes first, an event stream as soon as there is something else to say.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http::{Response, StatusCode};
use tokio::time::{Sleep, sleep};
use trunkline_protocol::Message;

use super::super::answer::Answer;
use super::super::follow::{Follower, KEEP_ALIVE, Word};
use super::super::notes::Pad;
use super::super::session::Calling;
use super::body::Body;
use super::respond;
use crate::sse;

/// Waits for the call's answer or its first note, whichever comes first, and answers accordingly. Without a pad the
/// client takes no events, and the answer is all there is.
pub(crate) async fn answer(calling: Calling, pad: Option<Arc<Pad>>) -> Response<Body> {
    let Some(pad) = pad else { return whole(calling.await) };
    let mut call = CallStream { calling: Some(calling), pad, ready: VecDeque::new(), quiet: None };
    let first = std::future::poll_fn(|cx| call.poll_first(cx)).await;
    match first {
        First::Answer(answer) => whole(answer),
        First::Events => respond::events(Box::pin(call)),
    }
}

/// Nothing is answered to a call that was taken back; the exchange must end all the same.
fn whole(answer: Option<Answer>) -> Response<Body> {
    answer.map_or_else(|| respond::empty(StatusCode::ACCEPTED), respond::answer)
}

enum First {
    Answer(Option<Answer>),
    Events,
}

/// The events of one call: its notes, then its answer.
struct CallStream {
    calling: Option<Calling>,
    pad: Arc<Pad>,
    ready: VecDeque<Bytes>,
    quiet: Option<Pin<Box<Sleep>>>,
}

impl CallStream {
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<First> {
        let Some(calling) = self.calling.as_mut() else { return Poll::Ready(First::Answer(None)) };
        let done = calling.as_mut().poll(cx);
        // A note that was taken before the answer must be told before it.
        let note = if done.is_ready() { self.pad.take() } else { self.pad.poll(cx) };
        match (done, note) {
            (Poll::Ready(answer), None) => {
                self.calling = None;
                Poll::Ready(First::Answer(answer))
            }
            (Poll::Ready(answer), Some(note)) => {
                self.calling = None;
                self.push(note);
                self.finish(answer);
                Poll::Ready(First::Events)
            }
            (Poll::Pending, Some(note)) => {
                self.push(note);
                Poll::Ready(First::Events)
            }
            (Poll::Pending, None) => {
                // A call that takes long becomes a stream, so that comments can keep the connection alive.
                if self.poll_quiet(cx) { Poll::Ready(First::Events) } else { Poll::Pending }
            }
        }
    }

    fn push(&mut self, message: Message) {
        encode(&sse::Head::default(), &message, &mut self.ready);
        self.quiet = None;
    }

    fn finish(&mut self, answer: Option<Answer>) {
        while let Some(note) = self.pad.take() {
            self.push(note);
        }
        if let Some(answer) = answer {
            self.push(answer.message);
        }
    }

    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        let quiet = self.quiet.get_or_insert_with(|| Box::pin(sleep(KEEP_ALIVE)));
        let over = quiet.as_mut().poll(cx).is_ready();
        if over {
            self.quiet = None;
        }
        over
    }
}

impl Stream for CallStream {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        if let Some(piece) = this.ready.pop_front() {
            return Poll::Ready(Some(piece));
        }
        let Some(calling) = this.calling.as_mut() else { return Poll::Ready(None) };
        if let Poll::Ready(answer) = calling.as_mut().poll(cx) {
            this.calling = None;
            this.finish(answer);
            return Poll::Ready(this.ready.pop_front());
        }
        if let Some(note) = this.pad.poll(cx) {
            this.push(note);
            return Poll::Ready(this.ready.pop_front());
        }
        if this.poll_quiet(cx) {
            return Poll::Ready(Some(Bytes::from_static(sse::KEEP_ALIVE)));
        }
        Poll::Pending
    }
}

/// A message as an event.
pub(crate) fn encode(head: &sse::Head<'_>, message: &Message, out: &mut VecDeque<Bytes>) {
    let mut pieces = Vec::with_capacity(4);
    sse::event_pieces(head, message.pieces().iter().cloned(), &mut pieces);
    // One frame per event where it is small: fewer chunks, fewer writes.
    if pieces.iter().map(Bytes::len).sum::<usize>() <= 8 * 1024 {
        out.push_back(Bytes::from(pieces.concat()));
    } else {
        out.extend(pieces);
    }
}

/// The events of a stream that follows changes: `first`, then whatever happens, then `last` when the server ends it.
pub(crate) fn following<G: Send + 'static>(
    follower: Follower,
    first: Option<Message>,
    last: Option<Message>,
    guard: G,
) -> Pin<Box<dyn Stream<Item = Bytes> + Send>> {
    let mut ready = VecDeque::new();
    // Without a first byte some clients and proxies wait for the head of the answer.
    match first {
        Some(message) => encode(&sse::Head::default(), &message, &mut ready),
        None => ready.push_back(Bytes::from_static(sse::KEEP_ALIVE)),
    }
    let state = (follower, ready, last, false, guard);
    Box::pin(futures_util::stream::unfold(
        state,
        |(mut follower, mut ready, mut last, mut over, guard)| async move {
            loop {
                if let Some(piece) = ready.pop_front() {
                    return Some((piece, (follower, ready, last, over, guard)));
                }
                if over {
                    return None;
                }
                match follower.next().await {
                    Word::Say(message) => encode(&sse::Head::default(), &message, &mut ready),
                    Word::Alive => ready.push_back(Bytes::from_static(sse::KEEP_ALIVE)),
                    Word::Over => {
                        over = true;
                        if let Some(message) = last.take() {
                            encode(&sse::Head::default(), &message, &mut ready);
                        }
                    }
                }
            }
        },
    ))
}
