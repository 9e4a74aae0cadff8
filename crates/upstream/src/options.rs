//! What an operator decides about one upstream. Compiled by `config`, never parsed here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use trunkline_model::Secret;

use crate::group::OutlierOptions;
use crate::{breaker, health, retry};

/// One upstream server, fully resolved: nothing in it is optional by accident.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The operator's name for the server; unique in a configuration.
    pub name: Arc<str>,
    /// How the server is reached.
    pub reach: Reach,
    /// Further members that are equal to the first: endpoints, or processes. At most 31.
    pub others: Vec<Reach>,
    /// Which era to speak, or to find out.
    pub era: EraChoice,
    /// How long each kind of wait may take.
    pub timeouts: Timeouts,
    /// Stop a stdio child after this long without a call; `None` keeps it for ever.
    pub idle_stop: Option<Duration>,
    /// How restarts and reconnects are spaced.
    pub backoff: Backoff,
    /// Largest single message accepted from this server, in bytes.
    pub message_bytes_max: usize,
    /// Which clients share a session with a legacy server.
    pub sessions: SessionScope,
    /// Most sessions with a legacy server besides the shared one; over stdio each is a process.
    pub sessions_max: usize,
    /// Most list pages read from this server per list.
    pub pages_max: usize,
    /// Most items kept per list of this server.
    pub items_max: usize,
    /// What may change while the server runs.
    pub live: Live,
}

/// What may change while a server runs: nothing of it concerns the process or connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// When it is left alone for a while; `None` never does.
    pub breaker: Option<breaker::Options>,
    /// Which calls are sent again; `None` sends none.
    pub retry: Option<retry::Options>,
    /// When one of several members is left out.
    pub outliers: OutlierOptions,
    /// When a silent server is asked whether it is there; `None` never asks.
    pub health: Option<health::Options>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            breaker: Some(breaker::Options::default()),
            retry: Some(retry::Options::default()),
            outliers: OutlierOptions::default(),
            health: Some(health::Options::default()),
        }
    }
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// A child process that speaks newline-delimited JSON-RPC on stdin and stdout.
    Stdio(Command),
    /// An endpoint of Streamable HTTP or, where nothing answers in that way, of HTTP+SSE.
    Http(Endpoint),
    /// A Streamable HTTP endpoint, and nothing else.
    StreamableHttp(Endpoint),
    /// The event stream of an HTTP+SSE server (2024-11-05). Always legacy.
    HttpSse(Endpoint),
    /// A WebSocket; the URL has the scheme `ws` or `wss`.
    WebSocket(Endpoint),
}

impl Reach {
    /// The address, where it has one.
    pub const fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Stdio(_) => None,
            Self::Http(endpoint)
            | Self::StreamableHttp(endpoint)
            | Self::HttpSse(endpoint)
            | Self::WebSocket(endpoint) => Some(endpoint),
        }
    }

    /// The configured transport, in one word.
    pub const fn transport(&self) -> &'static str {
        match self {
            Self::Stdio(_) => "stdio",
            Self::Http(_) | Self::StreamableHttp(_) => "http",
            Self::HttpSse(_) => "sse",
            Self::WebSocket(_) => "ws",
        }
    }
}

/// The child process of a stdio server.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Program name (looked up in `PATH`) or path.
    pub program: String,
    /// Arguments, in order.
    pub args: Vec<String>,
    /// Variables set for the child, in order. The child inherits only a short safe list besides.
    pub env: Vec<(String, Secret)>,
    /// Names of further variables the child inherits from the gateway's environment.
    pub inherit_env: Vec<String>,
    /// Working directory; `None` is the gateway's own.
    pub cwd: Option<PathBuf>,
}

/// Where a server that runs elsewhere is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Absolute URL: `http` or `https`, or `ws` or `wss` for a WebSocket.
    pub url: String,
    /// Headers added to every request, or to the WebSocket's handshake, in order.
    pub headers: Vec<(String, Secret)>,
}

/// Which protocol era is spoken with a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EraChoice {
    /// Probe once, remember the verdict.
    #[default]
    Auto,
    /// Per-request metadata (2026-07-28 and later); no probe.
    Modern,
    /// `initialize` (2025-11-25 and earlier); no probe.
    Legacy,
}

/// Which clients share a session with a legacy server. What a server may ask its client for is fixed when a session
/// opens, so clients that can be asked cannot share one with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionScope {
    /// Clients that can be asked nothing share one; each legacy client that can be asked has its own; modern clients
    /// that can be asked the same share a few.
    #[default]
    Auto,
    /// Each legacy client has its own.
    PerClient,
    /// All clients share one, on which the server can ask nothing.
    Shared,
}

/// Deadlines of one upstream. Each bounds one kind of wait on the outside world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timeouts {
    /// Starting the child or connecting, the handshake included.
    pub connect: Duration,
    /// Silence after a probe before the server counts as one that cannot be probed.
    pub probe: Duration,
    /// Silence during a call; progress renews it.
    pub idle: Duration,
    /// A whole call; nothing renews it.
    pub total: Duration,
    /// Reading all pages of one list.
    pub list: Duration,
    /// A question to a client's user, until it is answered.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            probe: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            total: Duration::from_mins(10),
            list: Duration::from_secs(15),
            answer: Duration::from_mins(10),
        }
    }
}

/// Exponential spacing of attempts, with jitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// Wait before the second attempt.
    pub first: Duration,
    /// Longest wait.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(250), max: Duration::from_mins(1) }
    }
}

impl Options {
    /// Whether a server that runs with these options need not be started anew for the others.
    pub fn runs_as(&self, other: &Self) -> bool {
        Self { live: other.live.clone(), ..self.clone() } == *other
    }

    /// A server with every default, for the given name and reach.
    pub fn new(name: impl Into<Arc<str>>, reach: Reach) -> Self {
        let sessions_max = match &reach {
            Reach::Stdio(_) => 32,
            _ => 1024,
        };
        Self {
            name: name.into(),
            reach,
            others: Vec::new(),
            era: EraChoice::Auto,
            timeouts: Timeouts::default(),
            idle_stop: None,
            backoff: Backoff::default(),
            message_bytes_max: 16 << 20,
            pages_max: 100,
            items_max: 10_000,
            sessions: SessionScope::Auto,
            sessions_max,
            live: Live::default(),
        }
    }
}
