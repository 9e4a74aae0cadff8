//! Connections: taken while there is room, closed when they are slow, ended in order.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use trunkline_observe::metrics::Metrics;

use super::super::bell::Bell;
use super::super::host::Host;
use super::super::replay::KEPT_BYTES_MAX;
use super::heads::Busy;
use super::patience::Patient;
use super::{Front, Options, guard, route, sessions};

/// How long calls in flight may take to end after `stop`.
const DRAIN: Duration = Duration::from_secs(10);
/// Wait after an accept error (out of descriptors, most of all): trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Most headers of a request; hyper answers 431 beyond.
const HEADERS_MAX: usize = 100;
/// Buffer for the head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Serves clients until `stop`: then it takes no more, ends streams in order, waits for calls (10 s at most), returns.
pub async fn serve(
    listener: TcpListener,
    host: Arc<dyn Host>,
    options: Options,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let connections = Arc::new(Semaphore::new(options.connections_max));
    let front = Arc::new(Front {
        guard: guard::Guard::new(address, &options.allowed_hosts, &options.allowed_origins),
        clients: super::pipes::sse::Clients::default(),
        sessions: sessions::Sessions::new(options.sessions_max, options.session_idle, Arc::clone(&metrics)),
        streams: Arc::new(Semaphore::new(options.streams_max)),
        kept: Arc::new(Semaphore::new(KEPT_BYTES_MAX)),
        routes: route::Meters::new(&metrics),
        host,
        options,
        metrics,
        stop: stop.clone(),
    });
    let sweeping = tokio::spawn(sessions::sweep(Arc::clone(&front), stop.clone()));
    loop {
        // Room first, then a connection: what we cannot serve stays in the kernel's queue.
        let room = tokio::select! {
            room = Arc::clone(&connections).acquire_owned() => room,
            () = stop.cancelled() => break,
        };
        let Ok(room) = room else { break };
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let busy = Busy::default();
        let stream = Patient::new(stream, busy.clone(), front.options.header_timeout);
        let service_front = Arc::clone(&front);
        // See `bell.rs`: one for the connection, one for what answers on it, request after request.
        let (bell, answers) = (Bell::new(), Bell::new());
        // Shared with what may outlive the connection as such: a WebSocket.
        let room = Arc::new(room);
        let kept = Arc::clone(&room);
        let service = service_fn(move |request| {
            let (front, busy, room) = (Arc::clone(&service_front), busy.clone(), Arc::clone(&kept));
            let bell = answers.clone();
            async move {
                busy.set(true);
                let mut answer = pin!(route::answer(front, request, busy.take_mixed(), room));
                bell.ring();
                let Ok(mut answer) = poll_fn(|cx| bell.poll_if_rung(answer.as_mut(), cx)).await;
                // After an upgrade there are no more heads to watch; while a result arrives its call runs.
                let runs = answer.body_mut().keeps_busy(&busy);
                busy.set(runs || answer.status() == StatusCode::SWITCHING_PROTOCOLS);
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
        let stop = stop.clone();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let (mut stopping, stopped) = (pin!(stop.cancelled()), Bell::rung());
            let ended = poll_fn(|cx| match bell.poll_till_quiet(connection.as_mut(), cx) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending => stopped.poll_if_rung(stopping.as_mut(), cx).map(|()| None),
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
    drop(listener);
    let all = u32::try_from(front.options.connections_max).unwrap_or(u32::MAX);
    // Whoever is connected holds a place, WebSockets too.
    if timeout(DRAIN, connections.acquire_many(all)).await.is_err() {
        tracing::warn!("some calls did not end in time");
    }
    sweeping.abort();
    Ok(())
}
