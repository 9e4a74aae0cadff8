//! Walking over a whole value without looking into it. A loop and not a recursion: a value costs no stack and no calls.

use super::literal::{End, number, passed_string, space, string, word};
use super::problem::{Read, fail};
use super::{DEPTH_MAX, Problem};

/// The brackets that must still come. 128 bytes on the stack, so that deep values cost no calls.
#[derive(Debug)]
pub(super) struct Open {
    /// The bracket that closes what is open innermost.
    closing: u8,
    /// How deep the value is that is being walked over.
    level: u32,
    outer: [u8; DEPTH_MAX as usize],
}

impl Open {
    pub(super) const fn new(level: u32) -> Self {
        Self { closing: 0, level, outer: [0; DEPTH_MAX as usize] }
    }

    #[inline(always)]
    pub(super) const fn level(&self) -> u32 {
        self.level
    }

    #[inline(always)]
    pub(super) const fn closing(&self) -> u8 {
        self.closing
    }

    #[inline(always)]
    pub(super) const fn in_object(&self) -> bool {
        self.closing == b'}'
    }

    /// Opens what ends with `closing`; the level is below [`DEPTH_MAX`].
    #[inline(always)]
    pub(super) fn push(&mut self, closing: u8) {
        self.outer[self.level as usize % DEPTH_MAX as usize] = self.closing;
        self.closing = closing;
        self.level += 1;
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) {
        self.level -= 1;
        self.closing = self.outer[self.level as usize % DEPTH_MAX as usize];
    }
}

/// Takes the value that begins at `at`, inside of `depth` arrays and objects; returns where it ends.
#[inline(never)]
pub(crate) fn value(text: &[u8], at: usize, depth: u32) -> Read<usize> {
    match text.get(at) {
        Some(b'{' | b'[') => nested(text, at, depth),
        Some(b'"') => string(text, at + 1).map(End::at),
        Some(first) => scalar(text, at, *first),
        None => fail(Problem::End, at),
    }
}

/// The same in a text that was checked before: a string, which may be large, is not checked again.
pub(crate) fn passed(text: &[u8], at: usize, depth: u32) -> Read<usize> {
    match text.get(at) {
        Some(b'"') => passed_string(text, at + 1).map(End::at),
        _ => value(text, at, depth),
    }
}

/// Takes a number or a word that begins with `first`.
#[inline(always)]
fn scalar(text: &[u8], at: usize, first: u8) -> Read<usize> {
    match first {
        b'-' | b'0'..=b'9' => number(text, at),
        b't' => word(text, at, b"true"),
        b'f' => word(text, at, b"false"),
        b'n' => word(text, at, b"null"),
        _ => fail(Problem::Unexpected, at),
    }
}

/// Takes an array or object. What mostly stands at a place is looked for first, and white space last: few peers send
/// any.
#[inline(never)]
fn nested(text: &[u8], mut at: usize, depth: u32) -> Read<usize> {
    let mut open = Open::new(depth);
    'element: loop {
        if open.closing == b'}' {
            at = key(text, at)?;
        }
        loop {
            let Some(first) = text.get(at) else { return fail(Problem::End, at) };
            match *first {
                b'"' => at = string(text, at + 1)?.at(),
                b'{' | b'[' => {
                    if open.level >= DEPTH_MAX {
                        return fail(Problem::Depth, at + 1);
                    }
                    at = space(text, at + 1);
                    // Both kinds of closing brackets are two behind the opening ones in ASCII.
                    let closing = first + 2;
                    if text.get(at) != Some(&closing) {
                        open.push(closing);
                        continue 'element;
                    }
                    at += 1;
                    if open.level == depth {
                        return Ok(at);
                    }
                }
                b' ' | b'\n' | b'\t' | b'\r' => {
                    at = space(text, at);
                    continue;
                }
                first => at = scalar(text, at, first)?,
            }
            break;
        }
        // A value has ended, which closes nothing, or some of what is open.
        loop {
            let Some(next) = text.get(at) else { return fail(Problem::End, at) };
            let next = *next;
            at += 1;
            if next == b',' {
                continue 'element;
            }
            if next == open.closing {
                open.pop();
                if open.level == depth {
                    return Ok(at);
                }
            } else if !matches!(next, b' ' | b'\n' | b'\t' | b'\r') {
                return fail(Problem::Unexpected, at - 1);
            }
        }
    }
}

/// Takes a key and its colon.
#[inline(always)]
fn key(text: &[u8], mut at: usize) -> Read<usize> {
    if text.get(at) != Some(&b'"') {
        at = space(text, at);
        match text.get(at) {
            Some(b'"') => {}
            Some(_) => return fail(Problem::Unexpected, at),
            None => return fail(Problem::End, at),
        }
    }
    colon(text, string(text, at + 1)?.at())
}

/// Takes a colon and the white space before it.
#[inline(always)]
pub(super) fn colon(text: &[u8], mut at: usize) -> Read<usize> {
    if text.get(at) == Some(&b':') {
        return Ok(at + 1);
    }
    at = space(text, at);
    match text.get(at) {
        Some(b':') => Ok(at + 1),
        Some(_) => fail(Problem::Unexpected, at),
        None => fail(Problem::End, at),
    }
}
