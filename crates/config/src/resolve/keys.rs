//! Other spellings of keys, and keys of other clients. The schema tells editors the same.

use super::command::{COMMAND_KEYS, ENV_KEYS, INHERIT_KEYS};
use super::endpoint::HEADER_KEYS;
use super::reach::{TYPE_KEYS, URL_KEYS};

/// Spellings of the key that holds the servers: ours first, then those of clients whose files are pasted.
pub(super) const SERVERS_KEYS: [&str; 5] = ["mcpServers", "servers", "context_servers", "mcp_servers", "mcp"];

/// Top-level keys of client files that have no effect here.
pub(crate) const DOCUMENT_IGNORED: [&str; 4] = ["inputs", "globalShortcut", "preferences", "version"];

/// Keys of a server that clients write for themselves.
#[rustfmt::skip]
pub(crate) const SERVER_IGNORED: [&str; 26] = [
    "alwaysAllow", "auth", "autoApprove", "available_tools", "bundled", "default_tools_approval_mode",
    "description", "dev", "displayName", "display_name", "gallery", "icon", "id", "metadata", "name", "oauth",
    "required", "sandbox", "sandboxEnabled", "scopes", "settings", "source", "supports_parallel_tool_calls",
    "trust", "version", "watch",
];

/// The other spellings of top-level keys.
pub(crate) const DOCUMENT_ALIASES: [(&str, &[&str]); 1] = [("mcpServers", SERVERS_KEYS.split_at(1).1)];

/// The other spellings of a server's keys.
pub(crate) const SERVER_ALIASES: [(&str, &[&str]); 8] = [
    ("command", COMMAND_KEYS.split_at(1).1),
    ("env", ENV_KEYS.split_at(1).1),
    ("headers", HEADER_KEYS.split_at(1).1),
    ("inheritEnv", INHERIT_KEYS.split_at(1).1),
    ("type", TYPE_KEYS.split_at(1).1),
    ("url", URL_KEYS.split_at(1).1),
    ("includeTools", &["enabled_tools"]),
    ("excludeTools", &["disabled_tools", "disabledTools"]),
];
