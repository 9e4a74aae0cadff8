//! LM Studio. Follows Cursor's notation.

use crate::kind::{ClientKind, Scope};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind::usual(
    "lm-studio",
    "LM Studio",
    &[FileAt::everywhere(Scope::User, Base::Home, ".lmstudio/mcp.json")],
);
