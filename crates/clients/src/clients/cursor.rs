//! Cursor. Finds out the kind of remote transport by itself.

use crate::kind::{ClientKind, Scope};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind::usual(
    "cursor",
    "Cursor",
    &[
        FileAt::everywhere(Scope::User, Base::Home, ".cursor/mcp.json"),
        FileAt::everywhere(Scope::Project, Base::Project, ".cursor/mcp.json"),
    ],
);
