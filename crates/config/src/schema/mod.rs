//! The JSON Schema of the document, for editors.

mod document;
mod faults;
mod lifecycle;
mod limits;
mod reliability;
mod server;
mod values;

use std::collections::HashSet;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::resolve::keys;

/// Where the published schema is found; `starter` points editors to it.
const ID: &str = "https://raw.githubusercontent.com/trunkline/trunkline/main/docs/trunkline.schema.json";

/// The JSON Schema (draft 2020-12) of the document, aliases and ignored client keys included.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<document::Document>().to_value();
    if let Some(root) = schema.as_object_mut() {
        root.insert("$id".to_owned(), json!(ID));
        root.insert("title".to_owned(), json!("Trunkline configuration"));
        root.insert(
            "patternProperties".to_owned(),
            json!({ "^x-": { "description": "Yours: anchors, remarks." } }),
        );
        extend(root, &keys::DOCUMENT_ALIASES, &keys::DOCUMENT_IGNORED);
    }
    if let Some(server) = schema.pointer_mut("/$defs/Server").and_then(Value::as_object_mut) {
        server.insert(
            "patternProperties".to_owned(),
            json!({ "^x-": { "description": "Yours: anchors, remarks." } }),
        );
        extend(server, &keys::SERVER_ALIASES, &keys::SERVER_IGNORED);
    }
    schema
}

/// Adds other spellings of a key, and keys that are accepted without effect.
fn extend(object: &mut Map<String, Value>, aliases: &[(&str, &[&str])], ignored: &[&str]) {
    let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (key, spellings) in aliases {
        let mut same = properties.get(*key).cloned().unwrap_or_default();
        same["description"] = json!(format!("Another spelling of `{key}`, as MCP clients write it."));
        for spelling in *spellings {
            properties.insert((*spelling).to_owned(), same.clone());
        }
    }
    for key in ignored {
        let description = "For other MCP clients; accepted with a note, without effect here.";
        properties.insert((*key).to_owned(), json!({ "description": description, "deprecated": true }));
    }
}

/// Every key and fixed value of the schema: the words that are shown of an unreadable document.
pub(crate) fn words() -> &'static HashSet<String> {
    fn collect(value: &Value, words: &mut HashSet<String>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::Object(properties)) = object.get("properties") {
                    words.extend(properties.keys().cloned());
                }
                object.values().for_each(|value| collect(value, words));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
            _ => {}
        }
    }
    // They never change, and making the schema takes longer than reading a document.
    static WORDS: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let mut words = HashSet::new();
        collect(&schema(), &mut words);
        words
    });
    &WORDS
}

#[cfg(test)]
mod tests;
