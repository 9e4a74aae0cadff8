//! The document as the schema tells it: how the process notices changes, ends, and says how it is.
#![expect(dead_code, reason = "only the derived schema is used")]

use schemars::JsonSchema;

use super::values::{Duration, Switch, Wait};

/// How a changed document is noticed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Reload {
    /// Take the document anew when its file changes, and not only on SIGHUP. Default: true.
    watch: Option<Switch>,
}

/// How the process ends when it is told to.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Shutdown {
    /// Serve everything for this long while clients and load balancers learn to go elsewhere. Default: 0, with
    /// `reusePort` `5s`.
    delay: Option<Wait>,
    /// How long calls that run, or wait for their clients, may take after that. Default: `30s`.
    grace: Option<Duration>,
}

/// When `/readyz` says that the process is ready.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Readiness {
    /// Which servers must be up: `none`, `any`, `all`, or a list of names. Default: `none`.
    require_servers: Option<Required>,
}

/// Servers that must be up.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Required {
    Which(Which),
    Names(Vec<String>),
}

/// A condition on all servers.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub(super) enum Which {
    None,
    Any,
    All,
}

/// What is logged, and how. Logs go to stderr.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter as in `info,trunkline_upstream=debug`. Default: `info`.
    level: Option<String>,
    /// The shape of a line: `auto` (for people on a terminal, JSON otherwise), `human` or `json`. Default: `auto`.
    format: Option<LogFormat>,
}

/// The shape of a log line.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub(super) enum LogFormat {
    Auto,
    Human,
    Json,
}
