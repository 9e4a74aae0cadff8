//! Qoder. On Windows the file is in the application's shared cache.

use crate::kind::{ClientKind, Scope, TypeWords};
use crate::places::{Base, FileAt, Os};

pub(super) const KIND: ClientKind = ClientKind {
    types: TypeWords::new("stdio", "http"),
    ..ClientKind::usual(
        "qoder",
        "Qoder",
        &[
            FileAt {
                scope: Scope::User,
                only: &[Os::Linux, Os::MacOs],
                base: Base::Home,
                path: ".qoder/mcp.json",
            },
            FileAt {
                scope: Scope::User,
                only: &[Os::Windows],
                base: Base::AppData,
                path: "Qoder/SharedClientCache/mcp.json",
            },
        ],
    )
};
