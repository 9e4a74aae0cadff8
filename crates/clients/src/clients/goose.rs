//! Goose: YAML, servers are `extensions`, the address is `uri`, timeouts are seconds.

use crate::kind::{ClientKind, CommandStyle, Fixed, Format, Scope, TypeWords};
use crate::places::{Base, FileAt, Os};

pub(super) const KIND: ClientKind = ClientKind {
    format: Format::Yaml,
    keys: &[&["extensions"]],
    url_key: "uri",
    types: TypeWords::new("stdio", "streamable_http"),
    command: CommandStyle::Cmd,
    timeout_unit_ms: 1000,
    fixed: &[
        ("enabled", Fixed::Bool(true)),
        ("name", Fixed::Name),
        ("description", Fixed::Text("All MCP servers behind Trunkline")),
        ("timeout", Fixed::Number(300)),
    ],
    ..ClientKind::usual(
        "goose",
        "Goose",
        &[
            FileAt {
                scope: Scope::User,
                only: &[Os::Linux, Os::MacOs],
                base: Base::Config,
                path: "goose/config.yaml",
            },
            FileAt {
                scope: Scope::User,
                only: &[Os::Windows],
                base: Base::Config,
                path: "Block/goose/config/config.yaml",
            },
        ],
    )
};
