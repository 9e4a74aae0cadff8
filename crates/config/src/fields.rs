//! Reads a map key by key and refuses what nobody asked for.

use crate::check::{Check, FINDINGS_MAX};
use crate::tree::{Entry, Node, Spot, Value};

/// A map being read. Each key that is asked for is known; `finish` reports the others.
pub(crate) struct Fields<'n> {
    section: &'static str,
    spot: Spot,
    entries: &'n [Entry],
    used: Vec<bool>,
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Opens `node`, which must be a map. `section` names the kind of map for the schema.
    pub(crate) fn open(node: &'n Node, section: &'static str, check: &mut Check<'_>) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            check.problem(&node.spot, format!("expected a map, found {}", node.kind()), "");
            return None;
        };
        let used = vec![false; entries.len()];
        Some(Self { section, spot: node.spot.clone(), entries, used, known: Vec::new() })
    }

    /// The place of the map itself.
    pub(crate) fn spot(&self) -> &Spot {
        &self.spot
    }

    /// The value under `key`; null counts as absent.
    pub(crate) fn take(&mut self, key: &'static str, check: &mut Check<'_>) -> Option<&'n Node> {
        self.take_entry(key, check).map(|entry| &entry.value)
    }

    /// The value under one of several spellings of a key. Two of them at once are a problem.
    pub(crate) fn take_any(&mut self, keys: &[&'static str], check: &mut Check<'_>) -> Option<&'n Node> {
        let mut first: Option<&'n Entry> = None;
        for key in keys {
            let Some(entry) = self.take_entry(key, check) else { continue };
            match first {
                None => first = Some(entry),
                Some(first) => check.problem(
                    &entry.key_spot,
                    format!("`{}` and `{}` mean the same; give only one", first.key, entry.key),
                    "",
                ),
            }
        }
        first.map(|entry| &entry.value)
    }

    /// The entry under `key`; null counts as absent.
    pub(crate) fn take_entry(&mut self, key: &'static str, check: &mut Check<'_>) -> Option<&'n Entry> {
        check.asked.insert((self.section, key.to_owned()));
        self.known.push(key);
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        self.used[at] = true;
        Some(&self.entries[at]).filter(|entry| !matches!(entry.value.value, Value::Null))
    }

    /// Whether `key` is written at all, null included.
    pub(crate) fn is_null(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && matches!(entry.value.value, Value::Null))
    }

    /// Accepts keys that other programs read: one note each, no effect.
    pub(crate) fn ignore(&mut self, keys: &[&'static str], check: &mut Check<'_>) {
        for key in keys {
            check.asked.insert((self.section, (*key).to_owned()));
            if let Some(at) = self.entries.iter().position(|entry| entry.key == *key) {
                self.used[at] = true;
                let message = format!("`{key}` is for other clients and has no effect here");
                check.note(&self.entries[at].key_spot, message, "");
            }
        }
    }

    /// Accepts every key that `free` admits, silently.
    pub(crate) fn skip(&mut self, free: impl Fn(&str) -> bool) {
        for (entry, used) in self.entries.iter().zip(&mut self.used) {
            *used |= free(&entry.key);
        }
    }

    /// Reports each key that was not asked for, as far as anybody will read about them.
    pub(crate) fn finish(self, check: &mut Check<'_>) {
        let unknown = self.entries.iter().zip(&self.used).filter(|(_, used)| !**used);
        for (entry, _) in unknown.take(FINDINGS_MAX) {
            let hint = nearest(&entry.key, &self.known)
                .map_or_else(|| listing(&self.known), |known| format!("did you mean `{known}`?"));
            let shown: String = entry.key.chars().take(64).collect();
            check.problem(&entry.key_spot, format!("unknown key `{shown}`"), hint);
        }
    }
}

/// The known word that `word` most likely was meant to be.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // The distance is quadratic in the length; nothing longer is a slip of a key.
    if word.len() > 64 {
        return None;
    }
    let plain = folded(word);
    if let Some(same) = known.iter().find(|known| folded(known) == plain) {
        return Some(same);
    }
    let distance = |known: &&&str| strsim::damerau_levenshtein(&plain, &folded(known));
    let near = known.iter().min_by_key(|known| distance(known))?;
    (distance(&near) <= (near.len() / 3).max(1)).then_some(near)
}

/// A key without case and separators: `body_bytes`, `BODY-BYTES` and `bodyBytes` are the same.
pub(crate) fn folded(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

fn listing(known: &[&str]) -> String {
    match known.len() {
        0 => String::new(),
        1..=12 => format!("known keys here: {}", known.join(", ")),
        _ => "docs/configuration.md lists the keys".to_owned(),
    }
}
