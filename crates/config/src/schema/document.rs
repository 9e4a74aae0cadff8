//! The document as the schema tells it. Nothing is read into these structs; a test holds them to the resolver.
#![expect(dead_code, clippy::zero_sized_map_values, reason = "only the derived schema is used")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::values::{Address, Count, Duration, Number, Size, Switch, Text, Wait};

/// The configuration of Trunkline, an MCP gateway. Every key is optional.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    /// This schema, for editors.
    #[schemars(rename = "$schema")]
    schema: Option<String>,
    /// Address of the MCP endpoint (`/mcp`). Default: `127.0.0.1:8808`.
    listen: Option<Address>,
    /// The admin listener: health, metrics, status.
    admin: Option<Admin>,
    /// The MCP servers to join, by name. Snippets from MCP clients can be pasted here as they are.
    mcp_servers: Option<Servers>,
    /// How the names of tools and prompts are built.
    naming: Option<Naming>,
    /// Instructions sent to clients, in place of the generated ones. At most 64 KiB.
    instructions: Option<String>,
    /// Views with some of the servers, each at `/mcp/<name>`. `/mcp` always shows all servers.
    profiles: Option<BTreeMap<String, Profile>>,
    /// Who may connect.
    security: Option<Security>,
    /// Bounds of the front side.
    limits: Option<Limits>,
    /// Large results of tools: kept here, with a preview and a link for the client. Off unless `keepAbove` says otherwise.
    results: Option<Results>,
    /// What is logged, and how.
    log: Option<Log>,
    /// What kind of place this is. In `production` nothing is broken on purpose. Default: neither.
    environment: Option<Environment>,
    /// Faults to inject on purpose between Trunkline and its servers. A list is the rules. Default: none.
    faults: Option<Faults>,
    /// Let other processes listen at the same addresses, as the next one does while it takes over (`SO_REUSEPORT`, with
    /// the same user). Default: false.
    reuse_port: Option<Switch>,
    /// How a changed document is noticed.
    reload: Option<Reload>,
    /// How the process ends when it is told to.
    shutdown: Option<Shutdown>,
    /// When `/readyz` says that the process is ready.
    readiness: Option<Readiness>,
    /// Folder for state that outlives the process. Default: the platform's place for state.
    state_dir: Option<String>,
}

/// What kind of place a gateway runs in.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum Environment {
    Production,
    Development,
}

/// What shall go wrong on purpose.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Faults {
    Policy(FaultPolicy),
    Rules(Vec<Fault>),
}

/// What shall go wrong on purpose.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct FaultPolicy {
    /// Let `trunkline chaos` on this machine set rules for a while, through the admin listener. Default: false.
    control: Option<Switch>,
    /// Rules in force from the start; of several that concern a request the first one that hits it counts.
    rules: Option<Vec<Fault>>,
}

/// One thing that shall go wrong.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Fault {
    /// What goes wrong: `delay`, `abort`, `truncate`, `garbage`, `drop`, `duplicate` or `stall`.
    kind: FaultKind,
    /// `delay`: how long; `stall`: how long, default for ever.
    by: Option<Duration>,
    /// `delay`: up to this much longer. Default: nothing.
    jitter: Option<Duration>,
    /// `abort`: `broken` (default), `unreachable`, or an HTTP status from 300 to 599.
    #[schemars(rename = "as")]
    how: Option<FaultAbort>,
    /// Patterns of the servers concerned, by name. Default: all.
    server: Option<FaultNames>,
    /// The same as `server`.
    servers: Option<FaultNames>,
    /// Patterns of the tools concerned, by the server's own names. Default: all, and what calls no tool.
    tool: Option<FaultNames>,
    /// The same as `tool`.
    tools: Option<FaultNames>,
    /// Patterns of the clients concerned, by the name they give. Default: all.
    client: Option<FaultNames>,
    /// The same as `client`.
    clients: Option<FaultNames>,
    /// Only requests of this method. Default: all that clients make.
    method: Option<String>,
    /// How many of the requests concerned are hit, in hundredths. Default: 100.
    #[schemars(range(min = 0, max = 100))]
    percentage: Option<f64>,
    /// The rule holds from the first to the second of two times, counted from when it takes effect.
    between: Option<[Duration; 2]>,
    /// The rule holds for this long.
    #[schemars(rename = "for")]
    lasts: Option<Duration>,
    /// Picks the requests that are hit; the same seed picks the same. Default: 0.
    seed: Option<u64>,
}

