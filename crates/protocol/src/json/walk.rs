//! Walking over one object or array by offsets. [`super::Reader`] and the scan of messages are made of this.
//!
//! Everything takes the whole text and an offset, and returns the offset behind what it took: in registers, which a
//! reader that remembers its place cannot be.

use super::literal::{End, odd_string, space, string};
use super::problem::{Read, fail};
use super::reader::Str;
use super::seen::Seen;
use super::skip::colon;
use super::{DEPTH_MAX, Problem, block};

/// An object's key for comparing, unescaped.
#[derive(Clone, Copy)]
pub(crate) struct RawKey<'a, 'k> {
    /// What it says.
    pub(crate) name: &'k [u8],
    /// The same within the text, unless it is spelled with escapes there.
    pub(super) plain: Option<&'a [u8]>,
}

/// Takes the object that begins at `at` inside of `depth` others, refusing doubled keys. `each` takes the values: from
/// where one begins to where it ends.
#[inline(always)]
pub(crate) fn members<'a>(
    text: &'a [u8],
    at: usize,
    depth: u32,
    mut each: impl FnMut(RawKey<'a, '_>, usize) -> Read<usize>,
) -> Read<usize> {
    let mut at = enter(text, at, depth)?;
    if text.get(at) == Some(&b'}') {
        return Ok(at + 1);
    }
    let mut seen = Seen::default();
    loop {
        if text.get(at) != Some(&b'"') {
            at = expect(text, at, b'"')?;
        }
        let begin = at + 1;
        let (plain, end) = match block::plain_till_quote(text, begin) {
            Ok(plain) => (Some(plain), begin + plain.len() + 1),
            Err(stop) => odd_key(text, begin, stop)?,
        };
        let decoded;
        let name = if let Some(plain) = plain {
            plain
        } else {
            decoded = unescape(text.get(at..end).unwrap_or_default()).into_bytes();
            &decoded
        };
        if !seen.insert(text, plain.map(|_| begin), name) {
            return fail(Problem::Duplicate, at);
        }
        at = space(text, colon(text, end)?);
        at = each(RawKey { name, plain }, at)?;
        match next(text, at, b'}')? {
            (true, behind) => at = behind,
            (false, behind) => {
                seen.done();
                return Ok(behind);
            }
        }
    }
}

/// Takes the array that begins at `at` inside of `depth` others; `each` takes the elements.
#[inline(always)]
pub(crate) fn elements(
    text: &[u8],
    at: usize,
    depth: u32,
    mut each: impl FnMut(usize) -> Read<usize>,
) -> Read<usize> {
    let mut at = enter(text, at, depth)?;
    if text.get(at) == Some(&b']') {
        return Ok(at + 1);
    }
    loop {
        at = each(space(text, at))?;
        match next(text, at, b']')? {
            (true, behind) => at = behind,
            (false, behind) => return Ok(behind),
        }
    }
}

/// Takes an opening bracket and the white space behind it.
#[inline(always)]
fn enter(text: &[u8], at: usize, depth: u32) -> Read<usize> {
    if depth >= DEPTH_MAX {
        return fail(Problem::Depth, at + 1);
    }
    Ok(space(text, at + 1))
}

/// Takes a comma, or the bracket that closes; tells whether it was a comma.
#[inline(always)]
fn next(text: &[u8], mut at: usize, closing: u8) -> Read<(bool, usize)> {
    if text.get(at) == Some(&b',') {
        return Ok((true, at + 1));
    }
    if text.get(at) != Some(&closing) {
        at = space(text, at);
        match text.get(at) {
            Some(b',') => return Ok((true, at + 1)),
            Some(byte) if *byte == closing => {}
            Some(_) => return fail(Problem::Unexpected, at),
            None => return fail(Problem::End, at),
        }
    }
    Ok((false, at + 1))
}

/// Where `wanted` is behind white space.
#[inline(never)]
fn expect(text: &[u8], at: usize, wanted: u8) -> Read<usize> {
    let at = space(text, at);
    match text.get(at) {
        Some(byte) if *byte == wanted => Ok(at),
        Some(_) => fail(Problem::Unexpected, at),
        None => fail(Problem::End, at),
    }
}

/// The rest of a long or unusual key that begins at `begin` and is plain up to `at`: itself unless it has escapes, and
/// where its literal ends.
#[inline(always)]
fn odd_key(text: &[u8], begin: usize, at: usize) -> Read<(Option<&[u8]>, usize)> {
    let end = odd_string::<true>(text, at)?;
    Ok((text.get(begin..end.at() - 1).filter(|_| !end.escaped()), end.at()))
}

/// The string that a literal stands for, which was checked before.
#[cold]
pub(super) fn unescape(literal: &[u8]) -> String {
    serde_json::from_slice(literal).unwrap_or_default()
}

/// Takes the string that begins with the quote at `at`.
#[inline(always)]
pub(crate) fn text(text: &[u8], at: usize) -> Read<(Str, usize)> {
    let end: End = string(text, at + 1)?;
    Ok((Str { span: at..end.at(), escaped: end.escaped() }, end.at()))
}
