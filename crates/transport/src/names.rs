//! The protocol's header names, made once: a name that is no standard header is looked up each time it is made.

use http::HeaderName;
use trunkline_protocol::headers;

/// The revision of a message.
pub static PROTOCOL_VERSION: HeaderName = HeaderName::from_static(headers::PROTOCOL_VERSION);
/// The method of a request.
pub static METHOD: HeaderName = HeaderName::from_static(headers::METHOD);
/// What a request is about.
pub static NAME: HeaderName = HeaderName::from_static(headers::NAME);
/// The session of a legacy client.
pub static SESSION: HeaderName = HeaderName::from_static(headers::SESSION);
/// The last event that was read of a stream.
pub static LAST_EVENT_ID: HeaderName = HeaderName::from_static(headers::LAST_EVENT_ID);
/// Where in which trace a request is (W3C Trace Context).
pub static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