/// A kind of fault.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum FaultKind {
    Delay,
    Abort,
    Truncate,
    Garbage,
    Drop,
    Duplicate,
    Stall,
}

/// How a request fails that does not go out.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum FaultAbort {
    Way(FaultWay),
    Status(u16),
}

/// A way to fail.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum FaultWay {
    Broken,
    Unreachable,
}

/// A pattern, or several.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum FaultNames {
    One(String),
    Many(Vec<String>),
}

/// Servers by name, or a list of servers that each have a `name`.
struct Servers;

impl JsonSchema for Servers {
    fn schema_name() -> Cow<'static, str> {
        "Servers".into()
    }

    // One schema for both shapes: editors complete keys better than in a choice of two.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let server = generator.subschema_for::<Server>();
        json_schema!({ "type": ["object", "array"], "additionalProperties": server, "items": server })
    }
}

/// The admin listener, or `off`.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Admin {
    On(AdminListener),
    Off(Off),
}

/// Not at all.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum Off {
    Off,
    None,
}

/// The admin listener.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct AdminListener {
    /// Address of the admin listener, or `off` (or null) for none. Default: `127.0.0.1:8809`.
    listen: Option<Address>,
}

/// One MCP server: `command` for one to start, `url` for one to reach.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Server {
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

/// Large results of tools.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Results {
    /// Results with more text than this are kept, and replaced by a preview and a link; `off` keeps none. At least `4KiB`.
    /// Default: `off`.
    keep_above: Option<SizeOrOff>,
    /// How much of the text a client gets at once. At least `256`. Default: `4KiB`.
    preview_bytes: Option<Size>,
    /// How long a kept result can be read. Default: `1h`.
    keep_for: Option<Duration>,
    /// Most bytes kept in memory, all together; beyond it the oldest go. Default: `64MiB`.
    max_bytes: Option<Size>,
    /// Most bytes kept for one client. Default: half of `maxBytes`.
    max_bytes_per_client: Option<Size>,
}

/// Large results of one server's tools.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct ServerResults {
    /// Results with more text than this are kept; `off` keeps none. At least `4KiB`.
    keep_above: Option<SizeOrOff>,
    /// How much of the text a client gets at once. At least `256`.
    preview_bytes: Option<Size>,
}

/// A size in bytes, or `off`.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum SizeOrOff {
    Bytes(Size),
    Off(Off),
    Switch(bool),
}

/// The program to start.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Command {
    Program(String),
    Words(Vec<Text>),
    Parts(CommandParts),
}

/// The program and its arguments, as Zed wrote them.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CommandParts {
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
enum Inherited {
    Name(String),
    Named { name: String, source: Option<String> },
}

/// A protocol era.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum Era {
    Auto,
    Modern,
    Legacy,
}

/// Which clients share a session with a legacy server.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Sessions {
    Auto,
    PerClient,
    Shared,
}

/// Which tools are shown.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Tools {
    Rules(Items),
    Names(Vec<String>),
}

/// Filters on the server's own names, and changes by name. Exclude wins over include.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Items {
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
struct Filter {
    /// Patterns of what is shown (`*`, `?`, `[ab]`, `{a,b}`). Default: everything.
    include: Option<Vec<String>>,
    /// Patterns of what is never shown.
    exclude: Option<Vec<String>>,
}

