//! What the envelope of an answer says beside its value.

use std::borrow::Cow;

use super::Part;
use super::kept::Kept;
use crate::scan::{ID_BYTES_MAX, id_is_usable};

/// Longest key of the envelope, in bytes as spelled. JSON-RPC knows four, none above seven.
pub(super) const KEY_BYTES_MAX: usize = 1024;
/// Most keys of the envelope that mean nothing.
const OTHERS_MAX: usize = 32;

/// The keys that mean something in an envelope.
const KNOWN: [&[u8]; 6] = [b"jsonrpc", b"id", b"result", b"error", b"method", b"params"];
const METHOD: usize = 4;
const PARAMS: usize = 5;

/// The envelope so far.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    /// Which of [`KNOWN`] have come, a bit each.
    known: u8,
    others: Vec<Box<[u8]>>,
    excess: bool,
    /// The literal of `jsonrpc`, as long as the only right one.
    version: Kept<5>,
    id: Kept<{ ID_BYTES_MAX + 1 }>,
    id_ended: bool,
    part: Option<Part>,
    both: bool,
}

/// The values of the envelope, by what becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Slot {
    Version,
    Id,
    /// The result or error, which is handed on.
    Answer,
    #[default]
    Other,
}

impl Envelope {
    /// A key has come, as spelled; `None` when it is a doubled one.
    pub(super) fn key(&mut self, literal: Option<&[u8]>) -> Option<Slot> {
        let Some(name) = literal.map(unquoted) else {
            self.excess = true;
            return Some(Slot::Other);
        };
        if let Some(known) = KNOWN.iter().position(|known| *known == &*name) {
            let doubled = self.has(known);
            self.known |= 1 << known;
            return (!doubled).then(|| match known {
                0 => Slot::Version,
                1 => Slot::Id,
                2 => self.answer(Part::Result),
                3 => self.answer(Part::Error),
                _ => Slot::Other,
            });
        }
        if self.others.iter().any(|key| **key == *name) {
            return None;
        }
        if self.others.len() < OTHERS_MAX {
            self.others.push((&*name).into());
        } else {
            self.excess = true;
        }
        Some(Slot::Other)
    }

    const fn has(&self, known: usize) -> bool {
        self.known & 1 << known != 0
    }

    fn answer(&mut self, part: Part) -> Slot {
        self.both = self.part.is_some();
        if self.both {
            return Slot::Other;
        }
        self.part = Some(part);
        Slot::Answer
    }

    /// Some of a value has come.
    pub(super) fn add(&mut self, slot: Slot, bytes: &[u8]) {
        match slot {
            Slot::Version => self.version.add(bytes),
            Slot::Id => self.id.add(bytes),
            Slot::Answer | Slot::Other => {}
        }
    }

    /// A value has ended.
    pub(super) fn end(&mut self, slot: Slot) {
        self.id_ended |= slot == Slot::Id;
    }

    pub(super) const fn part(&self) -> Option<Part> {
        self.part
    }

    pub(super) fn id(&self) -> Option<&[u8]> {
        self.id.whole().filter(|id| self.id_ended && id_is_usable(id))
    }

    /// What the answer is, or why it is none, in the order in which a whole message is judged.
    pub(super) fn judge(&self) -> Result<Part, &'static str> {
        if self.version.whole() != Some(b"\"2.0\"") {
            return Err("\"jsonrpc\" must be \"2.0\"");
        }
        match self.part {
            Some(_) if self.has(METHOD) => Err("a message has either a method or an answer"),
            None => Err("an answer has a result or an error"),
            Some(_) if self.both => Err("an answer has either a result or an error"),
            Some(_) if self.has(PARAMS) => Err("an answer has no \"params\""),
            Some(_) if self.excess => Err("the answer has too many keys, or too long ones"),
            Some(part) => Ok(part),
        }
    }
}

/// The string that a checked literal stands for.
pub(super) fn unquoted(literal: &[u8]) -> Cow<'_, [u8]> {
    if literal.contains(&b'\\') {
        let decoded: String = serde_json::from_slice(literal).unwrap_or_default();
        return Cow::Owned(decoded.into_bytes());
    }
    Cow::Borrowed(literal.get(1..literal.len() - 1).unwrap_or_default())
}
