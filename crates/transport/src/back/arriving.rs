//! A result that is handed on while it is read (decision 0054).
//!
//! Each piece is given to the incremental scanner before anybody else sees it. What shows only at the end (the id behind
//! the result, the rest of the envelope) is checked before the end is told, and a result whose end was not told is none.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use trunkline_protocol::streamed::{AnswerReader, Part};

use super::client::Body;
use super::http::foreign;
use super::{Answered, WireError};

/// Answers up to this size are read whole, in bytes: that costs less, and whatever is wrong with them is told as an
/// error rather than by breaking off. It is also how much of a longer one is read before anything is handed on.
pub(super) const WHOLE_BYTES_MAX: usize = 128 * 1024;
/// Pieces smaller than this are gathered, in bytes: a server that sends chunks of a few bytes shall not make as many
/// writes of ours.
const PIECE_BYTES_MIN: usize = 4 * 1024;
/// Gathered pieces are handed on at this size.
const GATHERED_BYTES_MAX: usize = 16 * 1024;

/// What came back on an exchange whose result may be handed on while it arrives.
#[derive(Debug)]
pub enum Exchanged {
    /// The whole answer.
    Whole(Answered),
    /// A large result, of which the beginning was read.
    Arriving(Box<Incoming>),
}

/// A result that is being read. Dropping it ends the exchange.
pub struct Incoming {
    body: Body,
    /// Gone once the end was judged.
    reader: Option<AnswerReader>,
    /// The reader saw the end of the result.
    is_whole: bool,
    tool_error: bool,
    id: u64,
    limit: usize,
    taken: usize,
    /// What was read of the result and not handed on yet.
    ahead: VecDeque<Bytes>,
    /// An error to be told behind what is ahead.
    failed: Option<WireError>,
}

/// What was read of a body before it was decided what to do with it.
pub(super) struct Beginning {
    pub(super) pieces: Vec<Bytes>,
    pub(super) length: usize,
}

/// Reads the first [`WHOLE_BYTES_MAX`] of a body and what comes along, or all of it; `true` when that was all, and no
/// more than that.
pub(super) async fn begin(body: &mut Body) -> Result<(Beginning, bool), WireError> {
    let mut begun = Beginning { pieces: Vec::new(), length: 0 };
    let mut small = BytesMut::new();
    while begun.length < WHOLE_BYTES_MAX {
        let Some(data) = body.data().await.transpose()? else {
            begun.take(&mut small);
            return Ok((begun, true));
        };
        begun.length += data.len();
        if data.len() < PIECE_BYTES_MIN {
            small.extend_from_slice(&data);
        } else {
            begun.take(&mut small);
            begun.pieces.push(data);
        }
    }
    begun.take(&mut small);
    let is_whole = begun.length <= WHOLE_BYTES_MAX && body.length() == Some(0);
    Ok((begun, is_whole))
}

impl Beginning {
    fn take(&mut self, small: &mut BytesMut) {
        if !small.is_empty() {
            self.pieces.push(small.split().freeze());
        }
    }

    /// All of it in one buffer.
    pub(super) fn whole(mut self) -> Bytes {
        match self.pieces.len() {
            1 => self.pieces.pop().unwrap_or_default(),
            _ => Bytes::from(self.pieces.concat()),
        }
    }
}

impl Incoming {
    /// Goes on with a body whose beginning is certainly that of a result for this request; otherwise gives it back, to be
    /// read whole and judged as such.
    ///
    /// # Errors
    /// A beginning that is no JSON, or not that of an answer.
    pub(super) fn of(
        body: Body,
        begun: Beginning,
        id: u64,
        limit: usize,
    ) -> Result<Result<Self, (Body, Beginning)>, WireError> {
        let mut reader = AnswerReader::new();
        let (mut ahead, mut is_whole) = (VecDeque::with_capacity(begun.pieces.len()), false);
        for piece in &begun.pieces {
            let fed = reader.feed(piece).map_err(|error| WireError::Invalid(error.to_string()))?;
            is_whole = fed.is_whole;
            if !fed.value.is_empty() {
                ahead.push_back(piece.slice(fed.value));
            }
        }
        if reader.part() != Some(Part::Result) || reader.is_object() != Some(true) {
            return Ok(Err((body, begun)));
        }
        // An id behind the result is compared at the end.
        if reader.id().is_some_and(|said| !is(said, id)) {
            return Err(foreign());
        }
        let taken = begun.length;
        let reader = Some(reader);
        Ok(Ok(Self { body, reader, is_whole, tool_error: false, id, limit, taken, ahead, failed: None }))
    }

