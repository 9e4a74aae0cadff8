//! Which keys an object has had so far.

use std::borrow::Cow;
use std::collections::HashSet;

/// Keys compared one by one before hashing begins.
const FEW: usize = 12;

/// The keys of one object. A short list is compared; a long one is hashed, with the standard library's keyed hash, so
/// that no choice of keys makes it slow.
#[derive(Default)]
pub(super) struct Seen<'a> {
    /// A bit for each kind of key there was (by length and last byte): most keys need no comparing at all.
    kinds: u64,
    count: usize,
    /// Where the first keys are in the text: begin and length.
    few: [(usize, usize); FEW],
    /// Keys that were spelled with escapes, and those beyond the first few. Hardly any object has one.
    others: Option<HashSet<Cow<'a, [u8]>>>,
}

impl<'a> Seen<'a> {
    /// Adds a key, which begins at `at` in the text unless it is spelled otherwise there; `false` when it was there.
    #[inline(always)]
    pub(super) fn insert(&mut self, text: &'a [u8], at: Option<usize>, key: &[u8]) -> bool {
        let last = key.get(key.len().wrapping_sub(1)).map_or(0, |byte| usize::from(*byte));
        let kind = 1 << ((key.len() * 7 + last) % 64);
        let new = self.kinds & kind == 0;
        self.kinds |= kind;
        match (at, self.few.get_mut(self.count)) {
            (Some(at), Some(slot)) if new => {
                *slot = (at, key.len());
                self.count += 1;
                true
            }
            _ => self.compare(text, at, key),
        }
    }

    /// The object has ended. Mostly there is nothing to free, and finding that out takes a call.
    #[inline(always)]
    pub(super) fn done(self) {
        if self.others.is_none() {
            std::mem::forget(self);
        }
    }

    #[inline(never)]
    fn compare(&mut self, text: &'a [u8], at: Option<usize>, key: &[u8]) -> bool {
        let mut known = self.few.iter().take(self.count).map(|(at, len)| text.get(*at..at + len));
        if known.any(|k| k == Some(key)) || self.others.as_ref().is_some_and(|others| others.contains(key)) {
            return false;
        }
        match (at, self.few.get_mut(self.count)) {
            (Some(at), Some(slot)) => {
                *slot = (at, key.len());
                self.count += 1;
                true
            }
            (at, _) => {
                let plain = at.and_then(|at| text.get(at..at + key.len()));
                let key = plain.map_or_else(|| Cow::Owned(key.to_vec()), Cow::Borrowed);
                self.others.get_or_insert_default().insert(key)
            }
        }
    }
}
