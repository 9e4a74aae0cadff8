//! OpenAI Codex: TOML, one table per server.

use crate::kind::{ClientKind, Format, Scope};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    format: Format::Toml,
    keys: &[&["mcp_servers"]],
    timeout_unit_ms: 1000,
    ..ClientKind::usual(
        "codex",
        "OpenAI Codex",
        &[
            FileAt::everywhere(Scope::User, Base::Home, ".codex/config.toml"),
            FileAt::everywhere(Scope::Project, Base::Project, ".codex/config.toml"),
        ],
    )
};
