//! HTTP towards clients: one endpoint for every revision and transport, told apart per request. `modern.rs` and
//! `legacy.rs` are Streamable HTTP; `pipes/` are the transports that keep a client on one connection.

mod accept;
mod address;
mod ahead;
mod body;
#[cfg(test)]
mod coming_back;
mod door;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod goings;
mod guard;
mod header;
mod heads;
mod leaving;
mod legacy;
mod modern;
mod patience;
mod pipes;
mod respond;
mod route;
mod server;
mod sessions;
mod slots;
mod stream;
#[cfg(test)]
mod tests;
mod unhurried;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use trunkline_observe::metrics::{Held, Metrics};

use super::host::Host;

pub use accept::serve;
pub use address::Share;
pub use door::Sharing;
pub use server::{Ending, Server};

/// How long what runs may take to end when nobody says otherwise.
const GRACE: Duration = Duration::from_secs(10);

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
    /// Most open connections of one address; further ones are closed at once.
    pub connections_per_address: Share,
    /// Most legacy sessions.
    pub sessions_max: usize,
    /// Most legacy sessions of one address; the idlest of them makes room for a further one.
    pub sessions_per_address: Share,
    /// A session of which nothing was heard for this long is ended.
    pub session_idle: Duration,
    /// Most open streams: GET, listen, HTTP+SSE and WebSocket.
    pub streams_max: usize,
    /// Most open streams of one address.
    pub streams_per_address: Share,
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
            connections_per_address: Share { most: 256, loopback: false },
            sessions_max: 10_000,
            sessions_per_address: Share { most: 1000, loopback: false },
            session_idle: Duration::from_mins(30),
            streams_max: 2_000,
            streams_per_address: Share { most: 500, loopback: false },
        }
    }
}

/// What every request of this front needs.
pub(crate) struct Front {
    pub(crate) host: Arc<dyn Host>,
    /// Looked at once per request, and never across an await.
    pub(crate) live: ArcSwap<Live>,
    pub(crate) sessions: sessions::Sessions,
    pub(crate) clients: pipes::sse::Clients,
    pub(crate) connections: Arc<slots::Slots>,
    pub(crate) streams: Arc<slots::Slots>,
    pub(crate) connections_by_address: Arc<address::Addresses>,
    pub(crate) streams_by_address: Arc<address::Addresses>,
    /// Room for events that are kept for clients that come back, in bytes.
    pub(crate) kept: Arc<tokio::sync::Semaphore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) routes: route::Meters,
    /// How far the end has come.
    pub(crate) ending: leaving::Standing,
    /// Ends the streams: the front is shutting down.
    pub(crate) stop: CancellationToken,
    /// Ends connections with the answer that they are giving.
    pub(crate) quiet: CancellationToken,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front")
            .field("live", &self.live)
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}

/// What an operator may change while clients are served.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) options: Options,
    pub(crate) guard: guard::Guard,
}

impl Live {
    /// For a front that listens at `addresses`.
    fn new(options: Options, addresses: &[SocketAddr]) -> Self {
        let guard = guard::Guard::new(addresses, &options.allowed_hosts, &options.allowed_origins);
        Self { options, guard }
    }
}

/// The room that an open stream takes.
pub(crate) type StreamRoom = (slots::Slot, address::Taken, Held);

impl Front {
    /// Room for one more stream of this address.
    pub(crate) fn stream_room(&self, peer: IpAddr) -> Option<StreamRoom> {
        let taken = self.streams_by_address.take(peer)?;
        let room = self.streams.try_take()?;
        Some((room, taken, self.metrics.gateway().streams().hold()))
    }
}
