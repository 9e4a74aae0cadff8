//! Strings, numbers, words and white space: the parts of the grammar that do not nest.
//!
//! Everything here takes the whole text and an offset, and returns the offset behind what it took.

use super::problem::{Fault, Read, fail};
use super::{Problem, block};

/// Blocks looked at one by one before a search that is only faster on long strings begins.
const SHORT_BLOCKS: usize = 8;
/// The same for wide blocks.
const SHORT_WIDE_BLOCKS: u32 = 4;

/// Skips white space.
#[inline]
pub(crate) fn space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// Takes the string whose opening quote is before `start`, and validates what is outside ASCII in it.
#[inline(always)]
pub(super) fn string(text: &[u8], start: usize) -> Read<End> {
    match block::plain_till_quote(text, start) {
        Ok(plain) => Ok(End(start + plain.len() + 1)),
        Err(at) => odd_string::<true>(text, at),
    }
}

/// The same in a text that was checked before: where the string ends.
pub(super) fn passed_string(text: &[u8], start: usize) -> Read<End> {
    odd_string::<false>(text, start)
}

/// Where a string ends, and whether there were escapes; in one word, as [`Read`] is then returned in registers.
#[derive(Clone, Copy)]
pub(super) struct End(usize);

impl End {
    const ESCAPED: usize = 1 << (usize::BITS - 1);

    #[inline(always)]
    pub(super) const fn at(self) -> usize {
        self.0 & !Self::ESCAPED
    }

    #[inline(always)]
    pub(super) const fn escaped(self) -> bool {
        self.0 & Self::ESCAPED != 0
    }
}

/// The rest of a string that is longer than a block, near the end of the text, or not plain. Up to `at` it is plain.
#[inline(never)]
pub(super) fn odd_string<const CHECKS: bool>(text: &[u8], mut at: usize) -> Read<End> {
    let mut escaped = 0;
    loop {
        let usual = usual(text, at);
        escaped |= usual.0 & End::ESCAPED;
        at = usual.at();
        match text.get(at) {
            Some(b'"') => return Ok(End((at + 1) | escaped)),
            Some(b'\\') => {
                escaped = End::ESCAPED;
                at += escape_len(text, at)?;
            }
            Some(_) => at = long::<CHECKS>(text, at)?,
            None => return fail(Problem::End, at),
        }
    }
}

/// Walks over what most strings are made of, plain ASCII and escapes of two characters, and never into the middle of an
/// escape. Stops at the first byte that needs a look, where a long plain stretch is better left to [`long`], or near the
/// end of the text.
#[inline(always)]
pub(super) fn usual(text: &[u8], mut at: usize) -> End {
    let (mut escaped, mut quiet) = (0, 0);
    'block: loop {
        let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk::<{ block::WIDE }>) else {
            return End(plain(text, at) | escaped);
        };
        let mut stops = block::stops_in_wide(block);
        if stops == 0 {
            at += block::WIDE;
            quiet += 1;
            if quiet == SHORT_WIDE_BLOCKS {
                return End(at | escaped);
            }
            continue;
        }
        quiet = 0;
        while stops != 0 {
            let stop = stops.trailing_zeros() as usize % block::WIDE;
            let is_short = block[stop] == b'\\' && text.get(at + stop + 1).is_some_and(|byte| escapes(*byte));
            if !is_short {
                return End((at + stop) | escaped);
            }
            escaped = End::ESCAPED;
            // Text is full of line ends and quotes: the same block goes on behind the escape.
            let behind = stop + 2;
            if behind >= block::WIDE {
                at += behind;
                continue 'block;
            }
            stops &= u32::MAX << behind;
        }
        at += block::WIDE;
    }
}

/// Whether a backslash and this are an escape. A table: what comes next is hard to foresee for a processor.
#[inline(always)]
const fn escapes(byte: u8) -> bool {
    const ESCAPES: [bool; 256] = {
        let (mut table, mut at) = ([false; 256], 0);
        let escapes = *b"\"\\/bfnrt";
        while at < escapes.len() {
            table[escapes[at] as usize] = true;
            at += 1;
        }
        table
    };
    ESCAPES[byte as usize]
}

/// Skips plain ASCII: to the first byte that needs a look, or to where it is worth while to go on with [`long`].
#[inline(always)]
pub(super) fn plain(text: &[u8], mut at: usize) -> usize {
    for _ in 0..SHORT_BLOCKS {
        match block::stops(text, at) {
            Some(0) => at += block::LEN,
            Some(stops) => return at + stops.trailing_zeros() as usize,
            None => {
                while text.get(at).is_some_and(|byte| is_plain(*byte)) {
                    at += 1;
                }
                return at;
            }
        }
    }
    at
}

