//! What can go wrong. No message carries text of the file: it may hold credentials.

use crate::kind::Format;

/// Why a configuration file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The text is not in the format, or nested deeper than the parser allows.
    #[error("not valid {format}{}: {message}", line.map(|line| format!(" in line {line}")).unwrap_or_default())]
    Syntax {
        /// Syntax that was expected.
        format: Format,
        /// Line of the problem, from 1, when the parser knows it.
        line: Option<usize>,
        /// The parser's words.
        message: String,
    },
    /// A key has a value of another type than the client defines.
    #[error("`{path}` should be {expected}, but is {found}")]
    WrongType {
        /// Path to the key, such as `mcpServers.github.args[1]`.
        path: String,
        /// What it should be, with its article.
        expected: &'static str,
        /// What it is, with its article.
        found: &'static str,
    },
    /// No client's shape was found in the file.
    #[error(
        "no MCP servers found: none of `mcpServers`, `servers`, `mcp_servers`, `context_servers`, `mcp`, `extensions`, `amp.mcpServers` is there"
    )]
    Unrecognised,
}

/// Why a configuration file could not be edited. The file is never left half edited: there is no new text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file cannot be read as it is.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// We could not edit without risking something else in the file; the person can paste the snippet.
    #[error("cannot edit this file safely ({reason}); please add this by hand:\n\n{snippet}")]
    Unsafe {
        /// What stood in the way.
        reason: String,
        /// The text to paste.
        snippet: String,
    },
    /// As [`EditError::Unsafe`], for removing an entry.
    #[error("cannot edit this file safely ({reason}); please remove `{path}` by hand")]
    UnsafeRemoval {
        /// What stood in the way.
        reason: String,
        /// Path to the entry.
        path: String,
    },
    /// The client starts programs only (or the caller prefers that), and no program was given.
    #[error("{client} would start Trunkline as a program, but no command for it was given")]
    NoCommand {
        /// The client's name.
        client: &'static str,
    },
    /// An entry needs a name.
    #[error("the entry for Trunkline needs a name")]
    NoName,
}
