//! Taking typed values out of a server's map. What is not taken is left over as `extra`.

use serde_json::{Map, Value};

use super::container::wrong;
use crate::error::ReadError;

/// The keys of one server that have not been understood yet.
pub(super) struct Fields {
    map: Map<String, Value>,
    path: String,
}

impl Fields {
    pub(super) fn new(map: Map<String, Value>, path: &str) -> Self {
        Self { map, path: path.to_owned() }
    }

    /// The path to `key`, for messages.
    pub(super) fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| !value.is_null())
    }

    /// Whatever is left.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.map
    }

    /// The value of `key`; null counts as absent.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.map.shift_remove(key).filter(|value| !value.is_null())
    }

    /// Puts back a value that turned out not to be ours.
    pub(super) fn put_back(&mut self, key: &str, value: Value) {
        self.map.insert(key.to_owned(), value);
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, ReadError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(&self.at(key), "a text", &other)),
        }
    }

    /// The first of `keys` that is there, as a text.
    pub(super) fn first_text(&mut self, keys: &[&str]) -> Result<Option<String>, ReadError> {
        match keys.iter().find(|key| self.has(key)) {
            Some(key) => self.text(key),
            None => Ok(None),
        }
    }

    pub(super) fn texts(&mut self, key: &str) -> Result<Vec<String>, ReadError> {
        let path = self.at(key);
        self.take(key).map_or(Ok(Vec::new()), |value| texts(&value, &path))
    }

    pub(super) fn pairs(&mut self, key: &str) -> Result<Vec<(String, String)>, ReadError> {
        let path = self.at(key);
        self.take(key).map_or(Ok(Vec::new()), |value| pairs(&value, &path))
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, ReadError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(wrong(&self.at(key), "a boolean", &other)),
        }
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<f64>, ReadError> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(wrong(&self.at(key), "a number", &value)),
            },
        }
    }
}

/// A list of texts. Numbers and booleans are written out, as every client does for arguments.
pub(super) fn texts(value: &Value, path: &str) -> Result<Vec<String>, ReadError> {
    let list = value.as_array().ok_or_else(|| wrong(path, "a list of texts", value))?;
    let each = list.iter().enumerate();
    each.map(|(index, value)| {
        scalar(value).ok_or_else(|| wrong(&format!("{path}[{index}]"), "a text", value))
    })
    .collect()
}

/// A map of texts in file order. A null value means "not set" and is left out.
pub(super) fn pairs(value: &Value, path: &str) -> Result<Vec<(String, String)>, ReadError> {
    let map = value.as_object().ok_or_else(|| wrong(path, "a map of texts", value))?;
    map.iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| match scalar(value) {
            Some(text) => Ok((key.clone(), text)),
            None => Err(wrong(&format!("{path}.{key}"), "a text", value)),
        })
        .collect()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
