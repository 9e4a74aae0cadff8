//! The document as a tree in which each value knows its place. All formats become this; one resolver reads it.

use std::ops::Range;
use std::sync::Arc;

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Bytes of the document's text.
    Text(Range<usize>),
    /// Not in the document: an environment variable or a flag, as it is named to the user.
    Outside(Arc<str>),
}

/// A place and the dotted path that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) place: Place,
    pub(crate) path: Arc<str>,
}

impl Spot {
    pub(crate) fn text(range: Range<usize>) -> Self {
        Self { place: Place::Text(range), path: Arc::from("") }
    }
}

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) spot: Spot,
    /// The text came from outside the document (a variable, a file, a flag): numbers and booleans
    /// may be spelled as text, and it must not be printed.
    pub(crate) soft: bool,
}

/// What a value is. Numbers keep their spelling, so that `1.10` stays `1.10` where text is wanted.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map and its value, in document order.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_spot: Spot,
    pub(crate) value: Node,
}

/// Longest part of one key that a path repeats, so that a hostile document cannot multiply a huge key.
const SEGMENT_CHARS_MAX: usize = 64;

impl Node {
    pub(crate) fn new(value: Value, range: Range<usize>) -> Self {
        Self { value, spot: Spot::text(range), soft: false }
    }

    /// The entries when this is a map.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value under `key` when this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The noun for messages about a wrong type.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// Writes the path of each value into the tree below this one.
    pub(crate) fn label(&mut self, path: Arc<str>) {
        match &mut self.value {
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.label(format!("{path}[{index}]").into());
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    let below = child(&path, &entry.key);
                    entry.key_spot.path = Arc::clone(&below);
                    entry.value.label(below);
                }
            }
            _ => {}
        }
        self.spot.path = path;
    }
}

/// The path of `key` below `path`.
pub(crate) fn child(path: &str, key: &str) -> Arc<str> {
    let key: String = key.chars().take(SEGMENT_CHARS_MAX).collect();
    if path.is_empty() { key.into() } else { format!("{path}.{key}").into() }
}
