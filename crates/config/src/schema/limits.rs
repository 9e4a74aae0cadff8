//! The document as the schema tells it: bounds of the front side, and limits of calls.
#![expect(dead_code, clippy::zero_sized_map_values, reason = "only the derived schema is used")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::values::{Count, Duration, Number, Size, Switch};

/// Bounds of the front side. Full means a refusal with a retry hint.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Limits {
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
pub(super) struct RateLimit {
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
pub(super) struct ConcurrencyLimit {
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
pub(super) enum CountedPer {
    One(CountedBy),
    Several(Vec<CountedBy>),
}

/// Something that can be counted apart.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub(super) enum CountedBy {
    Principal,
    Client,
    Tool,
    Upstream,
    All,
}

/// Which calls a limit is about.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Matching {
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
pub(super) enum Cost {
    All(Number),
    By(CostByTool),
}

/// How much calls count, by tool.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct CostByTool {
    /// What is not named below. Default: 1.
    default: Option<Number>,
    /// By pattern of the tool's name as clients see it; the first that matches counts.
    tools: Option<BTreeMap<String, Number>>,
}
