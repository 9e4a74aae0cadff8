//! Connections: one at a time from its first request to its last answer.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trunkline_observe::metrics::Metrics;

use super::super::bell::Bell;
use super::super::host::Host;
use super::address::Taken;
use super::door::{Door, Sharing};
use super::heads::Busy;
use super::leaving;
use super::patience::Patient;
use super::server::{Ending, Server};
use super::slots::Slot;
use super::{Front, Options, route};

/// Most headers of a request; hyper answers 431 beyond.
const HEADERS_MAX: usize = 100;
/// Buffer for the head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// A connection that was taken.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Who is at the other end, as the kernel says.
    pub(crate) peer: IpAddr,
    _room: Slot,
    _taken: Taken,
}

/// Serves clients at one address until `stop`, then lets what runs end. Whoever wants more to say has a [`Server`].
///
/// # Errors
/// The listener has no address.
pub async fn serve(
    listener: TcpListener,
    host: Arc<dyn Host>,
    options: Options,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> io::Result<()> {
    let server = Server::new(host, options, metrics);
    server.open(listener, Sharing::Alone)?;
    stop.cancelled().await;
    server.drain(Ending::within(Instant::now() + super::GRACE)).await;
    Ok(())
}

/// Serves one connection, in a task of its own.
pub(super) fn begin(front: &Arc<Front>, door: &Arc<Door>, stream: TcpStream, peer: IpAddr, room: Slot) {
    // Closed without a word: whoever has so many open does not wait for one.
    let Some(taken) = front.connections_by_address.take(peer) else {
        return front.metrics.gateway().rejected("connections_of_address");
    };
    let _ = stream.set_nodelay(true);
    let busy = Busy::default();
    let stream = Patient::new(stream, busy.clone(), front.live.load().options.header_timeout);
    let service_front = Arc::clone(front);
    // Shared with what may outlive the connection as such: a WebSocket.
    let room = Arc::new(Connection { peer, _room: room, _taken: taken });
    let kept = Arc::clone(&room);
    let entered = Arc::clone(door);
    // See `bell.rs`: one for the connection, one for what answers on it, request after request.
    let (bell, answers) = (Bell::new(), Bell::new());
    let service = service_fn(move |request| {
        let (front, busy, room) = (Arc::clone(&service_front), busy.clone(), Arc::clone(&kept));
        let (door, bell) = (Arc::clone(&entered), answers.clone());
        async move {
            busy.set(true);
            let mut answer = pin!(route::answer(front, request, busy.take_mixed(), room));
            bell.ring();
            let Ok(mut answer) = poll_fn(|cx| bell.poll_if_rung(answer.as_mut(), cx)).await;
            // After an upgrade there are no more heads to watch; while a result arrives its call runs.
            let runs = answer.body_mut().keeps_busy(&busy);
            busy.set(runs || answer.status() == StatusCode::SWITCHING_PROTOCOLS);
            if door.is_leaving() && leaving::is_last(&answer) {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        // See `patience.rs`.
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let quiet = door.quiet.clone();
    tokio::spawn(async move {
        let mut connection = pin!(connection);
        let (mut quieting, quieted) = (pin!(quiet.cancelled()), Bell::rung());
        let ended = poll_fn(|cx| match bell.poll_till_quiet(connection.as_mut(), cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => quieted.poll_if_rung(quieting.as_mut(), cx).map(|()| None),
        });
        let ended = if let Some(ended) = ended.await {
            ended
        } else {
            connection.as_mut().graceful_shutdown();
            connection.await
        };
        if let Err(error) = ended {
            tracing::trace!(%error, "a connection ended early");
        }
        drop(room);
    });
}
