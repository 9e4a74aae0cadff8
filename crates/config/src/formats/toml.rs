//! TOML, read with `toml`, whose spanned tables keep byte ranges and go on after an error.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Syntax;
use crate::tree::{Entry, Node, Place, Spot, Value};

/// Most syntax errors shown; after a few, the rest are echoes of the first.
const ERRORS_MAX: usize = 5;

pub(super) fn parse(text: &str) -> Result<Node, Vec<Syntax>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let range = table.span();
        return Ok(Node::new(entries(table.into_inner()), range));
    }
    let found = errors
        .into_iter()
        .take(ERRORS_MAX)
        .map(|error| Syntax { range: error.span().unwrap_or(0..0), message: error.message().to_owned() });
    Err(found.collect())
}

/// The parser's own limit (80 levels) bounds this recursion.
fn convert(item: Spanned<DeValue<'_>>) -> Node {
    let range = item.span();
    let value = match item.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => Value::Number(number.to_string()),
        DeValue::Float(number) => Value::Number(number.to_string()),
        DeValue::Boolean(boolean) => Value::Bool(boolean),
        DeValue::Datetime(moment) => Value::String(moment.to_string()),
        DeValue::Array(array) => Value::List(array.into_iter().map(convert).collect()),
        DeValue::Table(table) => entries(table),
    };
    Node::new(value, range)
}

fn entries(table: DeTable<'_>) -> Value {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| {
            let key_spot = Spot::text(key.span());
            Entry { key: key.into_inner().into_owned(), key_spot, value: convert(value) }
        })
        .collect();
    // The parser sorts by name; servers keep the order in which they were written.
    entries.sort_by_key(|entry| match &entry.key_spot.place {
        Place::Text(range) => range.start,
        Place::Outside(_) => 0,
    });
    Value::Map(entries)
}
