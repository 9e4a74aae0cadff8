//! The resolved configuration: nothing in it is text that still has to be understood.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use trunkline_gateway::options::{Options as GatewayOptions, Override};
use trunkline_upstream::Options as UpstreamOptions;
use trunkline_upstream::faults::Rule;

use crate::patterns::Patterns;

/// Everything the application hands on to its parts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the MCP endpoint.
    pub listen: SocketAddr,
    /// Address of the admin listener; `None` when it is off.
    pub admin: Option<SocketAddr>,
    /// The servers in use, in the order of the document.
    pub upstreams: Vec<UpstreamOptions>,
    /// Catalog, names and views.
    pub gateway: GatewayOptions,
    /// Who may connect.
    pub security: Security,
    /// Bounds of the front side.
    pub limits: Limits,
    /// What is logged, and how.
    pub log: LogOptions,
    /// Whether other processes may listen at the same addresses (`SO_REUSEPORT`).
    pub reuse_port: bool,
    /// How a changed document is noticed.
    pub reload: Reload,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// When the process counts as ready.
    pub readiness: Readiness,
    /// Worker threads of the event loop; `None` is one for each processor.
    pub threads: Option<usize>,
    /// Where state that outlives the process is kept; `None` is the platform's place.
    pub state_dir: Option<PathBuf>,
    /// What kind of place this is; `None` when nobody said it.
    pub environment: Option<Environment>,
    /// What shall go wrong on purpose.
    pub faults: Faults,
    /// The text behind `gateway.servers`, to compare configurations.
    pub(crate) shown: Vec<Shown>,
    /// The text behind `gateway.profiles`, to compare configurations.
    pub(crate) views: Vec<ViewText>,
}

/// What kind of place a gateway runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Users depend on it: nothing is broken on purpose.
    Production,
    /// Things may be tried out.
    Development,
}

/// What shall go wrong on purpose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Whether rules may be set for a while through the admin listener, from this machine.
    pub control: bool,
    /// The rules in force from the start.
    pub rules: Vec<Rule>,
}

/// Who may connect to the front side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// Values of `Host` accepted besides those of the listening address.
    pub allowed_hosts: Vec<String>,
    /// Values of `Origin` accepted besides none and the loopback ones.
    pub allowed_origins: Vec<String>,
    /// Serve callers without credentials on addresses that other machines can reach.
    pub allow_anonymous_beyond_loopback: bool,
}

/// Bounds of the front side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub body_bytes: usize,
    /// Most legacy sessions at a time.
    pub sessions: usize,
    /// A session unused for this long ends.
    pub session_idle: Duration,
    /// Most connections at a time.
    pub connections: usize,
    /// Most open event streams at a time.
    pub streams: usize,
    /// Most connections, sessions and streams of one address; `None` is the usual share, which spares loopback.
    pub connections_per_address: Option<usize>,
    /// See `connections_per_address`.
    pub sessions_per_address: Option<usize>,
    /// See `connections_per_address`.
    pub streams_per_address: Option<usize>,
    /// Time for a request's head to arrive.
    pub header_timeout: Duration,
    /// Time for a request's body to arrive.
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 4 << 20,
            sessions: 10_000,
            session_idle: Duration::from_mins(30),
            connections: 10_000,
            streams: 2_000,
            connections_per_address: None,
            sessions_per_address: None,
            streams_per_address: None,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
        }
    }
}

/// How a changed document is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Take the document anew when its file changes, and not only when told to.
    pub watch: bool,
}

impl Default for Reload {
    /// What the file says is what runs: who edits it expects that, and a bad one changes nothing.
    fn default() -> Self {
        Self { watch: true }
    }
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// For this long everything is served as before, while clients and load balancers learn to go elsewhere.
    pub delay: Duration,
    /// How long calls that run, or wait for their clients, may take after that.
    pub grace: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { delay: Duration::ZERO, grace: Duration::from_secs(30) }
    }
}

/// When the process counts as ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Which servers must be up.
    pub require_servers: Required,
}

/// Which servers must be up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Required {
    /// None: a gateway whose servers are away still says so to each caller, which is better than not being there.
    #[default]
    None,
    /// One of them at least, where there are any.
    Any,
    /// Every one.
    All,
    /// These.
    Servers(Vec<Arc<str>>),
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// A level (`info`) or a filter (`info,trunkline_upstream=debug`).
    pub level: String,
    /// The shape of a line.
    pub format: LogFormat,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One readable line.
    Human,
    /// One JSON object per line.
    Json,
}

/// What is shown of a server, as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shown {
    pub(crate) prefix: Option<String>,
    pub(crate) transparent: bool,
    pub(crate) fallback: Option<Arc<str>>,
    pub(crate) tools: Patterns,
    pub(crate) prompts: Patterns,
    pub(crate) resources: Patterns,
    pub(crate) tool_overrides: BTreeMap<String, Override>,
    pub(crate) prompt_overrides: BTreeMap<String, Override>,
}

/// A profile, as text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ViewText {
    pub(crate) name: Arc<str>,
    pub(crate) servers: Vec<Arc<str>>,
    pub(crate) tools: Patterns,
    pub(crate) instructions: Option<Arc<str>>,
}
