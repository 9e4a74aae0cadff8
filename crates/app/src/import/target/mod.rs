//! Adding entries to our own file without touching anything else in it.
//!
//! Whatever an editor made is parsed again and must be the old document with exactly the new entries; otherwise nothing
//! is written and the person gets the text to paste.

mod json;
mod toml;
mod yaml;

use std::path::Path;

use serde_json::{Map, Value};
use trunkline_config::{Format, Source};

/// The keys under which the configuration takes servers, ours first.
const KEYS: [&str; 5] = ["mcpServers", "servers", "context_servers", "mcp_servers", "mcp"];

/// Our file as it is.
pub(crate) struct Target {
    format: Format,
    text: Option<String>,
    document: Value,
}

/// Reads what is there. `text` is absent when there is no file yet.
///
/// # Errors
/// When the file cannot be understood.
pub(crate) fn existing(path: &Path, text: Option<String>) -> Result<Target, String> {
    let format = Source::new(path.display().to_string(), text.as_deref().unwrap_or("")).format();
    let document = parse(format, text.as_deref().unwrap_or_default())?;
    Ok(Target { format, text, document })
}

impl Target {
    fn key(&self) -> &'static str {
        KEYS.into_iter().find(|key| self.document.get(key).is_some()).unwrap_or(KEYS[0])
    }

    /// The servers that are there, by name.
    pub(crate) fn servers(&self) -> Map<String, Value> {
        self.document.get(self.key()).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// The file's text before.
    pub(crate) fn before(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The text with `entries` added.
    ///
    /// # Errors
    /// Why it cannot be done safely.
    pub(crate) fn with(&self, entries: &[(String, Value)]) -> Result<String, String> {
        let key = self.key();
        if self.document.get(key).is_some_and(|servers| !servers.is_object() && !servers.is_null()) {
            return Err(format!("`{key}` is not a map there"));
        }
        let text = self.text.as_deref().filter(|text| !text.trim().is_empty()).unwrap_or(self.blank());
        let new = match self.format {
            Format::Json => json::add(text, key, entries)?,
            Format::Toml => toml::add(text, key, entries)?,
            Format::Yaml => yaml::add(text, key, entries)?,
        };
        let mut expected = self.document.clone();
        if expected.get(key).is_none_or(Value::is_null) {
            expected[key] = Value::Object(Map::new());
        }
        for (name, value) in entries {
            expected[key][name.as_str()] = value.clone();
        }
        match parse(self.format, &new) {
            Ok(document) if document == expected => Ok(new),
            Ok(_) => Err("the edit would have changed something else in it".to_owned()),
            Err(error) => Err(format!("the edit would have broken it: {error}")),
        }
    }

    /// The entries alone, to be pasted.
    pub(crate) fn snippet(&self, entries: &[(String, Value)]) -> String {
        let text = match self.format {
            Format::Json => json::add("{}\n", self.key(), entries),
            Format::Toml => toml::add("", self.key(), entries),
            Format::Yaml => yaml::add("", self.key(), entries),
        };
        text.unwrap_or_default()
    }

    fn blank(&self) -> &'static str {
        match self.format {
            Format::Json => "{}\n",
            Format::Toml => "",
            Format::Yaml => {
                "# yaml-language-server: $schema=https://raw.githubusercontent.com/trunkline/trunkline/main/docs/trunkline.schema.json\n"
            }
        }
    }
}

fn parse(format: Format, text: &str) -> Result<Value, String> {
    let parsed = match format {
        _ if text.trim().is_empty() => Ok(Value::Null),
        Format::Json => {
            jsonc_parser::parse_to_serde_value::<Value>(text, &jsonc_parser::ParseOptions::default())
                .map_err(|error| error.kind().to_string())
        }
        Format::Toml => ::toml::from_str(text).map_err(|error| error.message().to_owned()),
        Format::Yaml => serde_saphyr::from_str(text).map_err(|error| error.without_snippet().to_string()),
    };
    match parsed? {
        Value::Null => Ok(Value::Object(Map::new())),
        map @ Value::Object(_) => Ok(map),
        _ => Err("it does not hold a map".to_owned()),
    }
}

#[cfg(test)]
mod tests;
