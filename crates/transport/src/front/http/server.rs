//! The front as its owner handles it: addresses come and go, options change, and it ends in order.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use trunkline_observe::metrics::Metrics;

use super::super::host::Host;
use super::super::replay::KEPT_BYTES_MAX;
use super::address::Addresses;
use super::door::{Door, Sharing};
use super::slots::Slots;
use super::{Front, Live, Options, pipes, route, sessions};

/// How clients are given an end.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// For this long everything is served as before, but each answer is the last on its connection: whoever sends
    /// clients here learns meanwhile that we go.
    pub delay: Duration,
    /// When what runs must have ended.
    pub deadline: Instant,
}

impl Ending {
    /// New calls are refused at once; those that run may end.
    pub const fn within(deadline: Instant) -> Self {
        Self { delay: Duration::ZERO, deadline }
    }
}

/// The HTTP front. Sessions live here, whichever address their client came by.
#[derive(Debug)]
pub struct Server {
    front: Arc<Front>,
    doors: Mutex<Vec<Arc<Door>>>,
}

impl Server {
    /// A front that listens nowhere yet. To be called within a runtime.
    pub fn new(host: Arc<dyn Host>, options: Options, metrics: Arc<Metrics>) -> Self {
        let front = Arc::new(Front {
            clients: pipes::sse::Clients::default(),
            sessions: sessions::Sessions::new(&options, Arc::clone(&metrics)),
            streams: Slots::new(options.streams_max),
            connections: Slots::new(options.connections_max),
            connections_by_address: Addresses::new(options.connections_per_address),
            streams_by_address: Addresses::new(options.streams_per_address),
            kept: Arc::new(Semaphore::new(KEPT_BYTES_MAX)),
            routes: route::Meters::new(&metrics),
            live: ArcSwap::from_pointee(Live::new(options, &[])),
            ending: super::leaving::Standing::default(),
            stop: CancellationToken::new(),
            quiet: CancellationToken::new(),
            host,
            metrics,
        });
        let ended = front.quiet.clone();
        tokio::spawn(sessions::sweep(Arc::clone(&front), ended));
        Self { front, doors: Mutex::default() }
    }

    fn doors(&self) -> MutexGuard<'_, Vec<Arc<Door>>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves clients that come by this listener too.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn open(&self, listener: TcpListener, sharing: Sharing) -> io::Result<SocketAddr> {
        let address = listener.local_addr()?;
        let mut doors = self.doors();
        // Known before the first connection: its requests name this address.
        let addresses: Vec<_> = doors.iter().map(|door| door.address).chain([address]).collect();
        let options = self.front.live.load().options.clone();
        self.front.live.store(Arc::new(Live::new(options, &addresses)));
        doors.push(Door::open(&self.front, listener, sharing)?);
        Ok(address)
    }

    /// Leaves an address; returns when it is free. Connections that came by it are told with their next answer to go,
    /// and keep being served until then.
    pub async fn close(&self, address: SocketAddr) {
        let found = {
            let mut doors = self.doors();
            let at = doors.iter().position(|door| door.address == address);
            at.map(|at| doors.remove(at))
        };
        if let Some(door) = found {
            door.leave();
            door.close().await;
        }
    }

    /// Takes new options. They hold from the next request, connection or stream on; nobody is sent away.
    pub fn reconfigure(&self, options: Options) {
        let doors = self.doors();
        let addresses: Vec<_> = doors.iter().map(|door| door.address).collect();
        self.front.connections.set_max(options.connections_max);
        self.front.streams.set_max(options.streams_max);
        self.front.connections_by_address.set(options.connections_per_address);
        self.front.streams_by_address.set(options.streams_per_address);
        self.front.sessions.reconfigure(&options);
        self.front.live.store(Arc::new(Live::new(options, &addresses)));
    }

    /// Connections that are open, WebSockets included.
    pub fn connections(&self) -> usize {
        self.front.connections.taken()
    }

    /// Lets clients go. Streams end with their last word, calls that run may end, calls that are parked may be taken up
    /// again, and new ones are refused; `false` when something still runs at the deadline.
    ///
    /// The order is such that no client meets a closed door on a connection that it was told nothing of: an address that
    /// another process serves too is left first, and then each answer is the last on its connection.
    pub async fn drain(&self, ending: Ending) -> bool {
        let front = &self.front;
        front.ending.begin(ending.deadline);
        let doors = std::mem::take(&mut *self.doors());
        let (shared, own): (Vec<_>, Vec<_>) =
            doors.into_iter().partition(|door| door.sharing != Sharing::Alone);
        close(&shared).await;
        if own.is_empty() {
            // Whoever comes back comes to the other process.
            front.stop.cancel();
        }
        shared.iter().chain(&own).for_each(|door| door.leave());
        let delay = ending.delay.min(ending.deadline.saturating_duration_since(Instant::now()));
        if !delay.is_zero() {
            let nobody = async {
                if own.is_empty() { front.connections.empty().await } else { std::future::pending().await }
            };
            let _ = timeout(delay, nobody).await;
        }
        front.ending.refuse();
        front.stop.cancel();
        // The client of a parked call comes back with a request of its own, maybe on a new connection.
        let _ = timeout_at(ending.deadline, Arc::clone(&front.host).unparked()).await;
        close(&own).await;
        front.quiet.cancel();
        timeout_at(ending.deadline, front.connections.empty()).await.is_ok()
    }

    /// Waits until no client is connected any more, for so long.
    pub async fn emptied(&self, patience: Duration) -> bool {
        timeout(patience, self.front.connections.empty()).await.is_ok()
    }
}

async fn close(doors: &[Arc<Door>]) {
    futures_util::future::join_all(doors.iter().map(|door| door.close())).await;
}
