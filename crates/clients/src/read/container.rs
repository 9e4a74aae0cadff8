//! Finding the map or list of servers in a document and going through it.

use serde_json::{Map, Value};

use super::server::{looks_like_server, server};
use crate::document::type_name;
use crate::error::ReadError;
use crate::imported::ImportedServer;
use crate::kind::ClientKind;

/// The path of keys under which this document holds (or should hold) servers: the longest that is there.
pub(crate) fn select_keys(kind: &ClientKind, doc: &Value) -> &'static [&'static str] {
    let there = kind.keys.iter().filter(|keys| is_container(keys, doc));
    there.max_by_key(|keys| keys.len()).unwrap_or(&kind.keys[0])
}

/// Deeper keys count only when they hold no server: one may be called `servers`.
fn is_container(keys: &[&str], doc: &Value) -> bool {
    match keys.iter().try_fold(doc, |value, key| value.get(key)) {
        Some(value) => keys.len() == 1 || (value.is_object() && !looks_like_server(value)),
        None => false,
    }
}

/// The container of servers, with the path of its keys for messages.
pub(crate) fn find<'a>(kind: &ClientKind, doc: &'a Value) -> Result<Option<(String, &'a Value)>, ReadError> {
    let mut value = doc;
    let mut path = String::new();
    for key in select_keys(kind, doc) {
        let map = as_map(value, &path)?;
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
        match map.get(*key) {
            None | Some(Value::Null) => return Ok(None),
            Some(inner) => value = inner,
        }
    }
    Ok(Some((path, value)))
}

/// All servers of the client in the document.
pub(super) fn servers(kind: &ClientKind, doc: &Value) -> Result<Vec<ImportedServer>, ReadError> {
    let mut out = match find(kind, doc)? {
        Some((path, value)) => in_container(kind, value, &path)?,
        None => Vec::new(),
    };
    if let Some(Value::Object(projects)) = kind.per_project_key.and_then(|key| doc.get(key)) {
        for (dir, project) in projects {
            let path = format!("{}.{dir}.mcpServers", kind.per_project_key.unwrap_or_default());
            let inner = project.get("mcpServers").filter(|value| !value.is_null());
            let Some(inner) = inner else { continue };
            for mut server in in_container(kind, inner, &path)? {
                server.notes.push(format!("{} uses it only in the project {dir}", kind.name));
                out.push(server);
            }
        }
    }
    Ok(out)
}

/// The servers in a map of names or a list of named ones. Both are accepted for every client.
pub(super) fn in_container(
    kind: &ClientKind,
    value: &Value,
    path: &str,
) -> Result<Vec<ImportedServer>, ReadError> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Object(map) => {
            map.iter().map(|(name, value)| server(kind, name, value, &format!("{path}.{name}"))).collect()
        }
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let path = format!("{path}[{index}]");
                let name = match as_map(value, &path)?.get("name") {
                    Some(Value::String(name)) => name.clone(),
                    None | Some(Value::Null) => format!("server-{}", index + 1),
                    Some(other) => return Err(wrong(&format!("{path}.name"), "a text", other)),
                };
                server(kind, &name, value, &path)
            })
            .collect(),
        other => Err(wrong(path, "a map or list of servers", other)),
    }
}

pub(super) fn as_map<'a>(value: &'a Value, path: &str) -> Result<&'a Map<String, Value>, ReadError> {
    let path = if path.is_empty() { "(the whole file)" } else { path };
    value.as_object().ok_or_else(|| wrong(path, "a map", value))
}

pub(super) fn wrong(path: &str, expected: &'static str, found: &Value) -> ReadError {
    ReadError::WrongType { path: path.to_owned(), expected, found: type_name(found) }
}