/// Whether a byte stands for itself in a string and is ASCII.
pub(super) const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7f) && byte != b'"' && byte != b'\\'
}

/// Skips to the next quote or backslash, and checks what is passed unless that was done before.
fn long<const CHECKS: bool>(text: &[u8], at: usize) -> Read<usize> {
    let rest = text.get(at..).unwrap_or_default();
    let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
        return fail(Problem::End, text.len());
    };
    if CHECKS {
        acceptable(&rest[..found], at)?;
    }
    Ok(at + found)
}

/// Checks a part of a string, which begins at `at` and has no quote or backslash.
fn acceptable(part: &[u8], at: usize) -> Read<()> {
    if is_ascii_text(part) {
        return Ok(());
    }
    no_control(part, at)?;
    std::str::from_utf8(part)
        .map(drop)
        .map_err(|error| Fault::new(Problem::Encoding, at + error.valid_up_to()))
}

/// Whether there are neither control characters nor bytes outside ASCII. Without an early end, so that it runs over
/// many bytes at a time.
pub(super) fn is_ascii_text(part: &[u8]) -> bool {
    let (blocks, rest) = part.as_chunks::<64>();
    let mut most = [0_u8; 64];
    for block in blocks {
        for (most, byte) in most.iter_mut().zip(block) {
            *most = (*most).max(byte.wrapping_sub(0x20));
        }
    }
    most.iter().all(|most| *most < 0x60)
        && rest.iter().fold(0, |most, byte| most.max(byte.wrapping_sub(0x20))) < 0x60
}

/// Refuses the first control character of a part, which begins at `at`.
pub(super) fn no_control(part: &[u8], at: usize) -> Read<()> {
    // Without an early end, so that it runs over many bytes at a time: there is none, as a rule.
    if part.iter().fold(u8::MAX, |least, byte| least.min(*byte)) >= 0x20 {
        return Ok(());
    }
    let control = part.iter().position(|byte| *byte < 0x20).unwrap_or_default();
    fail(Problem::String, at + control)
}

/// The length of the escape sequence at `at`, a surrogate pair counting as one.
fn escape_len(text: &[u8], at: usize) -> Read<usize> {
    match text.get(at + 1) {
        Some(byte) if escapes(*byte) => Ok(2),
        Some(b'u') => match unit(text, at + 2) {
            None | Some(0xDC00..=0xDFFF) => fail(Problem::String, at),
            Some(0xD800..=0xDBFF) => {
                let low = text.get(at + 6..at + 8) == Some(b"\\u")
                    && matches!(unit(text, at + 8), Some(0xDC00..=0xDFFF));
                if low { Ok(12) } else { fail(Problem::String, at) }
            }
            Some(_) => Ok(6),
        },
        Some(_) => fail(Problem::String, at),
        None => fail(Problem::End, at),
    }
}

/// The UTF-16 code unit that four hexadecimal digits stand for.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    text.get(at..at + 4)?.iter().try_fold(0, |unit, digit| Some(unit << 4 | hex(*digit)?))
}

/// The value of a hexadecimal digit.
pub(super) fn hex(digit: u8) -> Option<u16> {
    char::from(digit).to_digit(16).map(|value| value as u16)
}

/// Takes `true`, `false` or `null`.
#[inline(always)]
pub(super) fn word(text: &[u8], at: usize, word: &[u8]) -> Read<usize> {
    let end = at + word.len();
    if text.get(at..end) == Some(word) { Ok(end) } else { fail(Problem::Unexpected, at) }
}

/// Takes the number that begins at `at` with a digit or a minus sign.
#[inline(always)]
pub(super) fn number(text: &[u8], mut at: usize) -> Read<usize> {
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
    at = if text.get(at) == Some(&b'0') { at + 1 } else { digits(text, at)? };
    match text.get(at) {
        Some(b'.' | b'e' | b'E') => fraction(text, at),
        _ => Ok(at),
    }
}

/// What follows the integer part of a number.
fn fraction(text: &[u8], mut at: usize) -> Read<usize> {
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        at = digits(text, at)?;
    }
    Ok(at)
}

#[inline]
fn digits(text: &[u8], start: usize) -> Read<usize> {
    let mut at = start;
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    if at > start { Ok(at) } else { fail(Problem::Unexpected, at) }
}
