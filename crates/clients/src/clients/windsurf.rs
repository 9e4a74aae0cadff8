//! Windsurf. The address of a remote server is `serverUrl`.

use crate::kind::{ClientKind, Scope};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    url_key: "serverUrl",
    ..ClientKind::usual(
        "windsurf",
        "Windsurf",
        &[FileAt::everywhere(Scope::User, Base::Home, ".codeium/windsurf/mcp_config.json")],
    )
};
