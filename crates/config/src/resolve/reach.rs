//! How a server is reached: `command` or `url`, and what `type` says about it.

use trunkline_upstream::group::MEMBERS_MAX;
use trunkline_upstream::{Endpoint, Reach};

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
    /// Reached over the network, in whatever way is found there.
    Remote,
    Http,
    Sse,
    WebSocket,
    Unknown,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Remote => "remote",
            Self::Http => "http",
            Self::Sse => "sse",
            Self::WebSocket => "ws",
            Self::Unknown => "",
        }
    }
}

/// The reach of the server, and those of further members that are equal to it. `None` when its keys do not tell one.
pub(super) fn reach(
    fields: &mut Fields<'_>,
    enabled: bool,
    world: &Surroundings<'_>,
    check: &mut Check<'_>,
) -> Option<(Reach, Vec<Reach>)> {
    let kind = fields.take_any(&TYPE_KEYS, check);
    let kind = kind.map(|node| (kind_of(node, check), node));
    let program = fields.take_any(&command::COMMAND_KEYS, check);
    let url = fields.take_any(&URL_KEYS, check);
    let urls = fields.take("urls", check);
    if let (Some(_), Some(urls)) = (url, urls) {
        check.problem(&urls.spot, "both `url` and `urls` are given", "put every address into `urls`");
    }
    let replicas = fields.take("replicas", check);
    let addresses = addresses(url, urls, check);
    let url = url.or(urls);
    let command = command::command(fields, program, url.is_some(), enabled, world, check);
    let headers = endpoint::headers(fields, url.is_none(), world, check);
    match (program, url) {
        (Some(_), Some(url)) => {
            check.problem(
                &url.spot,
                "both `command` and `url` are given",
                "a server is either started or reached; remove one",
            );
            None
        }
        (None, None) => {
            let hint = "give `command` for a server to start, or `url` for one to reach";
            check.problem(fields.spot(), "neither `command` nor `url` is given", hint);
            None
        }
        (Some(_), None) => {
            if let Some((kind, node)) = kind
                && !matches!(kind, Kind::Stdio | Kind::Unknown)
            {
                let message = "this type needs `url`, but `command` is given";
                check.problem(&node.spot, message, "use `type: stdio`");
            }
            let more = replicas.and_then(|node| check.whole(node, 1..=MEMBERS_MAX)).unwrap_or(1) - 1;
            command.map(|command| (Reach::Stdio(command.clone()), vec![Reach::Stdio(command); more]))
        }
        (None, Some(_)) => {
            if let Some(node) = replicas {
                let hint = "give the addresses of equal servers in `urls`";
                check.problem(&node.spot, "`replicas` is for servers that are started by `command`", hint);
            }
            let mut all = Vec::with_capacity(addresses.len());
            for address in &addresses {
                let endpoint = endpoint::endpoint(address, headers.clone(), check)?;
                all.push(reached(endpoint, kind, address, check)?);
            }
            let mut all = all.into_iter();
            all.next().map(|first| (first, all.collect()))
        }
    }
}

/// Every address of the server: that of `url`, or those of `urls`.
fn addresses(url: Option<&Node>, urls: Option<&Node>, check: &mut Check<'_>) -> Vec<Node> {
    let Some(urls) = urls else { return url.cloned().into_iter().collect() };
    let list = check.list(urls);
    if list.is_empty() || list.len() > MEMBERS_MAX {
        check.problem(&urls.spot, format!("`urls` has 1 to {MEMBERS_MAX} addresses"), "");
        return Vec::new();
    }
    list
}

/// The transport towards an endpoint: what its URL says, narrowed by what `type` says.
fn reached(
    endpoint: Endpoint,
    kind: Option<(Kind, &Node)>,
    url: &Node,
    check: &mut Check<'_>,
) -> Option<Reach> {
    let socket = endpoint.url.starts_with("ws");
    let Some((kind, node)) = kind else {
        return Some(if socket { Reach::WebSocket(endpoint) } else { Reach::Http(endpoint) });
    };
    match (kind, socket) {
        (Kind::Stdio, _) => {
            let hint = if socket { "use `type: ws`" } else { "use `type: http`" };
            check.problem(&node.spot, "this type needs `command`, but `url` is given", hint);
            None
        }
        (Kind::WebSocket | Kind::Remote, true) => Some(Reach::WebSocket(endpoint)),
        (Kind::Http, false) => Some(Reach::StreamableHttp(endpoint)),
        (Kind::Sse, false) => Some(Reach::HttpSse(endpoint)),
        (Kind::Remote, false) => Some(Reach::Http(endpoint)),
        (Kind::Http | Kind::Sse, true) => {
            let message = format!("`type: {}` needs an http or https URL", kind.as_str());
            check.problem(&url.spot, message, "use `type: ws`, or leave `type` out");
            None
        }
        (Kind::WebSocket, false) => {
            let hint = "write ws:// or wss://, or leave `type` out";
            check.problem(&url.spot, "`type: ws` needs a ws or wss URL", hint);
            None
        }
        (Kind::Unknown, _) => None,
    }
}

/// The synonyms in use for the transports.
fn kind_of(node: &Node, check: &mut Check<'_>) -> Kind {
    let Value::String(text) = &node.value else {
        check.expected("text", node);
        return Kind::Unknown;
    };
    let folded: String =
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    match folded.as_str() {
        "stdio" | "local" | "command" => Kind::Stdio,
        "http" | "https" | "streamablehttp" | "streaminghttp" | "streamable" => Kind::Http,
        "sse" | "httpsse" => Kind::Sse,
        "ws" | "wss" | "websocket" => Kind::WebSocket,
        "remote" => Kind::Remote,
        _ => {
            let words = ["stdio", "http", "streamable-http", "sse", "ws", "websocket"];
            let hint = nearest(text, &words).map_or_else(
                || "one of stdio, http, sse, ws".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            check.problem(&node.spot, "not a transport", hint);
            Kind::Unknown
        }
    }
}
