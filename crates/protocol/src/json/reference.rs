//! The reader in its first and plain form, one byte after the other and one call per value: what the fast one must agree
//! with, down to the places of errors.

use std::borrow::Cow;
use std::collections::HashSet;

use trunkline_model::Span;

use super::{DEPTH_MAX, JsonError, Problem, Str};

/// An object's key, unescaped.
pub(crate) type Key<'a> = Cow<'a, str>;

type Read<T> = Result<T, JsonError>;

/// Walks over one JSON text. Every method leaves the reader behind the value it took.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    pos: usize,
    depth: u32,
}

impl<'a> Reader<'a> {
    /// A reader over `bytes`, which must be UTF-8 without a byte order mark.
    pub(crate) fn new(bytes: &'a [u8]) -> Read<Self> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { text, pos: 0, depth: 0 }),
            Err(e) => Err(JsonError { problem: Problem::Encoding, at: e.valid_up_to() }),
        }
    }

    fn fail<T>(&self, problem: Problem) -> Read<T> {
        Err(JsonError { problem, at: self.pos })
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.bytes().get(self.pos) {
            self.pos += 1;
        }
    }

    /// The first byte of the next value, which stays unread.
    pub(crate) fn peek(&mut self) -> Read<u8> {
        self.skip_space();
        self.bytes().get(self.pos).copied().map_or_else(|| self.fail(Problem::End), Ok)
    }

    /// The text of a span.
    pub(crate) fn slice(&self, span: &Span) -> &'a str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    fn take(&mut self, expected: u8) -> Read<()> {
        match self.peek()? {
            b if b == expected => {
                self.pos += 1;
                Ok(())
            }
            _ => self.fail(Problem::Unexpected),
        }
    }

    /// Checks that nothing but white space is left.
    pub(crate) fn end(mut self) -> Read<()> {
        self.skip_space();
        if self.pos == self.text.len() { Ok(()) } else { self.fail(Problem::Trailing) }
    }

    /// Takes any value; returns where it was, without surrounding white space.
    pub(crate) fn value(&mut self) -> Read<Span> {
        let first = self.peek()?;
        let start = self.pos;
        match first {
            b'{' => self.members(|_, reader| reader.skip(), false)?,
            b'[' => self.elements(Reader::skip)?,
            b'"' => {
                self.string()?;
            }
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return self.fail(Problem::Unexpected),
        }
        Ok(start..self.pos)
    }

    /// Takes any value that is of no interest.
    pub(crate) fn skip(&mut self) -> Read<()> {
        self.value().map(|_| ())
    }

    /// Takes an object, refusing doubled keys; `each` must take the value of the key it is given.
    pub(crate) fn object(&mut self, each: impl FnMut(Key<'a>, &mut Self) -> Read<()>) -> Read<Span> {
        let first = self.peek()?;
        let start = self.pos;
        if first != b'{' {
            return self.fail(Problem::Type);
        }
        self.members(each, true)?;
        Ok(start..self.pos)
    }

    /// Takes a string.
    pub(crate) fn string(&mut self) -> Read<Str> {
        if self.peek()? != b'"' {
            return self.fail(Problem::Type);
        }
        let start = self.pos;
        let bytes = self.bytes();
        let mut at = start + 1;
        let mut escaped = false;
        loop {
            let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) else {
                self.pos = bytes.len();
                return self.fail(Problem::End);
            };
            let plain = &bytes[at..at + found];
            // Without an early end, so that it runs over many bytes at a time.
            if plain.iter().fold(0, |bad, byte| bad | u8::from(*byte < 0x20)) != 0 {
                self.pos = at + plain.iter().position(|b| *b < 0x20).unwrap_or_default();
                return self.fail(Problem::String);
            }
            at += found;
            if bytes[at] == b'"' {
                self.pos = at + 1;
                return Ok(Str { span: start..self.pos, escaped });
            }
            escaped = true;
            self.pos = at;
            at += self.escape_len(at)?;
        }
    }

    /// The length of the escape sequence at `at`, a surrogate pair counting as one.
    fn escape_len(&self, at: usize) -> Read<usize> {
        match self.bytes().get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u') => match self.unit(at + 2)? {
                0xDC00..=0xDFFF => self.fail(Problem::String),
                0xD800..=0xDBFF => {
                    let low = self.bytes().get(at + 6..at + 8) == Some(b"\\u")
                        && matches!(self.unit(at + 8)?, 0xDC00..=0xDFFF);
                    if low { Ok(12) } else { self.fail(Problem::String) }
                }
                _ => Ok(6),
            },
            Some(_) => self.fail(Problem::String),
            None => self.fail(Problem::End),
        }
    }

    fn unit(&self, at: usize) -> Read<u16> {
        let digits = self.text.get(at..at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        digits.and_then(|d| u16::from_str_radix(d, 16).ok()).map_or_else(|| self.fail(Problem::String), Ok)
    }

    /// The string that a literal stands for.
    pub(crate) fn decode(&self, literal: &Str) -> Cow<'a, str> {
        let inner = self.slice(&(literal.span.start + 1..literal.span.end - 1));
        if !literal.escaped {
            return Cow::Borrowed(inner);
        }
        // The literal was checked by `string`, so this parse cannot fail.
        Cow::Owned(serde_json::from_str(self.slice(&literal.span)).unwrap_or_default())
    }

    fn word(&mut self, word: &str) -> Read<()> {
        if self.bytes()[self.pos..].starts_with(word.as_bytes()) {
            self.pos += word.len();
            Ok(())
        } else {
            self.fail(Problem::Unexpected)
        }
    }

    fn digits(&mut self) -> Read<()> {
        let start = self.pos;
        while let Some(b'0'..=b'9') = self.bytes().get(self.pos) {
            self.pos += 1;
        }
        if self.pos > start { Ok(()) } else { self.fail(Problem::Unexpected) }
    }

    fn number(&mut self) -> Read<()> {
        if self.bytes().get(self.pos) == Some(&b'-') {
            self.pos += 1;
        }
        if self.bytes().get(self.pos) == Some(&b'0') {
            self.pos += 1;
        } else {
            self.digits()?;
        }
        if self.bytes().get(self.pos) == Some(&b'.') {
            self.pos += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes().get(self.pos) {
            self.pos += 1;
            if let Some(b'+' | b'-') = self.bytes().get(self.pos) {
                self.pos += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn enter(&mut self) -> Read<()> {
        self.pos += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX { self.fail(Problem::Depth) } else { Ok(()) }
    }

    fn elements(&mut self, mut each: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.enter()?;
        if self.peek()? == b']' {
            self.pos += 1;
        } else {
            loop {
                each(self)?;
                match self.peek()? {
                    b',' => self.pos += 1,
                    b']' => {
                        self.pos += 1;
                        break;
                    }
                    _ => return self.fail(Problem::Unexpected),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn members(&mut self, mut each: impl FnMut(Key<'a>, &mut Self) -> Read<()>, unique: bool) -> Read<()> {
        self.enter()?;
        let mut seen = Seen::default();
        if self.peek()? == b'}' {
            self.pos += 1;
        } else {
            loop {
                if self.peek()? != b'"' {
                    return self.fail(Problem::Unexpected);
                }
                let literal = self.string()?;
                let key = self.decode_key(&literal, unique);
                if unique && !seen.insert(&key) {
                    self.pos = literal.span.start;
                    return self.fail(Problem::Duplicate);
                }
                self.take(b':')?;
                each(key, self)?;
                match self.peek()? {
                    b',' => self.pos += 1,
                    b'}' => {
                        self.pos += 1;
                        break;
                    }
                    _ => return self.fail(Problem::Unexpected),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn decode_key(&self, literal: &Str, wanted: bool) -> Key<'a> {
        if wanted { self.decode(literal) } else { Cow::Borrowed("") }
    }
}

/// Keys of one object. A short list is compared; a long one is hashed, with the standard library's keyed hash, so
/// that no choice of keys makes it slow.
#[derive(Default)]
struct Seen<'a> {
    few: [Option<Key<'a>>; 12],
    count: usize,
    many: HashSet<Key<'a>>,
}

impl<'a> Seen<'a> {
    fn insert(&mut self, key: &Key<'a>) -> bool {
        if self.few.iter().take(self.count).flatten().any(|k| k == key) {
            return false;
        }
        if let Some(slot) = self.few.get_mut(self.count) {
            *slot = Some(key.clone());
            self.count += 1;
            return true;
        }
        self.many.insert(key.clone())
    }
}
