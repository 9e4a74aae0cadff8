//! JSON with comments, edited on its concrete syntax tree.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstRootNode};
use serde_json::Value;

pub(super) fn add(text: &str, key: &str, entries: &[(String, Value)]) -> Result<String, String> {
    let root =
        CstRootNode::parse(text, &ParseOptions::default()).map_err(|error| error.kind().to_string())?;
    let document = root.object_value_or_create().ok_or("it does not hold a map")?;
    let servers = if let Some(property) = document.get(key) {
        property.object_value_or_set()
    } else {
        let property = document.append(key, CstInputValue::Object(Vec::new()));
        property.object_value().ok_or("the servers could not be added")?
    };
    for (name, value) in entries {
        servers.append(name, input(value));
    }
    Ok(root.to_string())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(flag) => CstInputValue::Bool(*flag),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(list) => CstInputValue::Array(list.iter().map(input).collect()),
        Value::Object(map) => {
            CstInputValue::Object(map.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}
