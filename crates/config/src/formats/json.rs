//! JSON, JSONC and the common part of JSON5, read with `jsonc-parser`, whose tree has byte ranges.

use jsonc_parser::ast::{ObjectPropName, Value as Json};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::Syntax;
use crate::tree::{Entry, Node, Spot, Value};

pub(super) fn parse(text: &str) -> Result<Node, Vec<Syntax>> {
    // A byte order mark, which Windows editors write, has three bytes: blanks instead keep every place.
    let blanked = text.strip_prefix('\u{feff}').map(|rest| format!("   {rest}"));
    let text = blanked.as_deref().unwrap_or(text);
    // A missing comma is nearly always a slip; everything else JSON5 allows is meant.
    let options = ParseOptions { allow_missing_commas: false, ..ParseOptions::default() };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options).map_err(|error| {
        let range = error.range();
        vec![Syntax { range: range.start..range.end, message: lower(&error.kind().to_string()) }]
    })?;
    Ok(parsed.value.map_or_else(|| Node::new(Value::Null, 0..0), convert))
}

/// The parser's own limit (512 levels) bounds this recursion.
fn convert(json: Json<'_>) -> Node {
    let range = json.range();
    let value = match json {
        Json::StringLit(text) => Value::String(text.value.into_owned()),
        Json::NumberLit(number) => Value::Number(number.value.to_owned()),
        Json::BooleanLit(boolean) => Value::Bool(boolean.value),
        Json::NullKeyword(_) => Value::Null,
        Json::Array(array) => Value::List(array.elements.into_iter().map(convert).collect()),
        Json::Object(object) => Value::Map(
            object
                .properties
                .into_iter()
                .map(|property| {
                    let name = match &property.name {
                        ObjectPropName::String(name) => name.range,
                        ObjectPropName::Word(name) => name.range,
                    };
                    let key_spot = Spot::text(name.start..name.end);
                    Entry { key: property.name.into_string(), key_spot, value: convert(property.value) }
                })
                .collect(),
        ),
    };
    Node::new(value, range.start..range.end)
}

fn lower(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
