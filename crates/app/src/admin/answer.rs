//! One request, one answer.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use trunkline_observe::metrics::negotiate;

use super::{Seen, faults, health};

/// A body in one piece.
pub(super) type Body = Full<Bytes>;

pub(super) const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers a request.
pub(super) async fn answer(request: Request<Incoming>, seen: &Seen, peer: SocketAddr) -> Response<Body> {
    if let Err(status) = seen.admits(&request) {
        return plain(status, "this Host is not served here\n");
    }
    if request.uri().path() == faults::PATH {
        return faults::answer(request, seen, peer).await;
    }
    look(&request, seen)
}

/// Answers a request that only looks. Its body, if any, is not read.
fn look<B>(request: &Request<B>, seen: &Seen) -> Response<Body> {
    let path = request.uri().path();
    let known = matches!(path, "/metrics" | "/livez" | "/readyz" | "/health" | "/healthz");
    if !known {
        return plain(StatusCode::NOT_FOUND, "not found; try /health, /livez, /readyz or /metrics\n");
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD only\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/metrics" => {
            let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
            let (format, media_type) = negotiate(accept);
            response(StatusCode::OK, media_type, seen.metrics.encode(format))
        }
        "/livez" if seen.standing.lives() => plain(StatusCode::OK, "ok\n"),
        "/livez" => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "the runtime has shown no sign of life for a while\n")
        }
        "/readyz" => {
            let (sources, phase) = (seen.gateway.sources(), seen.standing.phase());
            let mut missing = seen.standing.missing(&sources);
            // Whoever spreads calls should spare a gateway that refuses new ones.
            if seen.gateway.is_tight() {
                missing.push("the gateway is overloaded: memory is tight".to_owned());
            }
            let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            response(status, JSON, health::ready(phase, &missing, &sources))
        }
        _ => response(StatusCode::OK, JSON, health::summary(seen)),
    }
}

pub(super) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    response(status, TEXT, text.to_owned())
}

pub(super) fn response(status: StatusCode, media_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
