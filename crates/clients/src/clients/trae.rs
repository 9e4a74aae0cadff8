//! Trae.

use crate::kind::{ClientKind, Scope};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind::usual(
    "trae",
    "Trae",
    &[
        FileAt::everywhere(Scope::User, Base::AppData, "Trae/User/mcp.json"),
        FileAt::everywhere(Scope::Project, Base::Project, ".trae/mcp.json"),
    ],
);
