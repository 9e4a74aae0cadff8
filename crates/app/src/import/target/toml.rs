//! TOML, edited with its comments.

use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

pub(super) fn add(text: &str, key: &str, entries: &[(String, Json)]) -> Result<String, String> {
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let servers = document.entry(key).or_insert_with(|| {
        let mut table = Table::new();
        // Only the tables of the servers have headings.
        table.set_implicit(true);
        Item::Table(table)
    });
    let servers = servers.as_table_like_mut().ok_or("the servers are not a table")?;
    for (name, entry) in entries {
        let mut table = Table::new();
        for (key, value) in entry.as_object().into_iter().flatten() {
            table.insert(key, Item::Value(plain(value)));
        }
        servers.insert(name, Item::Table(table));
    }
    Ok(document.to_string())
}

fn plain(value: &Json) -> Value {
    match value {
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::from(number.as_f64().unwrap_or_default()), Value::from)
        }
        Json::Array(list) => Value::Array(list.iter().map(plain).collect::<Array>()),
        Json::Object(map) => Value::InlineTable(
            map.iter().map(|(key, value)| (key.as_str(), plain(value))).collect::<InlineTable>(),
        ),
        Json::String(text) => Value::from(text.as_str()),
        Json::Null => Value::from(""),
    }
}
