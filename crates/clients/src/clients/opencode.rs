//! OpenCode. Version 1 has servers under `mcp`, version 2 under `mcp.servers`.

use crate::kind::{ClientKind, CommandStyle, Scope, TypeWords};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    keys: &[&["mcp"], &["mcp", "servers"]],
    types: TypeWords::new("local", "remote"),
    command: CommandStyle::Array,
    ..ClientKind::usual(
        "opencode",
        "OpenCode",
        &[
            FileAt::everywhere(Scope::User, Base::DotConfig, "opencode/opencode.json"),
            FileAt::everywhere(Scope::User, Base::DotConfig, "opencode/opencode.jsonc"),
            FileAt::everywhere(Scope::Project, Base::Project, "opencode.json"),
            FileAt::everywhere(Scope::Project, Base::Project, "opencode.jsonc"),
        ],
    )
};
