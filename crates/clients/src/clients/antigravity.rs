//! Google Antigravity (IDE and CLI). Since 2026 they share one file; the first versions had their own.

use crate::kind::{ClientKind, Scope};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    url_key: "serverUrl",
    ..ClientKind::usual(
        "antigravity",
        "Google Antigravity",
        &[
            FileAt::everywhere(Scope::User, Base::Home, ".gemini/config/mcp_config.json"),
            FileAt::everywhere(Scope::User, Base::Home, ".gemini/antigravity/mcp_config.json"),
        ],
    )
};
