//! Strings, numbers and words that come in pieces, cut at any byte.

use super::Problem;
use super::literal::{hex, is_ascii_text, no_control, usual};
use super::problem::{Read, fail};

/// A token that has begun and may go on in the next piece.
#[derive(Debug)]
pub(super) enum Token {
    /// A string, from behind its quote.
    Text(Text),
    /// A number.
    Number(Number),
    /// The rest of a word.
    Word(&'static [u8]),
}

/// Where a string stands.
#[derive(Debug, Default)]
pub(super) struct Text {
    escape: Escape,
    sequence: Sequence,
}

/// Where an escape sequence stands.
#[derive(Debug, Default)]
enum Escape {
    #[default]
    None,
    /// Behind the backslash.
    Begun,
    /// Some digits of a unit are missing; `low` marks the second one of a surrogate pair.
    Digits {
        missing: u8,
        unit: u16,
        low: bool,
    },
    /// A surrogate wants its second half: the backslash, then the `u`.
    Half,
    HalfBegun,
}

/// Where a UTF-8 sequence stands: how many bytes are missing, and what the next one may be.
#[derive(Debug, Default)]
struct Sequence {
    missing: u8,
    least: u8,
    most: u8,
}

/// Where a number stands, named for what was last.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Nothing,
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

impl Token {
    /// Takes what belongs to the token from `at` on: where that ends, and whether the token has ended.
    pub(super) fn take(&mut self, text: &[u8], at: usize) -> Read<(usize, bool)> {
        match self {
            Self::Text(string) => string.take(text, at),
            Self::Number(number) => number.take(text, at),
            Self::Word(rest) => {
                let given = text.get(at..).unwrap_or_default();
                let given = &given[..given.len().min(rest.len())];
                let Some(missing) = rest.strip_prefix(given) else {
                    return fail(Problem::Unexpected, at);
                };
                *rest = missing;
                Ok((at + given.len(), missing.is_empty()))
            }
        }
    }
}

impl Text {
    fn take(&mut self, text: &[u8], mut at: usize) -> Read<(usize, bool)> {
        while at < text.len() {
            if matches!(self.escape, Escape::None) {
                if self.sequence.missing == 0 {
                    at = usual(text, at).at();
                }
                match text.get(at) {
                    None => break,
                    Some(b'"' | b'\\') if self.sequence.missing > 0 => return fail(Problem::Encoding, at),
                    Some(b'"') => return Ok((at + 1, true)),
                    Some(b'\\') => {
                        self.escape = Escape::Begun;
                        at += 1;
                    }
                    Some(_) => at = self.long(text, at)?,
                }
            } else {
                self.escape = self.escape.next(text[at]).map_or_else(|| fail(Problem::String, at), Ok)?;
                at += 1;
            }
        }
        Ok((at, false))
    }

    /// Takes all up to a quote, a backslash or the end of the piece.
    fn long(&mut self, text: &[u8], at: usize) -> Read<usize> {
        let rest = text.get(at..).unwrap_or_default();
        let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let part = &rest[..end];
        if self.sequence.missing == 0 && is_ascii_text(part) {
            return Ok(at + end);
        }
        no_control(part, at)?;
        let mut from = 0;
        while self.sequence.missing > 0 && from < part.len() {
            self.sequence.next(part[from], at + from)?;
            from += 1;
        }
        if let Err(error) = std::str::from_utf8(&part[from..]) {
            from += error.valid_up_to();
            if error.error_len().is_some() {
                return fail(Problem::Encoding, at + from);
            }
            for (place, byte) in part.iter().enumerate().skip(from) {
                self.sequence.next(*byte, at + place)?;
            }
        }
        Ok(at + end)
    }
}

impl Escape {
    /// What comes behind one more byte; `None` if it must not come.
    fn next(&self, byte: u8) -> Option<Self> {
        const UNIT: Escape = Escape::Digits { missing: 4, unit: 0, low: false };
        match (self, byte) {
            (Self::Begun, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Some(Self::None),
            (Self::Begun, b'u') => Some(UNIT),
            (Self::Half, b'\\') => Some(Self::HalfBegun),
            (Self::HalfBegun, b'u') => Some(Self::Digits { missing: 4, unit: 0, low: true }),
            (Self::Digits { missing, unit, low }, byte) => {
                let unit = unit << 4 | hex(byte)?;
                match (missing, low, unit) {
                    (2.., _, _) => Some(Self::Digits { missing: missing - 1, unit, low: *low }),
                    (_, true, 0xDC00..=0xDFFF) => Some(Self::None),
                    (_, true, _) | (_, false, 0xDC00..=0xDFFF) => None,
                    (_, false, 0xD800..=0xDBFF) => Some(Self::Half),
                    (_, false, _) => Some(Self::None),
                }
            }
            _ => None,
        }
    }
}

impl Sequence {
    /// Takes one byte of a sequence, or the first one of a new one (Unicode, table 3-7).
    fn next(&mut self, byte: u8, at: usize) -> Read<()> {
        let (missing, least, most) = if self.missing > 0 {
            if !(self.least..=self.most).contains(&byte) {
                return fail(Problem::Encoding, at);
            }
            (self.missing - 1, 0x80, 0xbf)
        } else {
            match byte {
                0..=0x7f => (0, 0x80, 0xbf),
                0xc2..=0xdf => (1, 0x80, 0xbf),
                0xe0 => (2, 0xa0, 0xbf),
                0xed => (2, 0x80, 0x9f),
                0xe1..=0xef => (2, 0x80, 0xbf),
                0xf0 => (3, 0x90, 0xbf),
                0xf1..=0xf3 => (3, 0x80, 0xbf),
                0xf4 => (3, 0x80, 0x8f),
                _ => return fail(Problem::Encoding, at),
            }
        };
        *self = Self { missing, least, most };
        Ok(())
    }
}

impl Number {
    fn take(&mut self, text: &[u8], mut at: usize) -> Read<(usize, bool)> {
        while let Some(byte) = text.get(at) {
            *self = match (*self, byte) {
                (Self::Nothing, b'-') => Self::Minus,
                (Self::Nothing | Self::Minus, b'0') => Self::Zero,
                (Self::Nothing | Self::Minus, b'1'..=b'9') | (Self::Digits, b'0'..=b'9') => Self::Digits,
                (Self::Zero | Self::Digits, b'.') => Self::Point,
                (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
                (Self::Zero | Self::Digits | Self::Fraction, b'e' | b'E') => Self::Exponent,
                (Self::Exponent, b'+' | b'-') => Self::Sign,
                (Self::Exponent | Self::Sign | Self::Power, b'0'..=b'9') => Self::Power,
                (Self::Zero | Self::Digits | Self::Fraction | Self::Power, _) => return Ok((at, true)),
                _ => return fail(Problem::Unexpected, at),
            };
            at += 1;
        }
        Ok((at, false))
    }
}
