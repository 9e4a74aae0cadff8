//! Lines out of chunks. A line ends with LF, CR or CRLF, and chunks end anywhere.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

/// A byte order mark at the start of the stream is not content.
const MARK: [u8; MARK_BYTES] = *b"\xef\xbb\xbf";
const MARK_BYTES: usize = 3;
/// How the usual line begins.
const DATA: &[u8] = b"data: ";

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

    /// The data of the next event if that is one line of at most `room` bytes and nothing else, in one chunk, as nearly
    /// all are: it is looked through once.
    pub(super) fn lone_data(&mut self, room: usize) -> Option<Bytes> {
        let begun = !matches!(self.marked, 0 | MARK_BYTES);
        if begun || self.after_cr || self.skipping || !self.carry.is_empty() {
            return None;
        }
        let chunk = self.chunks.front_mut()?;
        let value = chunk.strip_prefix(DATA)?;
        let length = memchr2(b'\n', b'\r', value)?;
        let end = match value.get(length..)? {
            [b'\n', b'\n', ..] => 2,
            [b'\r', b'\n', b'\r', b'\n', ..] => 4,
            _ => return None,
        };
        if DATA.len() + length > room {
            return None;
        }
        chunk.advance(DATA.len());
        let data = chunk.split_to(length);
        chunk.advance(end);
        if chunk.is_empty() {
            self.chunks.pop_front();
        }
        self.marked = MARK_BYTES;
        Some(data)
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
