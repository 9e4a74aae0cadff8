//! An answer that is read while it arrives, so that its result can be sent on before its end is known.
//!
//! What [`crate::scan`] refuses is refused here, at the byte where it shows or at the end. What has been sent on by then
//! cannot be called back: the exchange must be broken off.

use std::ops::Range;

use crate::json::{Event, Flow, JsonError, Problem};
use crate::scan::ScanError;

mod envelope;
mod kept;
#[cfg(test)]
mod tests;

use envelope::{Envelope, KEY_BYTES_MAX, Slot, unquoted};
use kept::Kept;
pub use kept::Noted;

/// Keys of a result object that say what kind of result it is.
const WATCHED: [&[u8]; 2] = [b"resultType", b"isError"];

/// Reads one answer piece by piece, in constant memory: below 1 KiB for an answer with the usual keys, and at the very
/// most 40 KiB.
///
/// Doubled keys are found in the envelope, after unescaping. An envelope of more than 32 unknown keys, or with one of
/// more than 1024 bytes, is refused, and so is an answer with `params`, which a whole message may have. In the result, only the
/// watched keys (`resultType`, `isError`) are looked for, and what is deeper is checked for its grammar alone, as it is
/// in a whole message.
#[derive(Debug)]
pub struct AnswerReader {
    flow: Flow,
    /// Bytes of all pieces before.
    before: usize,
    failed: Option<JsonError>,
    /// The key that is being read, or the last one.
    key: Kept<KEY_BYTES_MAX>,
    in_key: bool,
    envelope: Envelope,
    /// What the value of the envelope that comes or is being read is.
    slot: Slot,
    in_value: bool,
    is_object: Option<bool>,
    is_whole: bool,
    notes: [Noted; WATCHED.len()],
    /// The watched key whose value comes or is being read.
    noting: Option<usize>,
}

/// Which of the two an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A result.
    Result,
    /// An error.
    Error,
}

/// What one piece had of the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// The bytes of the piece that belong to the value of `result` or `error`. Empty where there are none.
    pub value: Range<usize>,
    /// Whether the value has ended, in this piece or before.
    pub is_whole: bool,
}

/// An answer that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The id's literal, if there was a usable one.
    pub id: Option<Vec<u8>>,
    /// What it was.
    pub part: Part,
}

impl Default for AnswerReader {
    fn default() -> Self {
        Self::new()
    }
}

impl AnswerReader {
    /// A reader that has not been given anything.
    pub fn new() -> Self {
        Self {
            flow: Flow::new(),
            before: 0,
            failed: None,
            key: Kept::default(),
            in_key: false,
            envelope: Envelope::default(),
            slot: Slot::default(),
            in_value: false,
            is_object: None,
            is_whole: false,
            notes: Default::default(),
            noting: None,
        }
    }

    /// The id's literal, once it has come and if it is usable.
    pub fn id(&self) -> Option<&[u8]> {
        self.envelope.id()
    }

    /// Whether it is a result or an error, once the key has come.
    pub const fn part(&self) -> Option<Part> {
        self.envelope.part()
    }

    /// Whether the value is an object, once it has begun.
    pub const fn is_object(&self) -> Option<bool> {
        self.is_object
    }

    /// What has come of `resultType` in a result.
    pub fn result_type(&self) -> Option<&Noted> {
        self.notes.first().filter(|noted| noted.is_there())
    }

    /// What has come of `isError` in a result.
    pub fn is_error(&self) -> Option<&Noted> {
        self.notes.last().filter(|noted| noted.is_there())
    }

