//! Lines out of chunks. A line ends with LF, CR or CRLF, and chunks end anywhere.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr2, memchr3};

/// A byte order mark at the start of the stream is not content.
const MARK: [u8; MARK_BYTES] = *b"\xef\xbb\xbf";
const MARK_BYTES: usize = 3;
/// How the lines of a usual event begin.
const DATA: &[u8] = b"data: ";
const ID: &[u8] = b"id: ";
/// The whole line that names the usual kind, as many servers do.
const NAMED: &[u8] = b"event: message";

/// What the next step found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A whole line without its end.
    Line(Bytes),
    /// The end of a line that was skipped since it grew too long; whether nothing of it was left is not known.
    Skipped,
    /// A line grew beyond the room it was given. What follows of it is skipped.
    TooLong,
    /// More chunks are needed.
    Hungry,
}

/// An event as nearly all are: one line of data, before which its kind may be named `message` and its id told.
#[derive(Debug)]
pub(super) struct Usual {
    pub(super) is_named: bool,
    pub(super) id: Option<Bytes>,
    pub(super) data: Bytes,
}

/// Where the parts of a usual event are.
struct Outline {
    is_named: bool,
    id: Option<Range<usize>>,
    data: Range<usize>,
    /// Behind the blank line.
    end: usize,
    /// Bytes of its lines, without their ends.
    held: usize,
}

impl Outline {
    /// Of the event that begins `text`; `None` when it is not a usual one, or not all there.
    fn of(text: &[u8]) -> Option<Self> {
        let (mut at, mut held, mut is_named, mut id) = (0, 0, false, None);
        loop {
            let rest = text.get(at..)?;
            if let Some(value) = rest.strip_prefix(DATA) {
                let length = memchr2(b'\n', b'\r', value)?;
                let behind = match value.get(length..)? {
                    [b'\n', b'\n', ..] => 2,
                    [b'\r', b'\n', b'\r', b'\n', ..] => 4,
                    _ => return None,
                };
                let start = at + DATA.len();
                let data = start..start + length;
                let (end, held) = (data.end + behind, held + DATA.len() + length);
                return Some(Self { is_named, id, data, end, held });
            }
            if !is_named && let Some(behind) = rest.strip_prefix(NAMED) {
                is_named = true;
                held += NAMED.len();
                at += NAMED.len() + line_end(behind)?;
            } else if id.is_none()
                && let Some(value) = rest.strip_prefix(ID)
            {
                let length = memchr3(b'\n', b'\r', 0, value)?;
                let start = at + ID.len();
                id = Some(start..start + length);
                held += ID.len() + length;
                at = start + length + line_end(&value[length..])?;
            } else {
                return None;
            }
        }
    }
}

/// How long the line end is that `text` begins with, unless it is a lone CR.
fn line_end(text: &[u8]) -> Option<usize> {
    match text {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

/// Cuts chunks into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    chunks: VecDeque<Bytes>,
    /// The start of a line whose end has not come yet.
    carry: BytesMut,
    /// Bytes of the mark seen so far; all of them once the start of the stream is behind us.
    marked: usize,
    /// The last line ended with CR: an LF that follows belongs to it.
    after_cr: bool,
    skipping: bool,
}

impl Lines {
    pub(super) fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    /// The next event if it is a usual one in one chunk, whose lines have at most `room` bytes together: it is looked
    /// through once.
    pub(super) fn usual(&mut self, room: usize) -> Option<Usual> {
        let begun = !matches!(self.marked, 0 | MARK_BYTES);
        if begun || self.after_cr || self.skipping || !self.carry.is_empty() {
            return None;
        }
        let chunk = self.chunks.front_mut()?;
        let Outline { is_named, id, data, end, held } = Outline::of(chunk)?;
        if held > room {
            return None;
        }
        let id = id.map(|span| chunk.slice(span));
        let behind = end - data.end;
        chunk.advance(data.start);
        let data = chunk.split_to(data.len());
        chunk.advance(behind);
        if chunk.is_empty() {
            self.chunks.pop_front();
        }
        self.marked = MARK_BYTES;
        Some(Usual { is_named, id, data })
    }

    /// The next line of at most `room` bytes. It is a slice of its chunk unless it spans several.
    pub(super) fn step(&mut self, room: usize) -> Step {
        while let Some(mut chunk) = self.chunks.pop_front() {
            self.skip_start(&mut chunk);
            let end = memchr2(b'\n', b'\r', &chunk);
            let part = chunk.split_to(end.unwrap_or(chunk.len()));
            if end.is_some() {
                self.after_cr = chunk.get_u8() == b'\r';
                if !chunk.is_empty() {
                    self.chunks.push_front(chunk);
                }
                return self.finish(part, room);
            }
            if !self.skipping {
                self.carry.extend_from_slice(&part);
                if self.carry.len() > room {
                    self.give_up();
                    return Step::TooLong;
                }
            }
        }
        Step::Hungry
    }

    fn finish(&mut self, part: Bytes, room: usize) -> Step {
        if std::mem::take(&mut self.skipping) {
            return Step::Skipped;
        }
        if self.carry.len() + part.len() > room {
            self.carry = BytesMut::new();
            return Step::TooLong;
        }
        if self.carry.is_empty() {
            return Step::Line(part);
        }
        self.carry.extend_from_slice(&part);
        Step::Line(self.carry.split().freeze())
    }

    fn give_up(&mut self) {
        self.carry = BytesMut::new();
        self.skipping = true;
    }

    /// Passes over the byte order mark and the second half of a CRLF.
    fn skip_start(&mut self, chunk: &mut Bytes) {
        while self.marked < MARK.len() && !chunk.is_empty() {
            if chunk[0] == MARK[self.marked] {
                chunk.advance(1);
                self.marked += 1;
            } else {
                // It only looked like one.
                self.carry.extend_from_slice(&MARK[..self.marked]);
                self.marked = MARK.len();
            }
        }
        if self.after_cr && !chunk.is_empty() {
            self.after_cr = false;
            if chunk[0] == b'\n' {
                chunk.advance(1);
            }
        }
    }
}
