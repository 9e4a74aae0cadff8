//! HTTP towards clients: one endpoint for every revision and transport, told apart per request. `modern.rs` and
//! `legacy.rs` are Streamable HTTP; `pipes/` are the transports that keep a client on one connection.

mod accept;
mod body;
#[cfg(test)]
mod coming_back;
#[cfg(fuzzing)]
pub mod fuzzing;
mod guard;
mod header;
mod heads;
mod legacy;
mod modern;
mod patience;
mod pipes;
mod respond;
mod route;
mod sessions;
mod stream;
#[cfg(test)]
mod tests;
mod unhurried;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use trunkline_observe::metrics::Metrics;

use super::host::Host;

pub use accept::serve;

/// What an operator decides about the HTTP front. Each bound has its reason in the reference.
#[derive(Clone, Debug)]
pub struct Options {
    /// Host names (with or without a port) accepted besides the loopback ones.
    pub allowed_hosts: Vec<String>,
    /// Origins (`https://host[:port]`) accepted besides the loopback ones.
    pub allowed_origins: Vec<String>,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Time for the head of a request.
    pub header_timeout: Duration,
    /// Time for the body of a request.
    pub body_timeout: Duration,
    /// Most open connections.
    pub connections_max: usize,
    /// Most legacy sessions.
    pub sessions_max: usize,
    /// A session of which nothing was heard for this long is ended.
    pub session_idle: Duration,
    /// Most open streams: GET, listen, HTTP+SSE and WebSocket.
    pub streams_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            body_bytes_max: 4 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            connections_max: 10_000,
            sessions_max: 10_000,
            session_idle: Duration::from_mins(30),
            streams_max: 2_000,
        }
    }
}

/// What every request of this front needs.
pub(crate) struct Front {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) options: Options,
    pub(crate) guard: guard::Guard,
    pub(crate) sessions: sessions::Sessions,
    pub(crate) clients: pipes::sse::Clients,
    pub(crate) streams: Arc<tokio::sync::Semaphore>,
    /// Room for events that are kept for clients that come back, in bytes.
    pub(crate) kept: Arc<tokio::sync::Semaphore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) routes: route::Meters,
    /// Ends the streams: the front is shutting down.
    pub(crate) stop: CancellationToken,
}
