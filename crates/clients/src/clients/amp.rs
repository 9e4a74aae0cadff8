//! Sourcegraph Amp. The key is one word with a dot in it.

use crate::kind::{ClientKind, Scope, TypeWords};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    keys: &[&["amp.mcpServers"]],
    types: TypeWords { key: "type", stdio: None, http: Some("http") },
    ..ClientKind::usual(
        "amp",
        "Amp",
        &[
            FileAt::everywhere(Scope::User, Base::Config, "amp/settings.json"),
            FileAt::everywhere(Scope::Project, Base::Project, ".amp/settings.json"),
        ],
    )
};
