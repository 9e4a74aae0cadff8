//! TOML, edited with its comments by `toml_edit`.

use serde_json::Value as Json;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value};

use super::Target;
use crate::kind::Container;

const ELSEWHERE: &str = "the servers are written in a way that cannot be extended";

pub(super) fn put(text: &str, target: &Target<'_>, wanted: &Json) -> Result<String, String> {
    let (mut doc, key) = open(text, target)?;
    match target.container {
        Container::Map => put_in_map(doc.as_table_mut(), key, target.name, wanted)?,
        Container::List => put_in_list(doc.as_table_mut(), key, target.index, wanted)?,
    }
    Ok(doc.to_string())
}

pub(super) fn remove(text: &str, target: &Target<'_>) -> Result<String, String> {
    let (mut doc, key) = open(text, target)?;
    let gone = match (doc.get_mut(key), target.index) {
        (Some(Item::Table(servers)), _) => {
            servers.remove(target.name).and_then(|item| item.into_table().ok())
        }
        (Some(Item::Value(Value::InlineTable(servers))), _) => {
            servers.remove(target.name);
            None
        }
        (Some(Item::ArrayOfTables(list)), Some(index)) => {
            let gone = list.get(index).cloned();
            list.remove(index);
            gone
        }
        (Some(Item::Value(Value::Array(list))), Some(index)) => {
            list.remove(index);
            None
        }
        _ => return Err(ELSEWHERE.to_owned()),
    };
    keep_comments(&mut doc, gone.as_ref());
    if matches!(doc.get(key), Some(Item::ArrayOfTables(list)) if list.is_empty()) {
        doc.insert(key, Item::Value(Value::Array(Array::new())));
    }
    Ok(doc.to_string())
}

fn open(text: &str, target: &Target<'_>) -> Result<(DocumentMut, &'static str), String> {
    let doc = text.parse::<DocumentMut>().map_err(|error| error.message().to_owned())?;
    match target.keys {
        [key] => Ok((doc, key)),
        _ => Err(ELSEWHERE.to_owned()),
    }
}

fn put_in_map(root: &mut Table, key: &str, name: &str, wanted: &Json) -> Result<(), String> {
    if is_empty_array(root.get(key)) {
        root.remove(key);
    }
    if root.get(key).is_none() {
        let mut servers = Table::new();
        servers.set_implicit(true);
        root.insert(key, Item::Table(servers));
    }
    match root.get_mut(key) {
        Some(Item::Table(servers)) => {
            let mut entry = table(wanted);
            if let Some(Item::Table(old)) = servers.get(name) {
                take_place(&mut entry, old);
            }
            servers.insert(name, Item::Table(entry));
        }
        Some(Item::Value(Value::InlineTable(servers))) => {
            servers.insert(name, value(wanted));
        }
        _ => return Err(ELSEWHERE.to_owned()),
    }
    Ok(())
}

fn put_in_list(root: &mut Table, key: &str, index: Option<usize>, wanted: &Json) -> Result<(), String> {
    let mut entry = table(wanted);
    if is_empty_array(root.get(key)) || root.get(key).is_none() {
        // `mcp_servers = []`, as the program writes it at first: its comments move along.
        let above = root.key(key).and_then(|key| key.leaf_decor().prefix()?.as_str()).unwrap_or_default();
        if above.contains('#') {
            entry.decor_mut().set_prefix(format!("\n{}", above.trim_start_matches('\n')));
        }
        root.remove(key);
        root.insert(key, Item::ArrayOfTables(ArrayOfTables::new()));
    }
    match (root.get_mut(key), index) {
        (Some(Item::ArrayOfTables(list)), None) => list.push(entry),
        (Some(Item::ArrayOfTables(list)), Some(index)) => {
            let old = list.get_mut(index).ok_or(ELSEWHERE)?;
            take_place(&mut entry, old);
            *old = entry;
        }
        (Some(Item::Value(Value::Array(list))), None) => list.push(value(wanted)),
        (Some(Item::Value(Value::Array(list))), Some(index)) => {
            list.replace(index, value(wanted));
        }
        _ => return Err(ELSEWHERE.to_owned()),
    }
    Ok(())
}

fn is_empty_array(item: Option<&Item>) -> bool {
    item.and_then(Item::as_array).is_some_and(Array::is_empty)
}

/// A replaced table stands where the old one stood, below the same comments.
fn take_place(entry: &mut Table, old: &Table) {
    *entry.decor_mut() = old.decor().clone();
    entry.set_position(old.position());
}

/// Comments above a removed table go to the end of the file rather than away.
fn keep_comments(doc: &mut DocumentMut, gone: Option<&Table>) {
    let above = gone.and_then(|table| table.decor().prefix()?.as_str()).unwrap_or_default();
    if above.contains('#') {
        let end = doc.trailing().as_str().unwrap_or_default();
        doc.set_trailing(format!("{above}{end}"));
    }
}

fn table(wanted: &Json) -> Table {
    let mut table = Table::new();
    for (key, inner) in wanted.as_object().into_iter().flatten() {
        table.insert(key, Item::Value(value(inner)));
    }
    table
}

fn value(json: &Json) -> Value {
    match json {
        // TOML has no null; our entries never hold one.
        Json::Null => Value::from(""),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::from(whole),
            None => Value::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(list) => Value::Array(list.iter().map(value).collect()),
        Json::Object(map) => Value::InlineTable(
            map.iter().map(|(key, inner)| (key.as_str(), value(inner))).collect::<InlineTable>(),
        ),
    }
}
