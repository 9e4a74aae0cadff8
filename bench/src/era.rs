//! The two generations of the protocol the kit speaks, and the names they put on the wire.

use serde::Serialize;

/// The revision without sessions.
pub(crate) const MODERN_VERSION: &str = "2026-07-28";
/// The newest revision with `initialize` and sessions.
pub(crate) const LEGACY_VERSION: &str = "2025-11-25";

/// Header with the revision of a message.
pub(crate) const VERSION_HEADER: &str = "mcp-protocol-version";
/// Header that mirrors `method` (modern).
pub(crate) const METHOD_HEADER: &str = "mcp-method";
/// Header that mirrors `params.name` (modern).
pub(crate) const NAME_HEADER: &str = "mcp-name";
/// Header with the session (legacy).
pub(crate) const SESSION_HEADER: &str = "mcp-session-id";

/// Which generation a caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Era {
    /// 2026-07-28
    Modern,
    /// 2025-11-25, a session per connection
    Legacy,
}

impl Era {
    /// The revision named in headers and handshakes.
    pub(crate) const fn version(self) -> &'static str {
        match self {
            Self::Modern => MODERN_VERSION,
            Self::Legacy => LEGACY_VERSION,
        }
    }

    /// The word used in tables and on the command line.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
        }
    }
}
