//! Mistral Vibe: TOML, an array of tables, the transport under `transport`.

use crate::kind::{ClientKind, Container, Format, Scope, TypeWords};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    format: Format::Toml,
    keys: &[&["mcp_servers"]],
    container: Container::List,
    types: TypeWords { key: "transport", stdio: Some("stdio"), http: Some("streamable-http") },
    timeout_unit_ms: 1000,
    ..ClientKind::usual(
        "vibe",
        "Mistral Vibe",
        &[
            FileAt::everywhere(Scope::User, Base::Home, ".vibe/config.toml"),
            FileAt::everywhere(Scope::Project, Base::Project, ".vibe/config.toml"),
        ],
    )
};
