//! Claude Code. `~/.claude.json` also holds servers per project directory, under `projects`.

use crate::kind::{ClientKind, Scope, TypeWords};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    types: TypeWords::new("stdio", "http"),
    per_project_key: Some("projects"),
    ..ClientKind::usual(
        "claude-code",
        "Claude Code",
        &[
            FileAt::everywhere(Scope::User, Base::Home, ".claude.json"),
            FileAt::everywhere(Scope::Project, Base::Project, ".mcp.json"),
        ],
    )
};
