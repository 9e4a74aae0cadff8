//! A call's answer: plain JSON when the answer comes first, an event stream as soon as there is something else to say.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use trunkline_protocol::{Message, Revision};
use trunkline_runtime::Alarm;

use super::super::answer::Answer;
use super::super::bell::Bell;
use super::super::follow::{Follower, KEEP_ALIVE, Word};
use super::super::frames::encode;
use super::super::notes::Pad;
use super::super::replay::{Purpose, Source};
use super::super::session::Session;
use super::body::Body;
use super::respond;
use crate::sse;

/// A call that takes this long becomes a stream for a client that can come back to one: from then on a connection that
/// breaks costs it nothing. Most calls are answered before.
const PRIME_AFTER: Duration = Duration::from_secs(1);

/// A call that runs. It may be moved between polls: what it awaits is in a box of its own.
pub(crate) trait Running: Future<Output = Option<Answer>> + Unpin + Send + 'static {}

impl<F: Future<Output = Option<Answer>> + Unpin + Send + 'static> Running for F {}

/// Waits for the call's answer or its first note, whichever comes first, and answers accordingly. Without a pad the
/// client takes no events, and the answer is all there is.
pub(crate) async fn answer(calling: impl Running, pad: Option<Arc<Pad>>) -> Response<Body> {
    let Some(pad) = pad else { return whole(calling.await) };
    match Words::of(pad, KEEP_ALIVE).begin(calling).await {
        Ok(words) => respond::events(plain(words)),
        Err(answer) => whole(answer),
    }
}

/// The same for a call of a session, whose client may come back for what it missed.
pub(crate) async fn resumable(
    calling: impl Running,
    pad: Arc<Pad>,
    session: &Session,
    room: &Arc<Semaphore>,
) -> Response<Body> {
    let patience = if session.revision >= Revision::R2025_11_25 { PRIME_AFTER } else { KEEP_ALIVE };
    match Words::of(pad, patience).begin(calling).await {
        Ok(words) => match session.replay.begin(Purpose::Call, Box::pin(words), session.revision, room) {
            Ok(reader) => respond::events(Box::pin(reader)),
            Err(words) => respond::events(plain(words)),
        },
        Err(answer) => whole(answer),
    }
}

/// Nothing is answered to a call that was taken back; the exchange must end all the same.
fn whole(answer: Option<Answer>) -> Response<Body> {
    answer.map_or_else(|| respond::empty(StatusCode::ACCEPTED), respond::answer)
}

/// What comes first.
enum First {
    /// The answer, which is all there is; none when the call was taken back.
    Answer(Option<Answer>),
    /// Something else; `done` when the answer is among it.
    Words { done: bool },
}

/// What is said during one call: its notes, then its answer.
struct Words<C> {
    /// Once there is a stream: the call, and what it is woken by.
    calling: Option<(C, Bell)>,
    /// The answer, while its result still arrives: an event is said whole.
    arriving: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    pad: Arc<Pad>,
    ready: VecDeque<Message>,
    /// How long nothing may be said.
    patience: Duration,
    quiet: Option<Alarm>,
    /// Something was said since `quiet` was set.
    said: bool,
}

impl<C> Drop for Words<C> {
    fn drop(&mut self) {
        self.pad.leave();
    }
}

impl<C: Running> Words<C> {
    fn of(pad: Arc<Pad>, patience: Duration) -> Self {
        Self {
            calling: None,
            arriving: None,
            pad,
            ready: VecDeque::new(),
            patience,
            quiet: None,
            said: false,
        }
    }

    /// Waits for something to say. The answer when that is all there is.
    async fn begin(mut self, mut calling: C) -> Result<Self, Option<Answer>> {
        match std::future::poll_fn(|cx| self.poll_first(&mut calling, cx)).await {
            First::Answer(answer) => Err(answer),
            First::Words { done } => {
                self.calling = (!done).then(|| (calling, Bell::rung()));
                self.patience = KEEP_ALIVE;
                Ok(self)
            }
        }
    }

