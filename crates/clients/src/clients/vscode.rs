//! Visual Studio Code (GitHub Copilot chat). Prompts the person for `${input:id}` values.

use crate::kind::{ClientKind, Scope, TypeWords};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    keys: &[&["servers"]],
    types: TypeWords::new("stdio", "http"),
    ..ClientKind::usual(
        "vscode",
        "Visual Studio Code",
        &[
            FileAt::everywhere(Scope::User, Base::AppData, "Code/User/mcp.json"),
            FileAt::everywhere(Scope::Project, Base::Project, ".vscode/mcp.json"),
        ],
    )
};
