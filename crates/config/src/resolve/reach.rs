//! How a server is reached: `command` or `url`, and what `type` says about it.

use trunkline_upstream::Reach;

use super::{command, endpoint};
use crate::check::Check;
use crate::fields::{Fields, nearest};
use crate::surroundings::Surroundings;
use crate::tree::{Node, Value};

/// Spellings of the key of an endpoint.
pub(crate) const URL_KEYS: [&str; 4] = ["url", "serverUrl", "httpUrl", "uri"];

/// Spellings of the key of the transport.
pub(crate) const TYPE_KEYS: [&str; 2] = ["type", "transport"];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Stdio,
    Http,
    Later,
    Unknown,
}

/// The reach of the server. `None` when its keys do not tell one.
pub(super) fn reach(
    fields: &mut Fields<'_>,
    enabled: bool,
    world: &Surroundings<'_>,
    check: &mut Check<'_>,
) -> Option<Reach> {
    let kind = fields.take_any(&TYPE_KEYS, check);
    let kind = kind.map(|node| (kind_of(node, check), node));
    let program = fields.take_any(&command::COMMAND_KEYS, check);
    let url = fields.take_any(&URL_KEYS, check);
    let command = command::command(fields, program, url.is_some(), enabled, world, check);
    let headers = endpoint::headers(fields, url.is_none(), world, check);
    let reach = match (program, url) {
        (Some(_), Some(url)) => {
            check.problem(
                &url.spot,
                "both `command` and `url` are given",
                "a server is either started or reached; remove one",
            );
            None
        }
        (None, None) => {
            if !kind.is_some_and(|(kind, _)| kind == Kind::Later) {
                let hint = "give `command` for a server to start, or `url` for one to reach";
                check.problem(fields.spot(), "neither `command` nor `url` is given", hint);
            }
            None
        }
        (Some(_), None) => command.map(Reach::Stdio),
        (None, Some(url)) => endpoint::endpoint(url, headers, check).map(Reach::Http),
    };
    if let Some((kind, node)) = kind {
        match kind {
            Kind::Stdio if program.is_none() && url.is_some() => {
                check.problem(
                    &node.spot,
                    "this type needs `command`, but `url` is given",
                    "use `type: http`",
                );
            }
            Kind::Http if url.is_none() && program.is_some() => {
                check.problem(
                    &node.spot,
                    "this type needs `url`, but `command` is given",
                    "use `type: stdio`",
                );
            }
            _ => {}
        }
    }
    reach
}

/// The synonyms in use for the two transports.
fn kind_of(node: &Node, check: &mut Check<'_>) -> Kind {
    let Value::String(text) = &node.value else {
        check.expected("text", node);
        return Kind::Unknown;
    };
    let folded: String =
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    match folded.as_str() {
        "stdio" | "local" | "command" => Kind::Stdio,
        "http" | "https" | "streamablehttp" | "streamable" | "remote" => Kind::Http,
        "sse" | "httpsse" => {
            let hint = "most servers also speak Streamable HTTP; try `type: http` with the same or the `/mcp` address";
            check.problem(&node.spot, "the HTTP+SSE transport comes in a later release", hint);
            Kind::Later
        }
        "ws" | "wss" | "websocket" => {
            check.problem(
                &node.spot,
                "the WebSocket transport comes in a later release",
                "use `type: http` or `type: stdio`",
            );
            Kind::Later
        }
        _ => {
            let hint = nearest(text, &["stdio", "http", "streamable-http"])
                .map_or_else(|| "one of stdio, http".to_owned(), |near| format!("did you mean `{near}`?"));
            check.problem(&node.spot, "not a transport", hint);
            Kind::Unknown
        }
    }
}
