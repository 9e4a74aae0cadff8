//! Our entry in a client's own words.

use serde_json::{Map, Value};

use super::{Target, json, toml, yaml};
use crate::error::EditError;
use crate::kind::{ClientKind, CommandStyle, Container, Fixed, Format};

/// How a client that can do both should reach Trunkline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// By its address.
    Http,
    /// By starting `trunkline stdio`.
    Stdio,
}

/// What a client should know about Trunkline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunklineEntry {
    /// Name of the entry, such as `trunkline`.
    pub name: String,
    /// Address of the MCP endpoint.
    pub url: String,
    /// Program and arguments that speak MCP on standard input and output.
    pub stdio_command: Vec<String>,
    /// Which of the two, where the client leaves a choice.
    pub prefer: Prefer,
}

/// The entry as the client wants it.
pub(super) fn render(kind: &ClientKind, entry: &TrunklineEntry) -> Result<Value, EditError> {
    if entry.name.trim().is_empty() {
        return Err(EditError::NoName);
    }
    let mut map = Map::new();
    if kind.container == Container::List {
        map.insert("name".to_owned(), entry.name.clone().into());
    }
    if kind.stdio_only || entry.prefer == Prefer::Stdio {
        program(kind, entry, &mut map)?;
    } else {
        if let Some(word) = kind.types.http {
            map.insert(kind.types.key.to_owned(), word.into());
        }
        map.insert(kind.url_key.to_owned(), entry.url.clone().into());
    }
    for (key, value) in kind.fixed {
        map.insert((*key).to_owned(), fixed(*value, &entry.name));
    }
    Ok(Value::Object(map))
}

fn program(kind: &ClientKind, entry: &TrunklineEntry, map: &mut Map<String, Value>) -> Result<(), EditError> {
    let no_command = EditError::NoCommand { client: kind.name };
    let (program, args) = entry.stdio_command.split_first().ok_or(no_command)?;
    if let Some(word) = kind.types.stdio {
        map.insert(kind.types.key.to_owned(), word.into());
    }
    match kind.command {
        CommandStyle::Array => {
            map.insert("command".to_owned(), entry.stdio_command.clone().into());
        }
        CommandStyle::Split | CommandStyle::Cmd => {
            let key = if kind.command == CommandStyle::Cmd { "cmd" } else { "command" };
            map.insert(key.to_owned(), program.clone().into());
            map.insert("args".to_owned(), args.to_vec().into());
        }
    }
    Ok(())
}

fn fixed(value: Fixed, name: &str) -> Value {
    match value {
        Fixed::Bool(flag) => flag.into(),
        Fixed::Number(number) => number.into(),
        Fixed::Text(text) => text.into(),
        Fixed::Texts(texts) => texts.to_vec().into(),
        Fixed::Name => name.into(),
    }
}

/// The entry as a file of its own, for pasting.
pub(super) fn snippet(kind: &ClientKind, target: &Target<'_>, wanted: &Value) -> String {
    let fresh = Target { index: None, container: kind.container, ..*target };
    let text = match kind.format {
        Format::Json => json::put("", &fresh, wanted),
        Format::Toml => toml::put("", &fresh, wanted),
        Format::Yaml => yaml::put("", &fresh, wanted),
    };
    text.unwrap_or_else(|_| wanted.to_string())
}
