//! The document as the schema tells it: one server.
#![expect(dead_code, clippy::zero_sized_map_values, reason = "only the derived schema is used")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::document::SizeOrOff;
use super::reliability::{CircuitBreaker, Ejection, Health, Retry};
use super::values::{Count, Duration, Size, Switch, Text};

/// One MCP server: `command` for one to start, `url` for one to reach.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Server {
    /// The program to start, spoken to over stdin and stdout. A list is the program and its arguments.
    command: Option<Command>,
    /// Arguments of the program.
    args: Option<Vec<Text>>,
    /// Environment variables set for the program. It inherits only a short safe list besides.
    env: Option<BTreeMap<String, Text>>,
    /// A file with `NAME=value` lines, set for the program; `env` wins over it.
    env_file: Option<String>,
    /// Names of variables that the program inherits from Trunkline's environment.
    inherit_env: Option<Vec<Inherited>>,
    /// Working directory of the program. Default: Trunkline's own.
    cwd: Option<String>,
    /// Address of the server: http or https, or ws or wss for a WebSocket; without user and password.
    url: Option<String>,
    /// The server whose tools of the same name answer when this one is not available.
    fallback: Option<String>,
    /// Addresses of equal servers, in place of `url`: calls are spread over them, and go on when some are down.
    urls: Option<Vec<String>>,
    /// How many processes of `command` run as equal members. Default: 1.
    #[schemars(range(min = 1, max = 32))]
    replicas: Option<u32>,
    /// Headers added to every request to `url`, or to the handshake of a WebSocket.
    headers: Option<BTreeMap<String, Text>>,
    /// Headers whose value is that of the named environment variable (Codex).
    #[schemars(rename = "env_http_headers")]
    env_http_headers: Option<BTreeMap<String, String>>,
    /// The environment variable that holds the bearer token (Codex).
    #[schemars(rename = "bearer_token_env_var")]
    bearer_token_env_var: Option<String>,
    /// The transport, in any client's spelling: `stdio`, `http` (Streamable HTTP only), `sse` (HTTP+SSE only) or `ws`.
    /// Default: `stdio` with `command`, `ws` with a ws or wss `url`, else Streamable HTTP and, where that is not answered,
    /// HTTP+SSE.
    #[schemars(rename = "type")]
    kind: Option<String>,
    /// Leave this server out. Default: false.
    disabled: Option<Switch>,
    /// Use this server. Default: true.
    enabled: Option<Switch>,
    /// Put before the names of its tools and prompts: 1 to 20 of `[A-Za-z0-9_-]`. Default: the server's name.
    prefix: Option<String>,
    /// Pass names, identity and instructions through unchanged. Only for a server that is alone. Default: false.
    transparent: Option<Switch>,
    /// Which protocol era to speak: `auto` (probe once), `modern` (2026-07-28 and later) or `legacy`. Default: `auto`.
    era: Option<Era>,
    /// Which clients share a session with a legacy server: `auto`, `per-client` or `shared`. Default: `auto`.
    sessions: Option<Sessions>,
    /// Most sessions besides the shared one; for a program each is a process. Default: 32, with `url` 1024.
    #[schemars(range(min = 1, max = 10_000))]
    max_sessions: Option<u32>,
    /// Which tools are shown, and how. A list is the tools to show.
    tools: Option<Tools>,
    /// Which prompts are shown, and how.
    prompts: Option<Items>,
    /// Which resources and templates are shown, by URI.
    resources: Option<Filter>,
    /// Exact names of the only tools to show (Gemini CLI).
    include_tools: Option<Vec<String>>,
    /// Exact names of tools not to show (Gemini CLI).
    exclude_tools: Option<Vec<String>>,
    /// How long each kind of wait may take.
    timeouts: Option<Timeouts>,
    /// Longest call, in milliseconds, as clients write it. Prefer `timeouts.total`.
    timeout: Option<Duration>,
    /// Longest call, in seconds (Codex). Prefer `timeouts.total`.
    #[schemars(rename = "tool_timeout_sec")]
    tool_timeout_sec: Option<Duration>,
    /// Longest start, in seconds (Codex). Prefer `timeouts.connect`.
    #[schemars(rename = "startup_timeout_sec")]
    startup_timeout_sec: Option<Duration>,
    /// Longest start, in milliseconds (Codex). Prefer `timeouts.connect`.
    #[schemars(rename = "startup_timeout_ms")]
    startup_timeout_ms: Option<Duration>,
    /// Stop the program after this long without a call; the next call starts it again. Default: `never`.
    idle_stop: Option<Duration>,
    /// How restarts and reconnects are spaced.
    restart: Option<Restart>,
    /// When the server is left alone for a while, or `off`.
    circuit_breaker: Option<CircuitBreaker>,
    /// Which calls are sent again when they fail, or `off`.
    retry: Option<Retry>,
    /// When a silent server is asked whether it is there, or `off`.
    health: Option<Health>,
    /// When one of several members is left out for a while, or `off`.
    ejection: Option<Ejection>,
    /// Largest single message accepted from this server. Default: `16MiB`.
    max_message_bytes: Option<Size>,
    /// Most calls to this server in a time, by all clients together: `50/s`.
    rate_limit: Option<String>,
    /// Most calls under way at this server. Default: `limits.inFlightPerServer`.
    max_concurrency: Option<Count>,
    /// Which of its large results are kept. Default: as the top-level `results` says.
    results: Option<ServerResults>,
}

