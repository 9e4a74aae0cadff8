//! JSON with comments, edited on its concrete syntax tree.

use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;

use super::Target;
use crate::document::json_options;
use crate::kind::Container;

pub(super) fn put(text: &str, target: &Target<'_>, wanted: &Value) -> Result<String, String> {
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    let root = parse(text)?;
    only_maps(target)?;
    let mut object = root.object_value_or_create().ok_or("the file does not hold a map")?;
    for key in target.keys {
        object = child(&object, key)?;
    }
    match object.get(target.name) {
        Some(property) => property.set_value(input(wanted)),
        None => {
            object.append(target.name, input(wanted));
        }
    }
    Ok(root.to_string())
}

pub(super) fn remove(text: &str, target: &Target<'_>) -> Result<String, String> {
    let root = parse(text)?;
    only_maps(target)?;
    let mut object = root.object_value();
    for key in target.keys {
        object = object.and_then(|object| object.object_value(key));
    }
    let property = object.and_then(|object| object.get(target.name)).ok_or("the entry was not found")?;
    property.remove();
    Ok(root.to_string())
}

fn parse(text: &str) -> Result<CstRootNode, String> {
    CstRootNode::parse(text, &json_options()).map_err(|error| error.kind().to_string())
}

fn only_maps(target: &Target<'_>) -> Result<(), String> {
    match target.container {
        Container::Map => Ok(()),
        Container::List => Err("servers are a list where this client has a map".to_owned()),
    }
}

fn child(object: &CstObject, key: &str) -> Result<CstObject, String> {
    if let Some(property) = object.get(key) {
        // A list here is an empty one, or `only_maps` had refused; null holds nothing either.
        return Ok(property.object_value_or_set());
    }
    let property = object.append(key, CstInputValue::Object(Vec::new()));
    property.object_value().ok_or_else(|| format!("could not add `{key}`"))
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
