//! Kimi Code CLI.

use crate::kind::{ClientKind, Scope};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind =
    ClientKind::usual("kimi", "Kimi Code", &[FileAt::everywhere(Scope::User, Base::Home, ".kimi/mcp.json")]);
