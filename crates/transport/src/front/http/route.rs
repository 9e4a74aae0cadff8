//! From an HTTP request to the era that it speaks: path, guard, method, content type, size, JSON.

use std::future::Future as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::header::{ALLOW, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use trunkline_model::Era;
use trunkline_observe::metrics::{Metrics, RouteHandle};
use trunkline_protocol::{ScanError, scan};
use trunkline_runtime::Alarm;

use super::super::answer;
use super::super::host::ViewName;
use super::super::said::{self, Unreadable};
use super::accept::Connection;
use super::ahead::Ahead;
use super::body::Body;
use super::header::Headers;
use super::{Front, legacy, modern, pipes, respond};

/// The path of the endpoint; views besides the default one lie below it.
const ENDPOINT: &str = "/mcp";
/// The path where nothing but HTTP+SSE is served, for clients that were told to look for it there. Views as above.
const SSE: &str = "/sse";

/// The counters of this front.
#[derive(Debug)]
pub(crate) struct Meters {
    post: RouteHandle,
    get: RouteHandle,
    delete: RouteHandle,
    sse_post: RouteHandle,
    sse_get: RouteHandle,
    other: RouteHandle,
}

impl Meters {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            post: metrics.route("POST", ENDPOINT),
            get: metrics.route("GET", ENDPOINT),
            delete: metrics.route("DELETE", ENDPOINT),
            sse_post: metrics.route("POST", SSE),
            sse_get: metrics.route("GET", SSE),
            other: metrics.route("other", "other"),
        }
    }

    fn of(&self, head: &Parts) -> &RouteHandle {
        let path = head.uri.path();
        match (path.starts_with(ENDPOINT), path.starts_with(SSE), &head.method) {
            (true, _, &Method::POST) => &self.post,
            (true, _, &Method::GET) => &self.get,
            (true, _, &Method::DELETE) => &self.delete,
            (_, true, &Method::POST) => &self.sse_post,
            (_, true, &Method::GET) => &self.sse_get,
            _ => &self.other,
        }
    }
}

/// Answers one request.
///
/// `mixed` says that the head told the end of the body in two ways; `connection` is the one it came by.
pub(crate) async fn answer(
    front: Arc<Front>,
    mut head: Parts,
    body: Incoming,
    mixed: bool,
    connection: Arc<Connection>,
) -> Response<Body> {
    let began = Instant::now();
    let meter = front.routes.of(&head);
    let handled = if mixed {
        let text = "a body has either a length or a transfer coding";
        Err(closing(refuse(&front, StatusCode::BAD_REQUEST, text)))
    } else {
        handle(&front, &mut head, body, connection).await
    };
    let response = match handled {
        Ok(response) => response,
        Err(response) => *response,
    };
    meter.record(response.status().as_u16(), began.elapsed());
    response
}

/// A refusal is an answer too; boxed because it is rare.
pub(crate) type Handled = Result<Response<Body>, Refusal>;

/// See `Handled`.
pub(crate) type Refusal = Box<Response<Body>>;

pub(crate) fn refuse(front: &Front, status: StatusCode, text: &str) -> Refusal {
    front.metrics.gateway().rejected(reason(status));
    Box::new(respond::plain_error(status, text))
}

/// The connection cannot be used any further: what follows may be the rest of a body.
fn closing(mut response: Refusal) -> Refusal {
    response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "host_or_origin",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method",
        StatusCode::NOT_ACCEPTABLE => "accept",
        StatusCode::REQUEST_TIMEOUT => "slow_body",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "content_type",
        StatusCode::SERVICE_UNAVAILABLE => "full",
        _ => "bad_request",
    }
}

async fn handle(
    front: &Arc<Front>,
    parts: &mut Parts,
    body: Incoming,
    connection: Arc<Connection>,
) -> Handled {
    let all = std::mem::take(&mut parts.headers);
    let headers = &Headers::of(&all);
    let checked = front.live.load().guard.check(&parts.uri, headers);
    checked.map_err(|(status, text)| refuse(front, status, text))?;
    let path = parts.uri.path();
    let door = view(path, ENDPOINT).map(|view| (view, false)).or_else(|| Some((view(path, SSE)?, true)));
    let Some((view, only_sse)) = door.filter(|(view, _)| front.host.has_view(view)) else {
        return Err(refuse(front, StatusCode::NOT_FOUND, "nothing is served at this path"));
    };
    match parts.method {
        Method::POST => match pipes::sse::session_of(&parts.uri) {
            Some(id) => {
                check_body(front, headers)?;
                Box::pin(pipes::sse::post(front, &view, headers, id, body)).await
            }
            None if only_sse => {
                let text = "this path serves HTTP+SSE, which begins with GET; Streamable HTTP is at /mcp";
                Err(not_allowed(front, "GET", text))
            }
            None => post(front, view, headers, connection.peer, body).await,
        },
        Method::GET if !only_sse && pipes::websocket::wanted(&all) => {
            let upgrade = parts.extensions.remove::<OnUpgrade>();
            pipes::websocket::open(front, view, &all, upgrade, connection)
        }
        Method::GET if (only_sse && headers.accepts_events()) || opens_sse(headers) => {
            pipes::sse::open(front, view, path, connection.peer)
        }
        Method::GET if only_sse => Err(refuse(front, StatusCode::NOT_ACCEPTABLE, "accept text/event-stream")),
        Method::GET => legacy::get(front, &view, headers, connection.peer),
        Method::DELETE if !only_sse => legacy::delete(front, &view, headers),
        _ if only_sse => Err(not_allowed(front, "GET, POST", "use GET, and POST where its stream says")),
        _ => Err(not_allowed(front, "POST, GET, DELETE", "use POST, or GET and DELETE with a session")),
    }
}

