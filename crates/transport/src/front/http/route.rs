//! From an HTTP request to the era that it speaks: path, guard, method, content type, size, JSON.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant as Deadline, timeout_at};
use trunkline_model::Era;
use trunkline_observe::metrics::{Metrics, RouteHandle};
use trunkline_protocol::{Revision, ScanError, headers, scan};

use super::super::answer;
use super::super::host::ViewName;
use super::super::said::{self, Unreadable};
use super::body::Body;
use super::{Front, legacy, modern, pipes, respond};

/// The path of the endpoint; views besides the default one lie below it.
const ENDPOINT: &str = "/mcp";
/// The path where nothing but HTTP+SSE is served, for clients that were told to look for it there. Views as above.
const SSE: &str = "/sse";
/// The media type of event streams.
const EVENTS: &str = "text/event-stream";

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
}

/// Answers one request.
///
/// `mixed` says that the head told the end of the body in two ways; `connection` is the place of the connection.
pub(crate) async fn answer(
    front: Arc<Front>,
    request: Request<Incoming>,
    mixed: bool,
    connection: Arc<OwnedSemaphorePermit>,
) -> Result<Response<Body>, Infallible> {
    let began = Instant::now();
    let path = request.uri().path();
    let (known, sse) = (path.starts_with(ENDPOINT), path.starts_with(SSE));
    let method = request.method().clone();
    let handled = if mixed {
        let text = "a body has either a length or a transfer coding";
        Err(closing(refuse(&front, StatusCode::BAD_REQUEST, text)))
    } else {
        handle(&front, request, connection).await
    };
    let response = match handled {
        Ok(response) => response,
        Err(response) => *response,
    };
    let meter = match (known, sse, &method) {
        (true, _, &Method::POST) => &front.routes.post,
        (true, _, &Method::GET) => &front.routes.get,
        (true, _, &Method::DELETE) => &front.routes.delete,
        (_, true, &Method::POST) => &front.routes.sse_post,
        (_, true, &Method::GET) => &front.routes.sse_get,
        _ => &front.routes.other,
    };
    meter.record(response.status().as_u16(), began.elapsed());
    Ok(response)
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
    request: Request<Incoming>,
    connection: Arc<OwnedSemaphorePermit>,
) -> Handled {
    let (mut parts, body) = request.into_parts();
    front.guard.check(&parts.uri, &parts.headers).map_err(|(status, text)| refuse(front, status, text))?;
    let path = parts.uri.path();
    let door = view(path, ENDPOINT).map(|view| (view, false)).or_else(|| Some((view(path, SSE)?, true)));
    let Some((view, only_sse)) = door.filter(|(view, _)| front.host.has_view(view)) else {
        return Err(refuse(front, StatusCode::NOT_FOUND, "nothing is served at this path"));
    };
    let headers = &parts.headers;
    match parts.method {
        Method::POST => match pipes::sse::session_of(&parts.uri) {
            Some(id) => {
                check_body(front, headers)?;
                pipes::sse::post(front, &view, headers, id, body).await
            }
            None if only_sse => {
                let text = "this path serves HTTP+SSE, which begins with GET; Streamable HTTP is at /mcp";
                Err(not_allowed(front, "GET", text))
            }
            None => post(front, view, headers, body).await,
        },
        Method::GET if !only_sse && pipes::websocket::wanted(headers) => {
            let upgrade = parts.extensions.remove::<OnUpgrade>();
            pipes::websocket::open(front, view, headers, upgrade, connection)
        }
        Method::GET if (only_sse && accepts(headers, EVENTS)) || opens_sse(headers) => {
            pipes::sse::open(front, view, path)
        }
        Method::GET if only_sse => Err(refuse(front, StatusCode::NOT_ACCEPTABLE, "accept text/event-stream")),
        Method::GET => legacy::get(front, &view, headers),
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
fn opens_sse(headers: &HeaderMap) -> bool {
    let by_name = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let by_name = by_name.flat_map(|value| value.split(',')).any(|range| {
        range.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(EVENTS))
    });
    by_name && !legacy::has_session(headers) && !claims_modern(headers)
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

async fn post(front: &Arc<Front>, view: ViewName, headers: &HeaderMap, body: Incoming) -> Handled {
    check_head(front, headers)?;
    let raw = read(front, headers, body).await?;
    let scanned = match scan(raw.clone()) {
        Ok(scanned) => scanned,
        Err(ScanError::Batch) => return legacy::batch(front, view, headers, &raw).await,
        Err(error) => {
            let Unreadable { id, fault } = *said::unreadable(&raw, &error);
            front.metrics.gateway().rejected(fault.kind.reason());
            let era = if claims_modern(headers) { Era::Modern } else { Era::Legacy };
            return Err(Box::new(respond::answer(answer::refusal(id.as_deref(), &fault, era))));
        }
    };
    if scanned.params.meta.version.is_some() || claims_modern(headers) {
        modern::post(front, view, headers, scanned).await
    } else {
        legacy::post(front, view, headers, scanned).await
    }
}

fn claims_modern(headers: &HeaderMap) -> bool {
    let value = headers.get(HeaderName::from_static(headers::PROTOCOL_VERSION)).and_then(|v| v.to_str().ok());
    value.is_some_and(|v| Revision::claims_modern(v.trim()))
}

/// Headers that decide before the body is read.
fn check_head(front: &Front, headers: &HeaderMap) -> Result<(), Refusal> {
    check_body(front, headers)?;
    if !accepts(headers, "application/json") && !accepts(headers, EVENTS) {
        let text = "accept application/json and text/event-stream";
        return Err(refuse(front, StatusCode::NOT_ACCEPTABLE, text));
    }
    Ok(())
}

/// What the head says of the body.
fn check_body(front: &Front, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    if codings.next().is_some_and(|first| !chunked(first)) || codings.next().is_some() {
        let text = "the only transfer coding is chunked";
        return Err(closing(refuse(front, StatusCode::NOT_IMPLEMENTED, text)));
    }
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(refuse(front, StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded bodies are not accepted"));
    }
    if !is_json(headers) {
        let text = "the body must be application/json";
        return Err(refuse(front, StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    Ok(())
}

/// `application/json`, with no parameter but a UTF-8 charset, given once.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let mut parts = value.to_str().unwrap_or_default().split(';').map(str::trim);
    let json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    json && parts.all(|parameter| {
        let value = parameter.to_ascii_lowercase();
        value
            .strip_prefix("charset=")
            .is_none_or(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8"))
    })
}

/// Whether a media type is accepted. No Accept header accepts everything (RFC 9110, section 12.5.1).
pub(crate) fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let mut any = false;
    for value in headers.get_all(ACCEPT) {
        any = true;
        let fits = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
            let refused = parts.any(|p| matches!(p, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            let family = wanted.split('/').next().unwrap_or_default();
            !refused && (essence == wanted || essence == "*/*" || essence == format!("{family}/*"))
        };
        if value.to_str().unwrap_or_default().split(',').any(fits) {
            return true;
        }
    }
    !any
}

/// Reads the body within its size and time. A declared length is refused before anything is read.
pub(crate) async fn read(front: &Front, headers: &HeaderMap, mut body: Incoming) -> Result<Bytes, Refusal> {
    let limit = front.options.body_bytes_max;
    let declared =
        headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    let too_large =
        || closing(refuse(front, StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than allowed"));
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let deadline = Deadline::now() + front.options.body_timeout;
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => {
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

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

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

    #[test]
    fn only_json_in_utf_8_is_taken() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json; charset=utf-16", false),
            ("application/jsonp", false),
            ("application/json-patch+json", false),
            ("text/plain", false),
        ] {
            assert_eq!(is_json(&with(CONTENT_TYPE, value)), expected, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn accept_headers_are_read_as_ranges() {
        for (value, json, stream) in [
            ("application/json, text/event-stream", true, true),
            ("*/*", true, true),
            ("application/*", true, false),
            ("text/event-stream;q=0.5", false, true),
            ("application/json;q=0", false, false),
            ("text/html", false, false),
        ] {
            let headers = with(ACCEPT, value);
            assert_eq!(
                (accepts(&headers, "application/json"), accepts(&headers, "text/event-stream")),
                (json, stream),
                "{value}"
            );
        }
        assert!(accepts(&HeaderMap::new(), "application/json"));
    }
}
