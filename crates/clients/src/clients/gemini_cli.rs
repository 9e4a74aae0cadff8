//! Gemini CLI. `httpUrl` is Streamable HTTP, `url` is the older HTTP+SSE.

use crate::kind::{ClientKind, Scope};
use crate::places::{Base, FileAt};

pub(super) const KIND: ClientKind = ClientKind {
    url_key: "httpUrl",
    sse_url_key: Some("url"),
    ..ClientKind::usual(
        "gemini-cli",
        "Gemini CLI",
        &[
            FileAt::everywhere(Scope::User, Base::Home, ".gemini/settings.json"),
            FileAt::everywhere(Scope::Project, Base::Project, ".gemini/settings.json"),
        ],
    )
};
