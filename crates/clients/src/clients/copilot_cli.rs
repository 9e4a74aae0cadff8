//! GitHub Copilot CLI. An entry without `tools` offers none, hence `["*"]`.

use crate::kind::{ClientKind, Fixed, Scope, TypeWords};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    types: TypeWords::new("local", "http"),
    fixed: &[("tools", Fixed::Texts(&["*"]))],
    ..ClientKind::usual(
        "copilot-cli",
        "GitHub Copilot CLI",
        &[
            FileAt::everywhere(Scope::User, Base::Home, ".copilot/mcp-config.json"),
            FileAt::everywhere(Scope::Project, Base::Project, ".mcp.json"),
        ],
    )
};