fn not_allowed(front: &Front, allowed: &'static str, text: &str) -> Refusal {
    let mut response = refuse(front, StatusCode::METHOD_NOT_ALLOWED, text);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Whether a GET at the endpoint is that of a 2024-11-05 client: it asks for events by name, and knows nothing of
/// sessions and later revisions.
fn opens_sse(headers: &Headers<'_>) -> bool {
    headers.wants_events() && !headers.session.is_some() && !headers.claims_modern()
}

/// The view that a path names: `/mcp` is the default one, `/mcp/<name>` a profile.
fn view(path: &str, endpoint: &str) -> Option<ViewName> {
    let rest = path.strip_prefix(endpoint)?;
    match rest.strip_prefix('/') {
        None if rest.is_empty() => Some(None),
        Some("") => Some(None),
        Some(name) if !name.contains('/') => Some(Some(Arc::from(name))),
        _ => None,
    }
}

async fn post(
    front: &Arc<Front>,
    view: ViewName,
    headers: &Headers<'_>,
    peer: IpAddr,
    body: Incoming,
) -> Handled {
    check_head(front, headers)?;
    let raw = read(front, headers, body).await?;
    begin(front, view, headers, &raw, peer)?.finish(front).await
}

/// Begins one message, or a batch of them.
fn begin(
    front: &Arc<Front>,
    view: ViewName,
    headers: &Headers<'_>,
    raw: &Bytes,
    peer: IpAddr,
) -> Result<Ahead, Refusal> {
    let scanned = match scan(raw.clone()) {
        Ok(scanned) => scanned,
        Err(ScanError::Batch) => return legacy::batch(front, &view, headers, raw),
        Err(error) => {
            let Unreadable { id, fault } = *said::unreadable(raw, &error);
            front.metrics.gateway().rejected(fault.kind.reason());
            let era = if headers.claims_modern() { Era::Modern } else { Era::Legacy };
            return Err(Box::new(respond::answer(answer::refusal(id.as_deref(), &fault, era))));
        }
    };
    if scanned.params.meta.version.is_some() || headers.claims_modern() {
        modern::begin(front, view, headers, &scanned, peer)
    } else {
        legacy::begin(front, view, headers, &scanned, peer)
    }
}

/// Headers that decide before the body is read.
fn check_head(front: &Front, headers: &Headers<'_>) -> Result<(), Refusal> {
    check_body(front, headers)?;
    if !headers.accepts_json() && !headers.accepts_events() {
        let text = "accept application/json and text/event-stream";
        return Err(refuse(front, StatusCode::NOT_ACCEPTABLE, text));
    }
    Ok(())
}

/// What the head says of the body.
fn check_body(front: &Front, headers: &Headers<'_>) -> Result<(), Refusal> {
    match headers.transfer_encoding.values() {
        [] => {}
        [one] if one.eq_ignore_ascii_case(b"chunked") => {}
        _ => {
            let text = "the only transfer coding is chunked";
            return Err(closing(refuse(front, StatusCode::NOT_IMPLEMENTED, text)));
        }
    }
    if headers.content_encoding.is_some() {
        return Err(refuse(front, StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded bodies are not accepted"));
    }
    if !headers.is_json() {
        let text = "the body must be application/json";
        return Err(refuse(front, StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    Ok(())
}

/// Reads the body within its size and time. A declared length is refused before anything is read.
pub(crate) async fn read(front: &Front, headers: &Headers<'_>, mut body: Incoming) -> Result<Bytes, Refusal> {
    let limit = front.live.load().options.body_bytes_max;
    let declared = headers.content_length.text().and_then(|v| v.parse::<u64>().ok());
    let too_large =
        || closing(refuse(front, StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than allowed"));
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut patience = None;
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while !body.is_end_stream() {
        // A body usually came with its head; then nobody waits, and there is no timer.
        let next = std::future::poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => {
                let patience =
                    patience.get_or_insert_with(|| Alarm::after(front.live.load().options.body_timeout));
                Pin::new(patience).poll(cx).map(Err)
            }
        });
        let frame = match next.await {
            Err(()) => {
                return Err(closing(refuse(front, StatusCode::REQUEST_TIMEOUT, "the body took too long")));
            }
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                return Err(refuse(front, StatusCode::BAD_REQUEST, "the body could not be read"));
            }
            Ok(Some(Ok(frame))) => frame,
        };
        // Trailers say nothing that we would believe.
        let Ok(data) = frame.into_data() else { continue };
        if first.as_ref().map_or(rest.len(), Bytes::len) + data.len() > limit {
            return Err(too_large());
        }
        match first.take() {
            None if rest.is_empty() => first = Some(data),
            None => rest.extend_from_slice(&data),
            Some(before) => {
                let whole =
                    declared.map_or(before.len() + data.len(), |d| usize::try_from(d).unwrap_or(limit));
                rest.reserve(whole);
                rest.extend_from_slice(&before);
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_views() {
        for endpoint in [ENDPOINT, SSE] {
            let view = |rest: &str| view(&format!("{endpoint}{rest}"), endpoint);
            assert_eq!(view(""), Some(None));
            assert_eq!(view("/"), Some(None));
            assert_eq!(view("/dev"), Some(Some(Arc::from("dev"))));
            for rest in ["x", "/a/b", "//"] {
                assert_eq!(view(rest), None, "{rest}");
            }
        }
        assert_eq!(view("/", ENDPOINT), None);
        assert_eq!(view("/MCP", ENDPOINT), None);
    }
}