/// Large results of one server's tools.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ServerResults {
    /// Results with more text than this are kept; `off` keeps none. At least `4KiB`.
    keep_above: Option<SizeOrOff>,
    /// How much of the text a client gets at once. At least `256`.
    preview_bytes: Option<Size>,
}

/// The program to start.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Command {
    Program(String),
    Words(Vec<Text>),
    Parts(CommandParts),
}

/// The program and its arguments, as Zed wrote them.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct CommandParts {
    /// The program.
    path: String,
    /// Its arguments.
    args: Option<Vec<Text>>,
    /// Its environment variables.
    env: Option<BTreeMap<String, Text>>,
}

/// A variable's name.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Inherited {
    Name(String),
    Named { name: String, source: Option<String> },
}

/// A protocol era.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub(super) enum Era {
    Auto,
    Modern,
    Legacy,
}

/// Which clients share a session with a legacy server.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(super) enum Sessions {
    Auto,
    PerClient,
    Shared,
}

/// Which tools are shown.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Tools {
    Rules(Items),
    Names(Vec<String>),
}

/// Filters on the server's own names, and changes by name. Exclude wins over include.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Items {
    /// Patterns of what is shown (`*`, `?`, `[ab]`, `{a,b}`). Default: everything.
    include: Option<Vec<String>>,
    /// Patterns of what is never shown.
    exclude: Option<Vec<String>>,
    /// Changes, by the server's own name.
    overrides: Option<BTreeMap<String, Override>>,
}

/// Patterns. Exclude wins over include.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Filter {
    /// Patterns of what is shown (`*`, `?`, `[ab]`, `{a,b}`). Default: everything.
    include: Option<Vec<String>>,
    /// Patterns of what is never shown.
    exclude: Option<Vec<String>>,
}

/// A change to how one tool or prompt is shown.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Override {
    /// The whole name shown; no prefix is added.
    name: Option<String>,
    /// Replaces the title.
    title: Option<String>,
    /// Replaces the description.
    description: Option<String>,
}

/// How long each kind of wait may take.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Timeouts {
    /// Starting or connecting, handshake included. Default: `30s`.
    connect: Option<Duration>,
    /// Silence after a probe for the protocol era. Default: `10s`.
    probe: Option<Duration>,
    /// Silence during a call; progress renews it. Default: `60s`.
    idle: Option<Duration>,
    /// A whole call; nothing renews it. Default: `10m`.
    total: Option<Duration>,
    /// Reading all pages of one list. Default: `15s`.
    list: Option<Duration>,
    /// Waiting for a user's answer to what the server asks. Default: `10m`.
    answer: Option<Duration>,
}

/// Growing waits between attempts to start or connect.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Restart {
    /// Wait before the second attempt. Default: `250ms`.
    first: Option<Duration>,
    /// Longest wait. Default: `60s`.
    max: Option<Duration>,
}
