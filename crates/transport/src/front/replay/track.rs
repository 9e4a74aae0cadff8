//! One stream that can be picked up again.
//!
//! Whoever reads the stream also drives what it comes from: nobody else need wait or be woken. A reader that goes
//! leaves the rest to the next one; between two, a call is driven by a task of its own, and news wait. Readers take
//! turns: who comes ends the turn of who was there, for that one's connection is most likely dead.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;
use smallvec::SmallVec;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use trunkline_protocol::Message;

use super::super::follow::Word;
use super::super::frames;
use super::Purpose;
use crate::sse;

/// Most events that are kept of one stream; beyond it the oldest are forgotten.
const EVENTS_MAX: usize = 256;
/// Most bytes of one stream that are kept.
const BYTES_MAX: usize = 4 << 20;
/// Longest time a call goes on without its client. Upstream deadlines usually end it before.
const ALONE_MAX: Duration = Duration::from_mins(15);

/// Room for an id: a letter, two numbers and what is between them take 42 bytes at most.
const ID_BYTES: usize = 64;

/// What a stream says.
pub(crate) type Source = Pin<Box<dyn Stream<Item = Word> + Send>>;

/// The place of an event, as its id tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) purpose: Purpose,
    pub(crate) track: u64,
    /// 0 is before the first.
    pub(crate) event: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Id::of(self).as_str())
    }
}

/// The id of an event: each has one, and none of them needs memory of its own.
struct Id(SmallVec<[u8; ID_BYTES]>);

impl Id {
    fn of(place: &Place) -> Self {
        let mut id = SmallVec::new();
        id.push(if place.purpose == Purpose::News { b'n' } else { b'c' });
        id.extend_from_slice(itoa::Buffer::new().format(place.track).as_bytes());
        id.push(b'-');
        id.extend_from_slice(itoa::Buffer::new().format(place.event).as_bytes());
        Self(id)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits, a letter and a hyphen are text")
    }
}

impl Place {
    pub(super) fn parse(id: &str) -> Option<Self> {
        let (purpose, rest) = match id.strip_prefix('n') {
            Some(rest) => (Purpose::News, rest),
            None => (Purpose::Call, id.strip_prefix('c')?),
        };
        let (track, event) = rest.split_once('-')?;
        Some(Self { purpose, track: track.parse().ok()?, event: event.parse().ok()? })
    }
}

/// One stream.
pub(crate) struct Track {
    pub(super) number: u64,
    pub(super) purpose: Purpose,
    room: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    /// `None` when all is said.
    source: Option<Source>,
    kept: VecDeque<Event>,
    kept_bytes: usize,
    /// Number of the last event.
    said: u64,
    /// Number of the last event that is not kept any more.
    lost: u64,
    /// Whose turn it is.
    turn: u64,
    /// Of whoever has the turn.
    waker: Option<Waker>,
    /// Since when nobody reads, or since when there is nothing to wait for.
    left: Option<Instant>,
}

/// An event as it is written; nearly always one piece.
type Frames = SmallVec<[Bytes; 1]>;

struct Event {
    number: u64,
    frames: Frames,
    bytes: usize,
    _room: OwnedSemaphorePermit,
}

/// What comes next.
enum Next {
    Frames(Frames),
    Alive,
    Over,
}

