//! Roo Code (VS Code extension, archived in May 2026 but still installed). Timeouts are seconds.

use crate::kind::{ClientKind, Scope, TypeWords};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    types: TypeWords::new("stdio", "streamable-http"),
    timeout_unit_ms: 1000,
    ..ClientKind::usual(
        "roo",
        "Roo Code",
        &[
            FileAt::everywhere(
                Scope::User,
                Base::AppData,
                "Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
            ),
            FileAt::everywhere(Scope::Project, Base::Project, ".roo/mcp.json"),
        ],
    )
};
