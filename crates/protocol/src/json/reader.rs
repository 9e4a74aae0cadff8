//! The reader itself.

use std::borrow::Cow;

use trunkline_model::Span;

use super::literal::space;
use super::problem::Fault;
use super::{JsonError, Problem, skip, walk};

/// A string value: where it is (quotes included), and whether it holds escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Str {
    /// The literal, quotes included.
    pub span: Span,
    /// Whether the literal differs from the string it stands for.
    pub escaped: bool,
}

/// An object's key, unescaped.
pub type Key<'a> = Cow<'a, str>;

type Read<T> = Result<T, JsonError>;

/// Walks over one JSON text. Every method leaves the reader behind the value it took.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a [u8],
    pos: usize,
    depth: u32,
}

impl<'a> Reader<'a> {
    /// A reader over `bytes`, which must be UTF-8 without a byte order mark.
    pub fn new(bytes: &'a [u8]) -> Read<Self> {
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(Self { text: bytes, pos: 0, depth: 0 }),
            Err(e) => Err(JsonError { problem: Problem::Encoding, at: e.valid_up_to() }),
        }
    }

    #[cold]
    #[inline(never)]
    fn fail<T>(&self, problem: Problem) -> Read<T> {
        Err(JsonError { problem, at: self.pos })
    }

    /// The first byte of the next value, which stays unread.
    #[inline]
    pub fn peek(&mut self) -> Read<u8> {
        self.pos = space(self.text, self.pos);
        self.text.get(self.pos).copied().map_or_else(|| self.fail(Problem::End), Ok)
    }

    /// The text of a span.
    pub fn slice(&self, span: &Span) -> &'a str {
        std::str::from_utf8(self.raw(span)).unwrap_or_default()
    }

    /// The bytes of a span.
    #[inline]
    pub(crate) fn raw(&self, span: &Span) -> &'a [u8] {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Checks that nothing but white space is left.
    pub fn end(mut self) -> Read<()> {
        self.pos = space(self.text, self.pos);
        if self.pos == self.text.len() { Ok(()) } else { self.fail(Problem::Trailing) }
    }

    /// Takes any value; returns where it was, without surrounding white space.
    pub fn value(&mut self) -> Read<Span> {
        let start = space(self.text, self.pos);
        self.pos = skip::value(self.text, start, self.depth)?;
        Ok(start..self.pos)
    }

    /// Takes any value that is of no interest.
    pub fn skip(&mut self) -> Read<()> {
        self.value().map(drop)
    }

    /// Takes an object, refusing doubled keys; `each` must take the value of the key it is given.
    pub fn object(&mut self, mut each: impl FnMut(Key<'a>, &mut Self) -> Read<()>) -> Read<Span> {
        if self.peek()? != b'{' {
            return self.fail(Problem::Type);
        }
        let (start, depth) = (self.pos, self.depth);
        self.depth += 1;
        self.pos = walk::members(self.text, start, depth, |key, at| {
            self.pos = at;
            let key = match key.plain {
                Some(raw) => Cow::Borrowed(std::str::from_utf8(raw).unwrap_or_default()),
                None => Cow::Owned(String::from_utf8_lossy(key.name).into_owned()),
            };
            each(key, self).map_err(Fault::from)?;
            Ok(self.pos)
        })?;
        self.depth = depth;
        Ok(start..self.pos)
    }

    /// Takes an array; `each` must take one element.
    pub fn array(&mut self, mut each: impl FnMut(&mut Self) -> Read<()>) -> Read<Span> {
        if self.peek()? != b'[' {
            return self.fail(Problem::Type);
        }
        let (start, depth) = (self.pos, self.depth);
        self.depth += 1;
        self.pos = walk::elements(self.text, start, depth, |at| {
            self.pos = at;
            each(self).map_err(Fault::from)?;
            Ok(self.pos)
        })?;
        self.depth = depth;
        Ok(start..self.pos)
    }

    /// Takes a string.
    pub fn string(&mut self) -> Read<Str> {
        if self.peek()? != b'"' {
            return self.fail(Problem::Type);
        }
        let (literal, end) = walk::text(self.text, self.pos)?;
        self.pos = end;
        Ok(literal)
    }

    /// The string that a literal stands for.
    pub fn decode(&self, literal: &Str) -> Cow<'a, str> {
        if literal.escaped {
            return Cow::Owned(walk::unescape(self.raw(&literal.span)));
        }
        Cow::Borrowed(self.slice(&(literal.span.start + 1..literal.span.end - 1)))
    }
}
