//! Pointing a client at Trunkline by editing its file in place.
//!
//! Every editor returns a text; that text is parsed again and must equal the old document with exactly our entry
//! put in or taken out. Otherwise nothing is handed out: what a parser and an editor disagree about (two keys of
//! one name, unusual YAML) is the person's to edit.

mod entry;
mod expected;
mod json;
mod toml;
mod yaml;
mod yaml_lines;

use serde_json::Value;

use crate::document::{Surface, parse};
use crate::error::{EditError, ReadError};
use crate::kind::{ClientKind, Container, Format};
use crate::read::{find, select_keys};

pub use entry::{Prefer, TrunklineEntry};

/// Where our entry goes in one document.
pub(crate) struct Target<'a> {
    keys: &'static [&'static str],
    container: Container,
    name: &'a str,
    /// Position in a list, when it is there already.
    index: Option<usize>,
}

/// The text of the client's file with an entry for Trunkline. An entry of that name is replaced; when it says
/// the same already, the text comes back unchanged. `current_text` is absent when there is no file yet.
///
/// # Errors
///
/// [`EditError`]; the file then stays as it is.
pub fn connect(
    kind: &ClientKind,
    current_text: Option<&str>,
    entry: &TrunklineEntry,
) -> Result<String, EditError> {
    let wanted = entry::render(kind, entry)?;
    let text = current_text.unwrap_or_default();
    let before = parse(kind.format, text)?;
    let (target, there) = aim(kind, &before, &entry.name)?;
    if there.as_ref() == Some(&wanted) {
        return Ok(text.to_owned());
    }
    let mut expected = before;
    expected::put(&mut expected, &target, wanted.clone());
    let edited = edit(kind, text, |plain| match kind.format {
        Format::Json => json::put(plain, &target, &wanted),
        Format::Toml => toml::put(plain, &target, &wanted),
        Format::Yaml => yaml::put(plain, &target, &wanted),
    });
    edited.and_then(|edited| verified(kind, edited, &expected, &target)).map_err(|reason| {
        let snippet = entry::snippet(kind, &target, &wanted);
        EditError::Unsafe { reason, snippet }
    })
}

/// The text without the entry `name`. Without such an entry the text comes back unchanged. The map or list that
/// held it stays, empty if need be: people keep comments there.
///
/// # Errors
///
/// [`EditError`]; the file then stays as it is.
pub fn disconnect(kind: &ClientKind, current_text: &str, name: &str) -> Result<String, EditError> {
    let before = parse(kind.format, current_text)?;
    let (target, there) = aim(kind, &before, name)?;
    if there.is_none() {
        return Ok(current_text.to_owned());
    }
    let mut expected = before;
    expected::remove(&mut expected, &target);
    let edited = edit(kind, current_text, |plain| match kind.format {
        Format::Json => json::remove(plain, &target),
        Format::Toml => toml::remove(plain, &target),
        Format::Yaml => yaml::remove(plain, &target),
    });
    edited.and_then(|edited| verified(kind, edited, &expected, &target)).map_err(|reason| {
        EditError::UnsafeRemoval { reason, path: format!("{}.{name}", target.keys.join(".")) }
    })
}

/// Whether the client's file has an entry of that name.
///
/// # Errors
///
/// [`ReadError`] when the file cannot be read.
pub fn connected(kind: &ClientKind, current_text: &str, name: &str) -> Result<bool, ReadError> {
    let doc = parse(kind.format, current_text)?;
    Ok(aim(kind, &doc, name)?.1.is_some())
}

/// What to paste by hand: a whole file with nothing but our entry.
///
/// # Errors
///
/// [`EditError::NoCommand`] and [`EditError::NoName`].
pub fn snippet(kind: &ClientKind, entry: &TrunklineEntry) -> Result<String, EditError> {
    connect(kind, None, entry)
}

/// Finds the place for `name` and what is there now.
fn aim<'a>(kind: &ClientKind, doc: &Value, name: &'a str) -> Result<(Target<'a>, Option<Value>), ReadError> {
    let keys = select_keys(kind, doc);
    let mut target = Target { keys, container: kind.container, name, index: None };
    let there = match find(kind, doc)? {
        None => None,
        Some((_, Value::Object(map))) => {
            // An empty map where a list is usual (or the other way round) is only an unlucky way to say "none".
            target.container = if map.is_empty() { kind.container } else { Container::Map };
            map.get(name).cloned()
        }
        Some((_, Value::Array(list))) => {
            target.container = if list.is_empty() { kind.container } else { Container::List };
            target.index =
                list.iter().position(|value| value.get("name").and_then(Value::as_str) == Some(name));
            target.index.and_then(|index| list.get(index)).cloned()
        }
        Some((path, other)) => {
            let found = crate::document::type_name(other);
            return Err(ReadError::WrongType { path, expected: "a map or list of servers", found });
        }
    };
    Ok((target, there))
}

/// Runs an editor on the plain text and gives the result the old surface and end of file.
fn edit(
    kind: &ClientKind,
    text: &str,
    editor: impl FnOnce(&str) -> Result<String, String>,
) -> Result<String, String> {
    let (surface, plain) = Surface::take(text);
    let mut edited = editor(&plain)?;
    let open_end = !plain.trim().is_empty() && !plain.ends_with('\n');
    if open_end && edited.ends_with('\n') && kind.format != Format::Json {
        edited.pop();
    }
    Ok(surface.restore(&edited))
}

fn verified(
    kind: &ClientKind,
    edited: String,
    expected: &Value,
    target: &Target<'_>,
) -> Result<String, String> {
    let bare = |doc: Value| expected::without_empty(doc, target.keys);
    match parse(kind.format, &edited).map(bare) {
        Ok(after) if after == bare(expected.clone()) => Ok(edited),
        Ok(_) => Err("the edit would have changed something else in the file".to_owned()),
        Err(error) => Err(format!("the edit would have broken the file: {error}")),
    }
}
