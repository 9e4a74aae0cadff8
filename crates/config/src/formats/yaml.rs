//! YAML, read with `serde-saphyr`, whose `Spanned` has byte ranges and whose budgets stop alias bombs.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::{DEPTH_MAX, NODES_MAX, Syntax};
use crate::tree::{Entry, Node, Spot, Value};

pub(super) fn parse(text: &str) -> Result<Node, Vec<Syntax>> {
    let mut options = serde_saphyr::Options::default();
    options.strict_booleans = true;
    options.with_snippet = false;
    options.alias_limits.max_total_replayed_events = NODES_MAX;
    if let Some(budget) = &mut options.budget {
        budget.max_depth = DEPTH_MAX;
        budget.flow_nesting_limit = DEPTH_MAX;
        budget.max_nodes = NODES_MAX;
        budget.max_events = NODES_MAX * 3;
        budget.max_documents = 1;
    }
    match serde_saphyr::from_str_with_options::<Option<Spanned<Raw>>>(text, options) {
        Ok(Some(root)) => Ok(convert(text, root)),
        Ok(None) => Ok(Node::new(Value::Null, 0..0)),
        Err(error) => {
            let range = error.location().map_or(0..0, |location| bytes(text, location));
            let message = error.to_string();
            let message = message.lines().next().unwrap_or_default();
            Err(vec![Syntax { range, message: plain(message) }])
        }
    }
}

/// The message without the place that the library appends; ours is shown anyway.
fn plain(message: &str) -> String {
    let cut = message.find(" at line ").unwrap_or(message.len());
    let message = message[..cut].trim_end_matches([',', ' ']);
    let known = [
        ("duplicate mapping key", "this key is given twice"),
        ("budget breached: Depth", "nested too deeply"),
        ("recursion limit", "nested too deeply"),
        ("budget breached: Documents", "the file holds more than one document"),
        ("budget breached", "the document is too large"),
        ("alias replay limit", "the aliases of this document expand to too many values"),
        ("expected string scalar", "a key must be text"),
    ];
    let ours = known.iter().find(|(theirs, _)| message.starts_with(theirs)).map(|(_, ours)| *ours);
    ours.unwrap_or(message).to_owned()
}

/// A value whose type the document decides.
enum Raw {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

/// The depth budget bounds this recursion.
fn convert(text: &str, raw: Spanned<Raw>) -> Node {
    let range = bytes(text, raw.referenced);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(value),
        Raw::Number(value) => Value::Number(spelling(text, raw.defined).unwrap_or(value)),
        Raw::String(value) => Value::String(value),
        Raw::List(items) => Value::List(items.into_iter().map(|item| convert(text, item)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let key_spot = Spot::text(bytes(text, key.referenced));
                    Entry { key: key.value, key_spot, value: convert(text, value) }
                })
                .collect(),
        ),
    };
    Node::new(value, range)
}

/// How a number is written, when its place is known: `1.10` must not become `1.1` in a variable of a child.
fn spelling(text: &str, location: Location) -> Option<String> {
    let written = text.get(bytes(text, location))?.trim();
    written.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)).then(|| written.to_owned())
}

/// The bytes a location covers, trailing blanks left out.
fn bytes(text: &str, location: Location) -> Range<usize> {
    let span = location.span();
    let start = span.byte_offset().map_or_else(
        || offset_of(text, location),
        |offset| usize::try_from(offset).unwrap_or(0).min(text.len()),
    );
    let length = usize::try_from(span.byte_len().unwrap_or(0)).unwrap_or(0);
    let end = start.saturating_add(length).min(text.len());
    let trimmed = text.get(start..end).map_or(0, |covered| covered.trim_end().len());
    start..start + trimmed
}

fn offset_of(text: &str, location: Location) -> usize {
    let line = usize::try_from(location.line()).unwrap_or(1).max(1);
    let column = usize::try_from(location.column()).unwrap_or(1).max(1);
    let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    before + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at)
}
