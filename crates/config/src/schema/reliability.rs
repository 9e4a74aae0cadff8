//! The document as the schema tells it: what is done about servers that fail.
#![expect(dead_code, reason = "only the derived schema is used")]

use schemars::JsonSchema;

use super::document::Off;
use super::values::{Count, Duration, Switch};

/// When a server is left alone, or `off`.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum CircuitBreaker {
    On(BreakerRules),
    Off(Off),
}

/// When a server that fails is left alone, and for how long. Timeouts, broken connections, invalid answers and HTTP 5xx
/// are failures; errors that a tool or server reports are answers.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BreakerRules {
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
pub(super) enum Retry {
    On(RetryRules),
    Off(Off),
}

/// Which calls are sent again when they fail. A tool call runs twice only if the tool calls itself read-only or idempotent
/// and is believed, or if it carries an idempotency key that the server honours.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RetryRules {
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
pub(super) struct RetryBudget {
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
pub(super) enum Health {
    On(HealthRules),
    Off(Off),
}

/// A server that was silent for `interval` is asked whether it is there; if it says nothing for `timeout`, it is started or
/// connected to anew. While calls are under way it gets `timeouts.idle`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HealthRules {
    /// Silence after which it is asked. Default: `8s`, over Streamable HTTP `30s`.
    interval: Option<Duration>,
    /// How long it may take to say anything. Default: `5s`, over Streamable HTTP `10s`.
    timeout: Option<Duration>,
}

/// When a member is left out, or `off`.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Ejection {
    On(EjectionRules),
    Off(Off),
}

/// When one of several members is left out for a while.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EjectionRules {
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
pub(super) enum CountOrOff {
    Count(Count),
    Off(Off),
}

/// A state that the operator decrees.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub(super) enum Force {
    Open,
    Closed,
}
