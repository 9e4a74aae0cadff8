//! The result of a tool as nearly all of them are: seen to be fit for a legacy client in one walk, without a list of its
//! members. Whatever is out of the ordinary is left to the thorough way, which also says what is wrong.

use bytes::Bytes;
use trunkline_model::{Era, Reply, Span};

use super::content::Reading;
use super::{MODERN_ONLY, Trimmed};
use crate::json::{Read, passed, value, walk};

/// The result for the legacy client that `reading` describes; `None` when it needs more than leaving out what is only
/// for modern clients, or cannot be read.
pub(super) fn settled(reply: &Reply, reading: Reading) -> Option<Trimmed> {
    let raw = &reply.raw;
    if raw.first() != Some(&b'{') {
        return None;
    }
    let mut kept = Kept::of(reply);
    let (mut usual, mut listed) = (true, false);
    let read = walk::members(raw, 0, 0, |key, at| {
        let end = match key.name {
            b"content" if raw.get(at) == Some(&b'[') => {
                listed = true;
                blocks(raw, at, reading, &mut usual)?
            }
            // Only objects are structured content to legacy clients.
            b"structuredContent" => {
                usual &= raw.get(at) == Some(&b'{');
                value(raw, at, 1)?
            }
            b"resultType" => {
                let end = value(raw, at, 1)?;
                usual &= raw.get(at..end) == Some(b"\"complete\"");
                end
            }
            _ => value(raw, at, 1)?,
        };
        kept.member(key.name, end);
        Ok(end)
    });
    match read {
        Ok(end) if end == raw.len() && usual && listed => Some(kept.finish()),
        _ => None,
    }
}

/// Takes a list of blocks; `usual` becomes false when one is of a type that the reader does not know.
fn blocks(raw: &[u8], at: usize, reading: Reading, usual: &mut bool) -> Read<usize> {
    walk::elements(raw, at, 1, |at| {
        let mut known = false;
        let end = if raw.get(at) == Some(&b'{') {
            walk::members(raw, at, 2, |key, at| {
                if key.name != b"type" || raw.get(at) != Some(&b'"') {
                    // The message that it came in was checked to its end.
                    return passed(raw, at, 3);
                }
                let (kind, end) = walk::text(raw, at)?;
                let name = raw.get(at + 1..end - 1).and_then(|name| std::str::from_utf8(name).ok());
                known = !kind.escaped && name.is_some_and(|name| reading.knows(name));
                Ok(end)
            })?
        } else {
            value(raw, at, 2)?
        };
        *usual &= known;
        Ok(end)
    })
}

/// The members of a modern result that stay.
struct Kept<'a> {
    raw: &'a Bytes,
    modern: bool,
    /// Where they are, as long as they are in one place.
    place: Span,
    /// The object so far, with the white space around each value, once they are in more than one.
    out: Vec<u8>,
    /// Where the last member ended.
    end: usize,
    /// Whether any was left out, and whether the last one was.
    cut: bool,
    cut_last: bool,
}

impl<'a> Kept<'a> {
    fn of(reply: &'a Reply) -> Self {
        let modern = reply.era == Era::Modern;
        Self { raw: &reply.raw, modern, place: 1..1, out: Vec::new(), end: 1, cut: false, cut_last: false }
    }

    fn at(&self, span: Span) -> &'a [u8] {
        self.raw.get(span).unwrap_or_default()
    }

    fn member(&mut self, name: &[u8], end: usize) {
        if self.modern {
            self.cut_last = MODERN_ONLY.iter().any(|only| only.as_bytes() == name);
            self.cut |= self.cut_last;
            if !self.cut_last {
                self.keep(end);
            }
        }
        self.end = end;
    }

    fn keep(&mut self, end: usize) {
        // Nothing but white space stands between a value and its comma; before the first there is none.
        let is_first = self.end == 1;
        let comma = self.at(self.end..end).iter().take_while(|byte| !is_first && **byte != b',').count();
        let start = if is_first { 1 } else { self.end + comma + 1 };
        if self.place.is_empty() {
            self.place = start..end;
        } else if self.out.is_empty() && self.place.end == self.end && comma == 0 {
            self.place.end = end;
        } else {
            if self.out.is_empty() {
                self.out.reserve_exact(self.raw.len());
                self.out.push(b'{');
                self.out.extend_from_slice(self.at(self.place.clone()));
            }
            self.out.push(b',');
            self.out.extend_from_slice(self.at(start..end));
        }
    }

    fn finish(self) -> Trimmed {
        if !self.cut {
            return self.raw.clone().into();
        }
        let rest = self.at(self.end..self.raw.len());
        let Span { start, end } = self.place;
        if !self.out.is_empty() || start == end {
            let begun = if self.out.is_empty() { b"{" } else { self.out.as_slice() };
            return Bytes::from([begun, rest].concat()).into();
        }
        if !self.cut_last {
            return Trimmed::of(true, self.raw.slice(start..), false);
        }
        // White space before the bracket stays, as everywhere.
        if rest != b"}" {
            return Bytes::from([b"{", self.at(start..end), rest].concat()).into();
        }
        let opens = start > 1;
        Trimmed::of(opens, self.raw.slice(if opens { start } else { 0 }..end), true)
    }
}
