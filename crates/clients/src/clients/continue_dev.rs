//! Continue: YAML, a list of servers that carry their names.

use crate::kind::{ClientKind, Container, Format, Scope, TypeWords};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    format: Format::Yaml,
    container: Container::List,
    types: TypeWords::new("stdio", "streamable-http"),
    ..ClientKind::usual(
        "continue",
        "Continue",
        &[FileAt::everywhere(Scope::User, Base::Home, ".continue/config.yaml")],
    )
};
