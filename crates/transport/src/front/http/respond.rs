//! Building responses.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use trunkline_protocol::{Message, bridge, compose};

use super::super::answer::{Answer, Later};
use super::body::Body;
use crate::pieces::Pieces;

/// A JSON answer; what of it still arrives is sent as it comes.
pub(crate) fn answer(answer: Answer) -> Response<Body> {
    let Answer { message, status, rest, later } = answer;
    let mut response = json(StatusCode::from_u16(status).unwrap_or(StatusCode::OK), message);
    if let Some(rest) = rest {
        response.body_mut().goes_on(rest.arriving);
    }
    if let Some(later) = &later {
        come_later(response.headers_mut(), later);
    }
    response
}

/// Says when to come again, and which limit it was: `Retry-After` (RFC 9110, 10.2.3), `RateLimit` and
/// `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).
fn come_later(headers: &mut HeaderMap, later: &Later) {
    let seconds = |wait: Duration| wait.as_millis().div_ceil(1000).max(1);
    let mut say = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    if let Some(after) = later.after {
        say(RETRY_AFTER, seconds(after).to_string());
    }
    if let Some(quota) = &later.quota {
        // A structured string (RFC 9651, 3.3.3) has printable ASCII, and two characters that need an escape.
        let plain = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        let name: String = quota.name.chars().filter(plain).collect();
        let (size, window) = (quota.size, quota.window.as_secs().max(1));
        say(HeaderName::from_static("ratelimit-policy"), format!("\"{name}\";q={size};w={window}"));
        let (left, reset) = (quota.left, seconds(quota.reset));
        say(HeaderName::from_static("ratelimit"), format!("\"{name}\";r={left};t={reset}"));
    }
}

/// A JSON message with a status.
pub(crate) fn json(status: StatusCode, message: Message) -> Response<Body> {
    let mut response = Response::new(Body::Whole(message.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Nothing but a status.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Pieces::default()));
    *response.status_mut() = status;
    response
}

/// A refusal on the HTTP level, as a JSON-RPC error without an id.
pub(crate) fn plain_error(status: StatusCode, text: &str) -> Response<Body> {
    json(status, compose::error(None, &compose::error_object(bridge::INVALID_REQUEST, text, None)))
}

/// An event stream.
pub(crate) fn events(stream: Pin<Box<dyn Stream<Item = Bytes> + Send>>) -> Response<Body> {
    let mut response = Response::new(Body::Events(stream));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // Proxies in between must not gather events (2026-07-28, Streamable HTTP, receiving messages).
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