    /// The next piece of the result; `None` when all of it has come and is the answer to the request.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, WireError>>> {
        if let Some(piece) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let mut gathered = BytesMut::new();
        let ended = loop {
            let next = match self.poll_value(cx) {
                Poll::Pending if gathered.is_empty() => return Poll::Pending,
                Poll::Pending => break None,
                Poll::Ready(next) => next,
            };
            match next {
                Some(Ok(piece)) if gathered.is_empty() && piece.len() >= PIECE_BYTES_MIN => {
                    return Poll::Ready(Some(Ok(piece)));
                }
                Some(Ok(piece)) => {
                    gathered.extend_from_slice(&piece);
                    if gathered.len() >= GATHERED_BYTES_MAX {
                        break None;
                    }
                }
                ended => break Some(ended),
            }
        };
        if gathered.is_empty() {
            return Poll::Ready(ended.flatten());
        }
        // The end of the body shows again; an error would not.
        self.failed = ended.flatten().and_then(Result::err);
        Poll::Ready(Some(Ok(gathered.freeze())))
    }

    /// The next bytes of the result, as they came; never none.
    fn poll_value(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, WireError>>> {
        loop {
            if self.reader.is_none() {
                return Poll::Ready(None);
            }
            let Some(data) = ready!(self.body.poll_data(cx)) else {
                return Poll::Ready(self.ended().err().map(Err));
            };
            match data.and_then(|data| self.checked(&data)) {
                Ok(value) if value.is_empty() => {}
                Ok(value) => return Poll::Ready(Some(Ok(value))),
                Err(error) => {
                    self.reader = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// The part of the next data that belongs to the result.
    fn checked(&mut self, data: &Bytes) -> Result<Bytes, WireError> {
        self.taken += data.len();
        if self.taken > self.limit {
            return Err(WireError::TooLarge(self.limit));
        }
        let Some(reader) = &mut self.reader else { return Ok(Bytes::new()) };
        let fed = reader.feed(data).map_err(|error| WireError::Invalid(error.to_string()))?;
        self.is_whole = fed.is_whole;
        Ok(data.slice(fed.value))
    }

    /// The body has ended: judges the whole.
    fn ended(&mut self) -> Result<(), WireError> {
        let Some(reader) = self.reader.take() else { return Ok(()) };
        self.tool_error = says_failed(&reader);
        let ended = reader.finish().map_err(|error| WireError::Invalid(error.to_string()))?;
        if !ended.id.is_some_and(|said| is(&said, self.id)) {
            return Err(foreign());
        }
        self.body.finish();
        Ok(())
    }

    /// Whether all of the result was handed on, so that only the end of the message is to come.
    pub fn is_whole(&self) -> bool {
        self.is_whole && self.ahead.is_empty()
    }

    /// Whether the result says, as far as it was read, that a tool failed.
    pub fn is_tool_error(&self) -> bool {
        self.reader.as_ref().map_or(self.tool_error, says_failed)
    }
}

fn says_failed(reader: &AnswerReader) -> bool {
    reader.is_error().is_some_and(|said| said.is_whole() && said.text() == b"true")
}

/// Whether an id's literal is this number, spelled as we spell it.
fn is(literal: &[u8], id: u64) -> bool {
    literal == itoa::Buffer::new().format(id).as_bytes()
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("id", &self.id).field("taken", &self.taken).finish_non_exhaustive()
    }
}