/// A change to how one tool or prompt is shown.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Override {
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
struct Timeouts {
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
struct Restart {
    /// Wait before the second attempt. Default: `250ms`.
    first: Option<Duration>,
    /// Longest wait. Default: `60s`.
    max: Option<Duration>,
}

/// When a server is left alone, or `off`.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum CircuitBreaker {
    On(BreakerRules),
    Off(Off),
}

/// When a server that fails is left alone, and for how long. Timeouts, broken connections, invalid answers and HTTP 5xx
/// are failures; errors that a tool or server reports are answers.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct BreakerRules {
    /// Rates are taken over the calls of this time. Default: `30s`.
    window: Option<Duration>,
    /// Rates are taken over this many last calls, in place of `window`.
    calls: Option<Count>,
    /// Failed calls in percent that open it. Default: 50.
    failure_percent: Option<Count>,
    /// Fewest calls for a rate to mean anything. Default: 20.
    minimum_calls: Option<Count>,
    /// Failures in a row that open it, or `off`. Default: 5.
    consecutive_failures: Option<CountOrOff>,
    /// A call that takes longer is a slow one. Default: `off`.
    slow: Option<Duration>,
    /// Slow calls in percent that open it. Default: 80.
    slow_percent: Option<Count>,
    /// How long it stays open the first time; doubles each time. Default: `5s`.
    open: Option<Duration>,
    /// Longest time that it stays open. Default: `60s`.
    open_max: Option<Duration>,
    /// Calls that try the server at a time afterwards, all of which must pass. Default: 1.
    probes: Option<Count>,
    /// `open` keeps every call from the server, `closed` lets every call through.
    force: Option<Force>,
    /// Patterns of tools with a breaker of their own: their timeouts and errors do not close the server to others.
    tools: Option<Vec<String>>,
}

/// Which calls are sent again, or `off`.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Retry {
    On(RetryRules),
    Off(Off),
}

/// Which calls are sent again when they fail. A tool call runs twice only if the tool calls itself read-only or idempotent
/// and is believed, or if it carries an idempotency key that the server honours.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct RetryRules {
    /// Most times that one call is sent, the first included: 1 to 10. Default: 3.
    attempts: Option<Count>,
    /// Believe every tool that calls itself read-only or idempotent. Default: false.
    trust_annotations: Option<Switch>,
    /// Patterns of tools that are believed when they call themselves so.
    tools: Option<Vec<String>>,
    /// Reading resources, prompts and completions again does no harm. Default: true.
    reads: Option<Switch>,
    /// The server runs calls with the same `_meta["io.trunkline/idempotencyKey"]` once. Default: false.
    idempotency_keys: Option<Switch>,
    /// How many calls may be sent again.
    budget: Option<RetryBudget>,
    /// Longest wait before the second attempt; doubles each time, spread from zero up. Default: `100ms`.
    first: Option<Duration>,
    /// Longest wait, also of what a server asks for with Retry-After. Default: `5s`.
    max: Option<Duration>,
    /// Call a believed read-only tool a second time, beside the first, after this long. Default: `off`.
    hedge_after: Option<Duration>,
}

/// How many calls may be sent again: a share of all, and some each second.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct RetryBudget {
    /// In percent of all calls of the server. Default: 20.
    #[schemars(range(min = 0, max = 100))]
    percent: Option<u32>,
    /// So many each second besides. Default: 3.
    #[schemars(range(min = 0, max = 1000))]
    per_second: Option<u32>,
}

/// When a silent server is asked, or `off`.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Health {
    On(HealthRules),
    Off(Off),
}

/// A server that was silent for `interval` is asked whether it is there; if it says nothing for `timeout`, it is started or
/// connected to anew. While calls are under way it gets `timeouts.idle`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct HealthRules {
    /// Silence after which it is asked. Default: `8s`, over Streamable HTTP `30s`.
    interval: Option<Duration>,
    /// How long it may take to say anything. Default: `5s`, over Streamable HTTP `10s`.
    timeout: Option<Duration>,
}

