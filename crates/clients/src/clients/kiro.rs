//! Kiro. Tells transports apart by command and url.

use crate::kind::{ClientKind, Scope};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind::usual(
    "kiro",
    "Kiro",
    &[
        FileAt::everywhere(Scope::User, Base::Home, ".kiro/settings/mcp.json"),
        FileAt::everywhere(Scope::Project, Base::Project, ".kiro/settings/mcp.json"),
    ],
);
