//! Claude Desktop. Its file describes only programs to start; remote servers are added in its settings dialog.

use crate::kind::{ClientKind, Scope};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    stdio_only: true,
    ..ClientKind::usual(
        "claude-desktop",
        "Claude Desktop",
        &[FileAt::everywhere(Scope::User, Base::AppData, "Claude/claude_desktop_config.json")],
    )
};