/// When a member is left out, or `off`.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Ejection {
    On(EjectionRules),
    Off(Off),
}

/// When one of several members is left out for a while.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct EjectionRules {
    /// Failures in a row. Default: 3.
    consecutive_failures: Option<Count>,
    /// How long the first time; each time after adds as much. Default: `10s`.
    time: Option<Duration>,
    /// Longest time. Default: `5m`.
    time_max: Option<Duration>,
    /// Most members left out, in percent; one is always left in. Default: 50.
    percent: Option<Count>,
}

/// A whole number, or not at all.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum CountOrOff {
    Count(Count),
    Off(Off),
}

/// A state that the operator decrees.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum Force {
    Open,
    Closed,
}

/// How the names of tools and prompts are built: prefix, separator, the server's own name.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Naming {
    /// Put between prefix and name: 1 to 8 characters of the alphabet. Default: `__`.
    separator: Option<String>,
    /// `llm` (`[A-Za-z0-9_-]`, 64 characters: what model APIs accept) or `mcp` (also `.`, 128). Default: `llm`.
    alphabet: Option<Alphabet>,
    /// Most items in one page of a list. Default: 1000.
    page_items: Option<Count>,
}

/// Characters and length of names.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum Alphabet {
    Llm,
    Mcp,
}

/// A view with some of the servers, at `/mcp/<name>`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Profile {
    /// Names of the servers shown, in this order.
    servers: Vec<String>,
    /// A further filter, on the names as they are shown.
    tools: Option<Filter>,
    /// Instructions sent to clients of this view. At most 64 KiB.
    instructions: Option<String>,
}

/// Who may connect.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Security {
    /// Values of the `Host` header accepted besides the listening address. Default: none.
    allowed_hosts: Option<Vec<String>>,
    /// Values of the `Origin` header accepted besides loopback ones, as in `https://app.example`. Default: none.
    allowed_origins: Option<Vec<String>>,
    /// Serve anybody on an address that other machines reach. Default: false.
    allow_anonymous_beyond_loopback: Option<Switch>,
}

/// Bounds of the front side. Full means a refusal with a retry hint.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Limits {
    /// Largest request body. Default: `4MiB`.
    body_bytes: Option<Size>,
    /// Most legacy sessions at a time. Default: 10000.
    sessions: Option<Count>,
    /// A session unused for this long ends. Default: `30m`.
    session_idle: Option<Duration>,
    /// Most connections at a time. Default: 10000.
    connections: Option<Count>,
    /// Most open event streams at a time. Default: 2000.
    streams: Option<Count>,
    /// Most connections of one address. Default: 256, without a bound for loopback addresses.
    connections_per_address: Option<Count>,
    /// Most legacy sessions of one address. Default: 1000, without a bound for loopback addresses.
    sessions_per_address: Option<Count>,
    /// Most open event streams of one address. Default: 500, without a bound for loopback addresses.
    streams_per_address: Option<Count>,
    /// Time for a request's head to arrive. Default: `10s`.
    header_timeout: Option<Duration>,
    /// Time for a request's body to arrive. Default: `30s`.
    body_timeout: Option<Duration>,
    /// How many calls there may be in a time. All that match a call must admit it.
    rates: Option<Vec<RateLimit>>,
    /// How many calls may be under way at a time. All that match a call must admit it.
    concurrency: Option<Vec<ConcurrencyLimit>>,
    /// Most calls under way at servers, all together. Default: 1024.
    in_flight: Option<Count>,
    /// Most calls under way at one server without a `maxConcurrency`. Default: 128.
    in_flight_per_server: Option<Count>,
    /// Most calls that wait for their turn, at each server and for the gateway. Default: 1024.
    queue: Option<Number>,
    /// How long a call waits for its turn; then it is refused. Default: `1s`.
    queue_age: Option<Duration>,
    /// Lower the bound of a server while calls queue up and its answers slow down. Default: true.
    adaptive: Option<Switch>,
    /// Resident memory that the gateway may have; above nine tenths of it new calls are refused. Default: `off`.
    memory: Option<Size>,
    /// How late the event loop may be; above it a growing share of new calls is refused. Default: `500ms`.
    lag: Option<Duration>,
}

