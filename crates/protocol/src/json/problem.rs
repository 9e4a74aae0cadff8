//! What can be wrong with a JSON text.

use std::num::NonZeroUsize;

/// Why text is not acceptable JSON, and where (byte offset).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {at}")]
pub struct JsonError {
    /// What is wrong.
    pub problem: Problem,
    /// Where.
    pub at: usize,
}

/// What is wrong with a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum Problem {
    /// The text ends too early.
    #[error("unexpected end")]
    End,
    /// A character that the grammar does not allow here.
    #[error("unexpected character")]
    Unexpected,
    /// Bytes that are not UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// A raw control character, bad escape or lone surrogate in a string.
    #[error("invalid string")]
    String,
    /// Deeper than [`DEPTH_MAX`].
    #[error("nested too deeply")]
    Depth,
    /// The same key twice in one object, after unescaping.
    #[error("duplicate key")]
    Duplicate,
    /// Text behind the document.
    #[error("trailing characters")]
    Trailing,
    /// A value of another type was needed.
    #[error("wrong type")]
    Type,
}

/// A [`JsonError`] in one word, so that what may fail returns in registers. Places in texts stay below 2^60.
#[derive(Clone, Copy)]
pub(crate) struct Fault(NonZeroUsize);

pub(crate) type Read<T> = Result<T, Fault>;

impl Fault {
    #[cold]
    pub(crate) fn new(problem: Problem, at: usize) -> Self {
        Self(NonZeroUsize::MIN.saturating_add(at << 4 | problem as usize))
    }
}

#[cold]
#[inline(never)]
pub(crate) fn fail<T>(problem: Problem, at: usize) -> Read<T> {
    Err(Fault::new(problem, at))
}

impl From<JsonError> for Fault {
    #[cold]
    fn from(error: JsonError) -> Self {
        Self::new(error.problem, error.at)
    }
}

impl From<Fault> for JsonError {
    #[cold]
    fn from(fault: Fault) -> Self {
        let packed = fault.0.get() - 1;
        let known = Problem::ALL.iter().find(|problem| **problem as usize == packed & 15);
        Self { problem: known.copied().unwrap_or(Problem::Unexpected), at: packed >> 4 }
    }
}

impl Problem {
    const ALL: [Self; 8] = [
        Self::End,
        Self::Unexpected,
        Self::Encoding,
        Self::String,
        Self::Depth,
        Self::Duplicate,
        Self::Trailing,
        Self::Type,
    ];
}
