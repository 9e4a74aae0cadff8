//! Zed. Servers stand in the editor's settings, which people comment heavily.

use crate::kind::{ClientKind, Scope};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    keys: &[&["context_servers"]],
    timeout_unit_ms: 1000,
    ..ClientKind::usual(
        "zed",
        "Zed",
        &[
            FileAt::everywhere(Scope::User, Base::Config, "zed/settings.json"),
            FileAt::everywhere(Scope::Project, Base::Project, ".zed/settings.json"),
        ],
    )
};
