//! Building responses.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use trunkline_protocol::{Message, bridge, compose};

use super::super::answer::Answer;
use super::body::Body;
use crate::pieces::Pieces;

/// A JSON answer; what of it still arrives is sent as it comes.
pub(crate) fn answer(answer: Answer) -> Response<Body> {
    let Answer { message, status, rest } = answer;
    let mut response = json(StatusCode::from_u16(status).unwrap_or(StatusCode::OK), message);
    if let Some(rest) = rest {
        response.body_mut().goes_on(rest.arriving);
    }
    response
}

/// A JSON message with a status.
pub(crate) fn json(status: StatusCode, message: Message) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Pieces::from(Some(message))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Nothing but a status.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Pieces::from(None)));
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
