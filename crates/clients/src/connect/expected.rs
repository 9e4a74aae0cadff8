//! What a document must be after an edit, worked out on the tree alone.

use serde_json::{Map, Value};

use super::Target;
use crate::kind::Container;

pub(super) fn put(doc: &mut Value, target: &Target<'_>, wanted: Value) {
    let mut place = doc;
    for key in target.keys {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry((*key).to_owned()).or_insert(Value::Null);
    }
    match target.container {
        Container::Map => {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            if let Value::Object(map) = place {
                map.insert(target.name.to_owned(), wanted);
            }
        }
        Container::List => {
            if !place.is_array() {
                *place = Value::Array(Vec::new());
            }
            if let Value::Array(list) = place {
                match target.index.and_then(|index| list.get_mut(index)) {
                    Some(slot) => *slot = wanted,
                    None => list.push(wanted),
                }
            }
        }
    }
}

pub(super) fn remove(doc: &mut Value, target: &Target<'_>) {
    let mut place = doc;
    for key in target.keys {
        match place.get_mut(*key) {
            Some(inner) => place = inner,
            None => return,
        }
    }
    match (place, target.index) {
        (Value::Object(map), _) => {
            map.shift_remove(target.name);
        }
        (Value::Array(list), Some(index)) if index < list.len() => {
            list.remove(index);
        }
        _ => {}
    }
}

/// Takes out an empty map or list under `keys`: it says as much as none, and TOML cannot keep it.
pub(super) fn without_empty(mut doc: Value, keys: &[&str]) -> Value {
    let Some((last, path)) = keys.split_last() else { return doc };
    let parent = path.iter().try_fold(&mut doc, |value, key| value.get_mut(*key));
    if let Some(Value::Object(map)) = parent {
        let empty = |value: &Value| *value == Value::Array(Vec::new()) || *value == Value::Object(Map::new());
        if map.get(*last).is_some_and(empty) {
            map.shift_remove(*last);
        }
    }
    doc
}