    fn poll_first(&mut self, calling: &mut C, cx: &mut Context<'_>) -> Poll<First> {
        self.pad.attend();
        let done = Pin::new(calling).poll(cx);
        // A note that was taken before the answer must be told before it.
        let note = if done.is_ready() { self.pad.take() } else { self.pad.poll(cx) };
        match (done, note) {
            (Poll::Ready(answer), None) => Poll::Ready(First::Answer(answer)),
            (Poll::Ready(answer), Some(note)) => {
                self.push(note);
                self.finish(answer);
                Poll::Ready(First::Words { done: true })
            }
            (Poll::Pending, Some(note)) => {
                self.push(note);
                Poll::Ready(First::Words { done: false })
            }
            (Poll::Pending, None) => {
                // A call that takes long becomes a stream, so that comments can keep the connection alive.
                if self.poll_quiet(cx) { Poll::Ready(First::Words { done: false }) } else { Poll::Pending }
            }
        }
    }

    fn push(&mut self, message: Message) {
        self.ready.push_back(message);
        self.said = true;
    }

    fn finish(&mut self, answer: Option<Answer>) {
        while let Some(note) = self.pad.take() {
            self.push(note);
        }
        match answer {
            Some(answer) if answer.rest.is_some() => self.arriving = Some(Box::pin(answer.whole())),
            Some(answer) => self.push(answer.message),
            None => {}
        }
    }

    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        let patience = self.patience;
        let quiet = self.quiet.get_or_insert_with(|| Alarm::after(patience));
        if std::mem::take(&mut self.said) {
            quiet.reset(Instant::now() + patience);
        }
        let over = Pin::new(quiet).poll(cx).is_ready();
        if over {
            self.quiet = None;
        }
        over
    }
}

impl<C: Running> Stream for Words<C> {
    type Item = Word;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Word>> {
        let this = self.get_mut();
        this.pad.attend();
        loop {
            if let Some(message) = this.ready.pop_front() {
                return Poll::Ready(Some(Word::Say(message)));
            }
            if let Some(arriving) = this.arriving.as_mut() {
                if let Poll::Ready(answer) = arriving.as_mut().poll(cx) {
                    this.arriving = None;
                    this.push(answer.message);
                } else if this.poll_quiet(cx) {
                    return Poll::Ready(Some(Word::Alive));
                } else {
                    return Poll::Pending;
                }
                continue;
            }
            let Some((calling, bell)) = this.calling.as_mut() else { return Poll::Ready(None) };
            if let Poll::Ready(answer) = bell.poll_if_rung(Pin::new(calling), cx) {
                this.calling = None;
                this.finish(answer);
            } else if let Some(note) = this.pad.poll(cx) {
                this.said = true;
                return Poll::Ready(Some(Word::Say(note)));
            } else if this.poll_quiet(cx) {
                return Poll::Ready(Some(Word::Alive));
            } else {
                return Poll::Pending;
            }
        }
    }
}

/// What a follower hears, until its end.
pub(crate) fn news(follower: Follower) -> Source {
    Box::pin(futures_util::stream::unfold(follower, async |mut follower| match follower.next().await {
        Word::Over => None,
        word => Some((word, follower)),
    }))
}

/// Words as events to which nobody can come back.
fn plain(words: impl Stream<Item = Word> + Send + 'static) -> Pin<Box<dyn Stream<Item = Bytes> + Send>> {
    let (mut words, mut ready) = (Box::pin(words), VecDeque::new());
    Box::pin(futures_util::stream::poll_fn(move |cx| {
        if ready.is_empty() {
            match std::task::ready!(words.as_mut().poll_next(cx)) {
                Some(Word::Say(message)) => encode(&sse::Head::default(), &message, &mut ready),
                Some(Word::Alive | Word::Over) => ready.push_back(Bytes::from_static(sse::KEEP_ALIVE)),
                None => {}
            }
        }
        Poll::Ready(ready.pop_front())
    }))
}

/// The events of a stream that follows changes: `first`, then whatever happens, then `last` when the server ends it.
/// The guard is kept until then.
pub(crate) fn following<G: Send + 'static>(
    follower: Follower,
    first: Option<Message>,
    last: Option<Message>,
    guard: G,
) -> Pin<Box<dyn Stream<Item = Bytes> + Send>> {
    // Without a first byte some clients and proxies wait for the head of the answer.
    let first = first.map_or(Word::Alive, Word::Say);
    let said = |message: Option<Message>| futures_util::stream::iter(message.map(Word::Say));
    let words = futures_util::stream::iter([first]).chain(news(follower)).chain(said(last));
    plain(guarded(words, guard))
}

/// A stream that keeps something until it is dropped.
pub(crate) fn guarded<S: Stream, G>(stream: S, guard: G) -> impl Stream<Item = S::Item> {
    stream.inspect(move |_| {
        let _ = &guard;
    })
}
