//! The admin listener: health and metrics, for probes and scrapers, never for MCP.

mod answer;
mod faults;
mod health;
mod hosts;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use trunkline_config::Limits;
use trunkline_gateway::Gateway;
use trunkline_observe::metrics::Metrics;
use trunkline_transport::front::http::Server;

use crate::serve::Standing;
use answer::Body;
pub(crate) use hosts::Hosts;

/// Most connections at a time. Probes and scrapers need a handful; one more waits to be accepted.
const CONNECTIONS_MAX: usize = 64;

/// After a failed accept (usually too many open files), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is reported.
pub(crate) struct Seen {
    /// How the servers are.
    pub(crate) gateway: Arc<Gateway>,
    /// How far the process is.
    pub(crate) standing: Arc<Standing>,
    /// What was counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Who is connected.
    pub(crate) server: Arc<Server>,
    /// Which `Host` values are answered, and how long requests may take to arrive.
    live: RwLock<(Hosts, Limits)>,
}

impl Seen {
    /// Answers nobody until it was told whom.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        standing: Arc<Standing>,
        metrics: Arc<Metrics>,
        server: Arc<Server>,
    ) -> Self {
        Self { gateway, standing, metrics, server, live: RwLock::default() }
    }

    /// Says which `Host` values are answered, and how long requests may take to arrive.
    pub(crate) fn reconfigure(&self, hosts: Hosts, limits: Limits) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = (hosts, limits);
    }

    fn limits(&self) -> Limits {
        self.live.read().unwrap_or_else(PoisonError::into_inner).1
    }

    fn admits<B>(&self, request: &Request<B>) -> Result<(), StatusCode> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).0.check(request)
    }
}

/// Answers until `stop`.
pub(crate) async fn serve(listener: TcpListener, seen: Arc<Seen>, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await.ok()?;
            Some((listener.accept().await, permit))
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = next => accepted,
        };
        match accepted {
            Some((Ok((stream, peer)), permit)) => {
                tokio::spawn(converse(stream, peer, Arc::clone(&seen), permit));
            }
            Some((Err(error), _)) => {
                tracing::warn!(%error, "the admin listener could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
            None => return,
        }
    }
}

/// One connection is one request: an idle one would only hold a place.
async fn converse(stream: TcpStream, peer: SocketAddr, seen: Arc<Seen>, _permit: OwnedSemaphorePermit) {
    let limits = seen.limits();
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let response: Response<Body> = answer::answer(request, &seen, peer).await;
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A peer that breaks off, or takes longer than both of its times, is not worth a log line.
    let _ = timeout(limits.header_timeout + limits.body_timeout, connection).await;
}
