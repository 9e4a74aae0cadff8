//! The result of a tool as nearly all of them are: seen to be fit for a legacy client in one walk, without a list of its
//! members. Whatever is out of the ordinary is left to the thorough way, which also says what is wrong.

use bytes::Bytes;
use trunkline_model::{Era, Reply};

use super::MODERN_ONLY;
use super::content::Reading;
use crate::json::{Read, value, walk};

/// The result for the legacy client that `reading` describes; `None` when it needs more than leaving out what is only
/// for modern clients, or cannot be read.
pub(super) fn settled(reply: &Reply, reading: Reading) -> Option<Bytes> {
    let raw = &reply.raw;
    if raw.first() != Some(&b'{') {
        return None;
    }
    let mut kept = Kept { raw, modern: reply.era == Era::Modern, out: Vec::new(), end: 1, cut: false };
    if kept.modern {
        kept.out.reserve_exact(raw.len());
        kept.out.push(b'{');
    }
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
                    return value(raw, at, 3);
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

/// The members of a modern result that stay, each with the white space around it.
struct Kept<'a> {
    raw: &'a Bytes,
    modern: bool,
    out: Vec<u8>,
    /// Where the last member ended.
    end: usize,
    cut: bool,
}

impl Kept<'_> {
    fn member(&mut self, name: &[u8], end: usize) {
        if self.modern {
            if MODERN_ONLY.iter().any(|only| only.as_bytes() == name) {
                self.cut = true;
            } else {
                // Nothing but white space stands between a value and its comma; before the first there is none.
                let comma = self.raw.get(self.end..).and_then(|rest| rest.iter().position(|b| *b == b','));
                let start = if self.end == 1 { 1 } else { self.end + comma.map_or(0, |at| at + 1) };
                if self.out.len() > 1 {
                    self.out.push(b',');
                }
                self.out.extend_from_slice(self.raw.get(start..end).unwrap_or_default());
            }
        }
        self.end = end;
    }

    fn finish(mut self) -> Bytes {
        if !self.cut {
            return self.raw.clone();
        }
        self.out.extend_from_slice(self.raw.get(self.end..).unwrap_or_default());
        Bytes::from(self.out)
    }
}