/// A rate limit (GCRA).
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RateLimit {
    /// What it is called in metrics and in `RateLimit-Policy`. Default: made of `per` and `match`.
    name: Option<String>,
    /// What is counted apart: `principal`, `client`, `tool`, `upstream`, some of them, or `all`. Default: `all`.
    per: Option<CountedPer>,
    /// Which calls count. Default: all.
    #[schemars(rename = "match")]
    matches: Option<Matching>,
    /// How much there may be in the long run: `100/s`, `10/m`, `500/10s`.
    rate: String,
    /// Most at once. Default: the number in `rate`.
    burst: Option<Count>,
    /// How much a call counts: a number, or numbers by tool. Default: 1.
    cost: Option<Cost>,
}

/// A limit of calls at a time.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ConcurrencyLimit {
    /// What it is called in metrics. Default: made of `per` and `match`.
    name: Option<String>,
    /// What is counted apart: `principal`, `client`, `tool`, `upstream`, some of them, or `all`. Default: `all`.
    per: Option<CountedPer>,
    /// Which calls count. Default: all.
    #[schemars(rename = "match")]
    matches: Option<Matching>,
    /// Most calls under way.
    max: Count,
    /// How long a call may wait for another to end. Default: `0s`, it is refused at once.
    wait: Option<Duration>,
}

/// What is counted apart.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum CountedPer {
    One(CountedBy),
    Several(Vec<CountedBy>),
}

/// Something that can be counted apart.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum CountedBy {
    Principal,
    Client,
    Tool,
    Upstream,
    All,
}

/// Which calls a limit is about.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Matching {
    /// Patterns of tool names as clients see them. Other calls do not match.
    tools: Option<Vec<String>>,
    /// Names of servers. What no server answers does not match.
    servers: Option<Vec<String>>,
    /// Methods, as `tools/call`.
    methods: Option<Vec<String>>,
}

/// How much a call counts.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Cost {
    All(Number),
    By(CostByTool),
}

/// How much calls count, by tool.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CostByTool {
    /// What is not named below. Default: 1.
    default: Option<Number>,
    /// By pattern of the tool's name as clients see it; the first that matches counts.
    tools: Option<BTreeMap<String, Number>>,
}

/// How a changed document is noticed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Reload {
    /// Take the document anew when its file changes, and not only on SIGHUP. Default: true.
    watch: Option<Switch>,
}

/// How the process ends when it is told to.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Shutdown {
    /// Serve everything for this long while clients and load balancers learn to go elsewhere. Default: 0, with
    /// `reusePort` `5s`.
    delay: Option<Wait>,
    /// How long calls that run, or wait for their clients, may take after that. Default: `30s`.
    grace: Option<Duration>,
}

/// When `/readyz` says that the process is ready.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Readiness {
    /// Which servers must be up: `none`, `any`, `all`, or a list of names. Default: `none`.
    require_servers: Option<Required>,
}

/// Servers that must be up.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Required {
    Which(Which),
    Names(Vec<String>),
}

/// A condition on all servers.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum Which {
    None,
    Any,
    All,
}

/// What is logged, and how. Logs go to stderr.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter as in `info,trunkline_upstream=debug`. Default: `info`.
    level: Option<String>,
    /// The shape of a line: `auto` (for people on a terminal, JSON otherwise), `human` or `json`. Default: `auto`.
    format: Option<LogFormat>,
}

/// The shape of a log line.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
enum LogFormat {
    Auto,
    Human,
    Json,
}
