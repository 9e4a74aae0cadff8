//! Cline (VS Code extension). Timeouts are seconds.

use crate::kind::{ClientKind, Scope, TypeWords};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    types: TypeWords::new("stdio", "streamableHttp"),
    timeout_unit_ms: 1000,
    ..ClientKind::usual(
        "cline",
        "Cline",
        &[FileAt::everywhere(
            Scope::User,
            Base::AppData,
            "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        )],
    )
};
