//! Reading MCP servers out of a client's file.

mod container;
mod fields;
mod launcher;
mod reference;
mod remote;
mod server;
mod shape;

use std::path::Path;

use crate::clients::for_path;
use crate::document::parse;
use crate::error::ReadError;
use crate::imported::ImportedServer;
use crate::kind::{ClientKind, Format};

pub(crate) use container::{find, select_keys};

/// The servers in `text`, a file of the client `kind`. A file without servers gives none.
///
/// # Errors
///
/// [`ReadError::Syntax`] for a text that is not in the client's format, [`ReadError::WrongType`] for a key with
/// a value the client could not understand either.
pub fn read_servers(kind: &ClientKind, text: &str) -> Result<Vec<ImportedServer>, ReadError> {
    container::servers(kind, &parse(kind.format, text)?)
}

/// The servers in a file whose client is not known. `path` only hints at the format and the client; what counts
/// is the shape.
///
/// # Errors
///
/// As [`read_servers`], and [`ReadError::Unrecognised`] when no known shape is there.
pub fn read_any(path: &Path, text: &str) -> Result<Vec<ImportedServer>, ReadError> {
    let doc = match format_of(path) {
        Some(format) => parse(format, text)?,
        // JSON is nearly always YAML as well, so it goes first, and its error is the one worth showing.
        None => parse(Format::Json, text).or_else(|error| {
            parse(Format::Toml, text).or_else(|_| parse(Format::Yaml, text)).or(Err(error))
        })?,
    };
    if let Some(kind) = for_path(path)
        && find(kind, &doc).is_ok_and(|found| found.is_some())
    {
        return container::servers(kind, &doc);
    }
    shape::servers(&doc)
}

fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "json" | "jsonc" | "json5" => Some(Format::Json),
        "toml" => Some(Format::Toml),
        "yaml" | "yml" => Some(Format::Yaml),
        _ => None,
    }
}