impl Track {
    pub(super) fn new(number: u64, purpose: Purpose, source: Source, room: Arc<Semaphore>) -> Self {
        let state = State {
            source: Some(source),
            kept: VecDeque::new(),
            kept_bytes: 0,
            said: 0,
            lost: 0,
            turn: 0,
            waker: None,
            left: None,
        };
        Self { number, purpose, room, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_over(&self) -> bool {
        self.state().source.is_none()
    }

    /// Since when nobody needs it. A call that still runs is always needed.
    pub(super) fn left(&self) -> Option<Instant> {
        let state = self.state();
        let running = self.purpose == Purpose::Call && state.source.is_some();
        state.left.filter(|_| !running)
    }

    /// Ends the stream, and the turn of whoever reads it.
    pub(super) fn end(&self) {
        let mut state = self.state();
        let source = state.source.take();
        state.pass_turn();
        drop(state);
        // Not under the lock: it may be the last to hold the session.
        drop(source);
    }

    /// A reader of what came after an event; `None` when that is not kept any more, or was never said.
    pub(super) fn attach(self: &Arc<Self>, after: u64) -> Option<Reader> {
        let mut state = self.state();
        if after < state.lost || after > state.said {
            return None;
        }
        state.left = None;
        let turn = state.pass_turn();
        drop(state);
        // So that the client, and whatever is in between, sees that it was heard.
        let ready = VecDeque::from([Bytes::from_static(sse::KEEP_ALIVE)]);
        Some(Reader { track: Arc::clone(self), turn, cursor: after, ready })
    }

    /// The next words for who has read up to `cursor`.
    fn poll(&self, turn: u64, cursor: &mut u64, cx: &mut Context<'_>) -> Poll<Next> {
        let mut state = self.state();
        if state.turn != turn {
            return Poll::Ready(Next::Over);
        }
        if *cursor < state.said
            && let Some(event) = state.kept.iter().find(|event| event.number > *cursor)
        {
            *cursor = event.number;
            return Poll::Ready(Next::Frames(event.frames.clone()));
        }
        let Some(source) = state.source.as_mut() else { return Poll::Ready(Next::Over) };
        match source.as_mut().poll_next(cx) {
            Poll::Ready(Some(Word::Say(message))) => {
                let frames = self.say(&mut state, &message);
                *cursor = state.said;
                Poll::Ready(Next::Frames(frames))
            }
            Poll::Ready(Some(Word::Alive)) => Poll::Ready(Next::Alive),
            Poll::Ready(Some(Word::Over) | None) => {
                let source = state.source.take();
                state.left = Some(Instant::now());
                drop(state);
                drop(source);
                Poll::Ready(Next::Over)
            }
            Poll::Pending => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Gives a message its id and keeps it, if there is room.
    fn say(&self, state: &mut State, message: &Message) -> Frames {
        state.said += 1;
        let id = Id::of(&Place { purpose: self.purpose, track: self.number, event: state.said });
        let mut frames = Frames::new();
        frames::encode(&sse::Head { id: Some(id.as_str()), ..sse::Head::default() }, message, &mut frames);
        let bytes = frames.iter().map(Bytes::len).sum();
        while state.kept.len() >= EVENTS_MAX
            || (state.kept_bytes + bytes > BYTES_MAX && !state.kept.is_empty())
        {
            state.forget_first();
        }
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes as u32).ok();
        if let Some(room) = room.filter(|_| bytes <= BYTES_MAX) {
            state.kept_bytes += bytes;
            let (number, frames) = (state.said, frames.clone());
            state.kept.push_back(Event { number, frames, bytes, _room: room });
        } else {
            // What is kept has no gaps.
            while !state.kept.is_empty() {
                state.forget_first();
            }
            state.lost = state.said;
        }
        frames
    }

    /// A reader has gone. The call goes on, in a task of its own until somebody comes back.
    fn leave(self: &Arc<Self>, turn: u64) {
        let mut state = self.state();
        if state.turn != turn {
            return;
        }
        let turn = state.pass_turn();
        let running = state.source.is_some();
        state.left.get_or_insert_with(Instant::now);
        drop(state);
        let alone = running && self.purpose == Purpose::Call;
        if let (true, Ok(runtime)) = (alone, tokio::runtime::Handle::try_current()) {
            let this = Arc::clone(self);
            runtime.spawn(async move {
                let mut cursor = u64::MAX;
                let alone = std::future::poll_fn(|cx| {
                    loop {
                        match this.poll(turn, &mut cursor, cx) {
                            // Nothing is read here, only said.
                            Poll::Ready(Next::Frames(_) | Next::Alive) => cursor = u64::MAX,
                            Poll::Ready(Next::Over) => return Poll::Ready(()),
                            Poll::Pending => return Poll::Pending,
                        }
                    }
                });
                if tokio::time::timeout(ALONE_MAX, alone).await.is_err() {
                    this.end();
                }
            });
        }
    }
}

impl State {
    /// Begins another turn and lets who had the last one know.
    fn pass_turn(&mut self) -> u64 {
        self.turn += 1;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        self.turn
    }

    fn forget_first(&mut self) {
        if let Some(event) = self.kept.pop_front() {
            self.kept_bytes -= event.bytes;
            self.lost = event.number;
        }
    }
}

/// Reads a stream: what is kept after its place, then whatever is said, until the end.
pub(crate) struct Reader {
    track: Arc<Track>,
    turn: u64,
    cursor: u64,
    ready: VecDeque<Bytes>,
}

impl Reader {
    /// The first one.
    pub(super) fn first(track: Arc<Track>, priming: Option<Bytes>) -> Self {
        Self { track, turn: 0, cursor: 0, ready: priming.into_iter().collect() }
    }

    /// Says something before all else.
    pub(crate) fn after(mut self, first: Bytes) -> Self {
        self.ready.push_front(first);
        self
    }
}

impl Stream for Reader {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        if this.ready.is_empty() {
            match this.track.poll(this.turn, &mut this.cursor, cx) {
                Poll::Ready(Next::Frames(frames)) => this.ready.extend(frames),
                Poll::Ready(Next::Alive) => this.ready.push_back(Bytes::from_static(sse::KEEP_ALIVE)),
                Poll::Ready(Next::Over) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(this.ready.pop_front())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.track.leave(self.turn);
    }
}
