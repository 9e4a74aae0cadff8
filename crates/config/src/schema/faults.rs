//! The document as the schema tells it: what shall go wrong on purpose.
#![expect(dead_code, reason = "only the derived schema is used")]

use schemars::JsonSchema;

use super::values::{Duration, Switch};

/// What shall go wrong on purpose.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Faults {
    Policy(FaultPolicy),
    Rules(Vec<Fault>),
}

/// What shall go wrong on purpose.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct FaultPolicy {
    /// Let `trunkline chaos` on this machine set rules for a while, through the admin listener. Default: false.
    control: Option<Switch>,
    /// Rules in force from the start; of several that concern a request the first one that hits it counts.
    rules: Option<Vec<Fault>>,
}

/// One thing that shall go wrong.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Fault {
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
pub(super) enum FaultKind {
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
pub(super) enum FaultAbort {
    Way(FaultWay),
    Status(u16),
}

/// A way to fail.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub(super) enum FaultWay {
    Broken,
    Unreachable,
}

/// A pattern, or several.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum FaultNames {
    One(String),
    Many(Vec<String>),
}