    /// Takes the next piece, of any size.
    ///
    /// # Errors
    /// Text that is not JSON, is too deep or not an object, and doubled keys of the envelope; with the place in the whole
    /// answer. After an error, every further piece has the same one.
    pub fn feed(&mut self, piece: &[u8]) -> Result<Fed, JsonError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let fed = self.walk(piece).map_err(|error| JsonError { at: self.before + error.at, ..error });
        self.before += piece.len();
        self.failed = fed.as_ref().err().copied();
        fed
    }

    /// The answer has ended.
    ///
    /// # Errors
    /// That of a piece, text that ends too early, and what is no answer. The latter comes without an id; what was usable
    /// of it is told by [`AnswerReader::id`].
    pub fn finish(self) -> Result<Ended, ScanError> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        if !self.flow.is_over() {
            return Err(JsonError { problem: Problem::End, at: self.before }.into());
        }
        let part = self.envelope.judge().map_err(|why| ScanError::Invalid { why, id: None })?;
        Ok(Ended { id: self.envelope.id().map(<[u8]>::to_vec), part })
    }

    fn walk(&mut self, piece: &[u8]) -> Result<Fed, JsonError> {
        let mut fed = Fed::default();
        // Where in this piece begins what is being kept; what goes on from the piece before begins with this one.
        let (mut key, mut value, mut noted) = (0, 0, 0);
        let mut at = 0;
        loop {
            // The keys of a result object are looked at as those of the envelope are.
            let in_result = self.slot == Slot::Answer
                && self.part() == Some(Part::Result)
                && self.is_object == Some(true);
            let (behind, event) = self.flow.next(piece, at, if in_result { 2 } else { 1 })?;
            at = behind;
            match event {
                Event::Key(start) => {
                    key = start;
                    self.key.clear();
                    self.in_key = true;
                }
                Event::KeyEnd => {
                    self.in_key = false;
                    self.name(&piece[key..at], at)?;
                }
                Event::Value(start) => {
                    match self.flow.level() - u32::from(matches!(piece[start], b'{' | b'[')) {
                        0 if piece[start] == b'{' => {}
                        0 => return Err(JsonError { problem: Problem::Type, at: start }),
                        1 => {
                            value = start;
                            self.in_value = true;
                            if self.slot == Slot::Answer {
                                self.is_object = Some(piece[start] == b'{');
                            }
                        }
                        _ => noted = start,
                    }
                }
                Event::ValueEnd if self.flow.level() == 1 => {
                    self.keep(piece, value..at, &mut fed);
                    self.envelope.end(self.slot);
                    self.is_whole |= self.slot == Slot::Answer;
                    self.in_value = false;
                    self.slot = Slot::Other;
                }
                Event::ValueEnd => {
                    if let Some(watched) = self.noting.take() {
                        self.notes[watched].add(&piece[noted..at]);
                        self.notes[watched].end();
                    }
                }
                Event::More => break,
            }
        }
        if self.in_key {
            self.key.add(&piece[key..]);
        }
        if self.in_value {
            self.keep(piece, value..piece.len(), &mut fed);
        }
        if let Some(watched) = self.noting {
            self.notes[watched].add(&piece[noted..]);
        }
        fed.is_whole = self.is_whole;
        Ok(fed)
    }

    /// A key has ended at `at`, in the envelope or in the result; `end` is what this piece has of it.
    fn name(&mut self, end: &[u8], at: usize) -> Result<(), JsonError> {
        let literal = if self.key.is_empty() {
            Some(end).filter(|literal| literal.len() <= KEY_BYTES_MAX)
        } else {
            self.key.add(end);
            self.key.whole()
        };
        if self.flow.level() == 1 {
            let slot = self.envelope.key(literal);
            self.slot = slot.ok_or(JsonError { problem: Problem::Duplicate, at })?;
            return Ok(());
        }
        let name = literal.map(unquoted);
        let watched = name.and_then(|name| WATCHED.iter().position(|watched| *watched == &*name));
        self.noting = watched.filter(|watched| self.notes[*watched].begin());
        Ok(())
    }

    /// Some of a value of the envelope has come.
    fn keep(&mut self, piece: &[u8], span: Range<usize>, fed: &mut Fed) {
        self.envelope.add(self.slot, &piece[span.clone()]);
        if self.slot == Slot::Answer {
            fed.value = span;
        }
    }
}
