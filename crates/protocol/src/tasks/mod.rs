//! Tasks: calls whose results are fetched later. Two dialects: the experiment of 2025-11-25 (basic/utilities/tasks), which
//! a client asks for with `task` in its params, and the extension of the modern era (SEP-2663), where the server decides.
//!
//! `shape.rs` reads and says a task in either; `params.rs` makes the requests; here is who supports what.

mod params;
mod related;
mod shape;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::bridge::{self, members, without};
use crate::json::splice;

pub use params::{addressed, requested, responses, updating, with_task, without_task};
pub use related::{about, related, related_to, renamed, unrelated};
pub use shape::{Status, Task, created, listed, renumbered};

/// The extension by which modern peers declare tasks.
pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// The capability that the extension's methods need, as an object of capabilities.
pub const NEEDED: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

/// Whether a tool can be called as a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Support {
    /// It cannot.
    #[default]
    None,
    /// The client may ask for a task (legacy).
    Optional,
    /// The tool runs as a task only (legacy).
    Required,
    /// The server decides at each call (modern).
    Chosen,
}

/// What a legacy tool says of itself (`execution.taskSupport`; 2025-11-25, tool-level negotiation).
pub fn support(tool: &[u8]) -> Support {
    let mut support = Support::None;
    let _ = members(tool, |key, value| {
        if key == "execution" && value.starts_with(b"{") {
            let _ = members(value, |key, value| {
                if key == "taskSupport" {
                    support = match value {
                        b"\"required\"" => Support::Required,
                        b"\"optional\"" => Support::Optional,
                        _ => Support::None,
                    };
                }
            });
        }
    });
    support
}

/// A modern server's tool as legacy clients are shown it: they may ask for a task.
pub fn offered_downward(tool: &Bytes) -> Bytes {
    let bare = without(tool, |key, _| key == "execution").map_or_else(|| tool.clone(), Bytes::from);
    let head: &[u8] = if bare.len() > 2 {
        b"\"execution\":{\"taskSupport\":\"optional\"},"
    } else {
        b"\"execution\":{\"taskSupport\":\"optional\"}"
    };
    Bytes::from(splice(&bare, &[(1..1, head)]))
}

/// Whether a legacy server's capabilities let tools be called as tasks, and such tasks be cancelled.
pub fn legacy_server(capabilities: &[u8]) -> bool {
    inner(capabilities, &["tasks", "requests", "tools", "call"]).is_some()
}

/// Whether an object of capabilities, a client's or a server's, declares the extension.
pub fn declared(capabilities: &[u8]) -> bool {
    inner(capabilities, &["extensions", EXTENSION]).is_some_and(|value| value.starts_with(b"{"))
}

/// A client's capabilities with the extension declared.
pub fn declaring(capabilities: &Bytes) -> Bytes {
    let rest =
        without(capabilities, |key, _| key == "extensions").map_or_else(|| capabilities.clone(), Bytes::from);
    if !rest.starts_with(b"{") {
        return Bytes::from_static(NEEDED.as_bytes());
    }
    let inside = rest.get(1..rest.len().saturating_sub(1)).unwrap_or_default();
    let comma = if inside.iter().all(u8::is_ascii_whitespace) { "" } else { "," };
    let head = format!("{}{comma}", &NEEDED[1..NEEDED.len() - 1]);
    Bytes::from(splice(&rest, &[(1..1, head.as_bytes())]))
}

/// Whether an error says that the client must declare the extension for this call to run.
pub fn is_missing(error: &[u8]) -> bool {
    bridge::code_of(error) == bridge::MISSING_CAPABILITY
        && inner(error, &["data", "requiredCapabilities", "extensions", EXTENSION]).is_some()
}

/// The value at the end of a chain of members.
fn inner<'a>(object: &'a [u8], path: &[&str]) -> Option<&'a [u8]> {
    let mut at = object;
    for name in path {
        let mut found = None;
        let start = at;
        members(start, |key, value| {
            if key == *name {
                found = place(start, value);
            }
        })
        .ok()?;
        at = start.get(found?)?;
    }
    (at != b"null").then_some(at)
}

/// Where a part lies inside the whole that it is a slice of.
fn place(whole: &[u8], part: &[u8]) -> Option<trunkline_model::Span> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    (start + part.len() <= whole.len()).then(|| start..start + part.len())
}
