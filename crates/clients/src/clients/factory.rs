//! Factory Droid.

use crate::kind::{ClientKind, Scope, TypeWords};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    types: TypeWords::new("stdio", "http"),
    ..ClientKind::usual(
        "factory",
        "Factory Droid",
        &[
            FileAt::everywhere(Scope::User, Base::Home, ".factory/mcp.json"),
            FileAt::everywhere(Scope::Project, Base::Project, ".factory/mcp.json"),
        ],
    )
};
