//! Connections: one at a time from its first request to its last answer.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trunkline_observe::metrics::Metrics;
use trunkline_runtime::boxed;

use super::super::bell::Bell;
use super::super::host::Host;
use super::address::Taken;
use super::body::Body;
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

/// What answers on one connection.
struct Service {
    front: Arc<Front>,
    door: Arc<Door>,
    connection: Arc<Connection>,
    busy: Busy,
    bell: Bell,
}

impl Service {
    fn call(
        &self,
        request: Request<Incoming>,
    ) -> Answering<impl Future<Output = Response<Body>> + Send + use<>> {
        self.busy.set(true);
        self.bell.ring();
        let (head, body) = request.into_parts();
        let (front, connection) = (Arc::clone(&self.front), Arc::clone(&self.connection));
        let mixed = self.busy.take_mixed();
        Answering {
            answer: boxed(|| route::answer(front, head, body, mixed, connection)),
            bell: self.bell.clone(),
            busy: self.busy.clone(),
            door: Arc::clone(&self.door),
        }
    }
}

/// A request on its way to its answer. The way there is in a box that comes and goes with it: hyper keeps room for the
/// future of its service on each connection, idle ones too, and this one has several times the size of all the rest.
struct Answering<F> {
    answer: Pin<Box<F>>,
    bell: Bell,
    busy: Busy,
    door: Arc<Door>,
}

impl<F: Future<Output = Response<Body>>> Future for Answering<F> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut answer = ready!(this.bell.poll_if_rung(this.answer.as_mut(), cx));
        // After an upgrade there are no more heads to watch; while a result arrives its call runs.
        let runs = answer.body_mut().keeps_busy(&this.busy);
        this.busy.set(runs || answer.status() == StatusCode::SWITCHING_PROTOCOLS);
        if this.door.is_leaving() && leaving::is_last(&answer) {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(answer))
    }
}

/// Serves one connection, in a task of its own.
pub(super) fn begin(front: &Arc<Front>, door: &Arc<Door>, stream: TcpStream, peer: IpAddr, room: Slot) {
    // Closed without a word: whoever has so many open does not wait for one.
    let Some(taken) = front.connections_by_address.take(peer) else {
        return front.metrics.gateway().rejected("connections_of_address");
    };
    let _ = stream.set_nodelay(true);
    // Shared with what may outlive the connection as such: a WebSocket.
    let connection = Arc::new(Connection { peer, _room: room, _taken: taken });
    tokio::spawn(serve_connection(Arc::clone(front), Arc::clone(door), stream, connection));
}

fn serve_connection(
    front: Arc<Front>,
    door: Arc<Door>,
    stream: TcpStream,
    connection: Arc<Connection>,
) -> impl Future<Output = ()> + Send {
    let busy = Busy::default();
    let stream = Patient::new(stream, busy.clone(), front.live.load().options.header_timeout);
    let (quiet, room) = (door.quiet.clone(), Arc::clone(&connection));
    // See `bell.rs`: one for the connection, one for what answers on it, request after request.
    let bell = Bell::new();
    let service = Service { front, door, connection, busy, bell: Bell::new() };
    let mut served = http1::Builder::new()
        // See `patience.rs`.
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service_fn(move |request| service.call(request)))
        .with_upgrades();
    async move {
        // In place: for what it moves, an async block has room twice.
        let mut served = Pin::new(&mut served);
        let (mut quieting, quieted) = (pin!(quiet.cancelled()), Bell::rung());
        let ended = poll_fn(|cx| match bell.poll_till_quiet(served.as_mut(), cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => quieted.poll_if_rung(quieting.as_mut(), cx).map(|()| None),
        });
        let ended = if let Some(ended) = ended.await {
            ended
        } else {
            served.as_mut().graceful_shutdown();
            served.await
        };
        if let Err(error) = ended {
            tracing::trace!(%error, "a connection ended early");
        }
        drop(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_four<A, B, C, D, F>(_: impl FnOnce(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    fn of_answering<F>(_: impl FnOnce(&Service, Request<Incoming>) -> Answering<F>) -> (usize, usize) {
        (size_of::<Answering<F>>(), size_of::<F>())
    }

    /// There may be ten thousand connections, and nearly all of them are idle.
    #[test]
    fn an_idle_connection_takes_little_and_nothing_for_a_request_that_is_not_there() {
        let task = of_four(serve_connection);
        // With what the runtime adds, 1280 bytes: the allocator's next size is 1536.
        assert!(task <= 1112, "{task} bytes for the task of a connection");
        let (kept, answer) = of_answering(Service::call);
        assert!(kept <= 64, "{kept} bytes on each connection for a request that may come");
        assert!(answer <= 4096, "{answer} bytes for a request under way");
    }
}
