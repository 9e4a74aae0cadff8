//! Setting faults for a while: for `trunkline chaos`, from this machine, and only where the operator allows it.

use std::net::SocketAddr;

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, ORIGIN};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use trunkline_config::{Format, Source, lease};

use super::Seen;
use super::answer::{Body, JSON, plain, response};

/// Largest document that is read, in bytes.
const BYTES_MAX: usize = 64 << 10;

/// The path.
pub(super) const PATH: &str = "/faults";

/// Answers a request to [`PATH`]. The caller has checked `Host`.
pub(super) async fn answer(request: Request<Incoming>, seen: &Seen, peer: SocketAddr) -> Response<Body> {
    let faults = seen.gateway.faults();
    // Looks like any other unknown path where nobody may use it.
    if !faults.is_controllable() {
        return plain(
            StatusCode::NOT_FOUND,
            "faults cannot be set here; `faults.control: true` in the configuration allows it\n",
        );
    }
    if !peer.ip().to_canonical().is_loopback() {
        return plain(StatusCode::FORBIDDEN, "faults can be set from this machine only\n");
    }
    // Browsers name the page that asks; none has any business here.
    if request.headers().contains_key(ORIGIN) {
        return plain(StatusCode::FORBIDDEN, "not for browsers\n");
    }
    match *request.method() {
        Method::GET => {}
        Method::DELETE => faults.lease(Vec::new(), std::time::Duration::ZERO),
        Method::PUT => {
            if let Err(refused) = put(request, seen).await {
                return *refused;
            }
        }
        _ => {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "GET, PUT or DELETE only\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, PUT, DELETE"));
            return refused;
        }
    }
    let report = report(seen).unwrap_or_else(|| json!({ "configured": 0, "leased": 0 }));
    response(StatusCode::OK, JSON, format!("{report}\n"))
}

async fn put(request: Request<Incoming>, seen: &Seen) -> Result<(), Box<Response<Body>>> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with(JSON) {
        return Err(Box::new(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json\n")));
    }
    let Ok(body) = Limited::new(request.into_body(), BYTES_MAX).collect().await else {
        return Err(Box::new(plain(StatusCode::PAYLOAD_TOO_LARGE, "at most 64 KiB\n")));
    };
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let source = Source { format: Some(Format::Json), ..Source::new("the request", text) };
    let taken = lease(&source).map_err(|problems| {
        let text = format!("{}\n", json!({ "problems": problems.to_json() }));
        Box::new(response(StatusCode::BAD_REQUEST, JSON, text))
    })?;
    let (rules, lease_s) = (taken.rules.len(), taken.lease.as_secs());
    let before = seen.gateway.faults().report().map_or(0, |report| report.leased);
    seen.gateway.faults().lease(taken.rules, taken.lease);
    // Renewals come every few seconds; what matters is when it begins and ends.
    if rules != before {
        tracing::warn!(rules, lease_s, "faults were set for a while through the admin listener");
    }
    Ok(())
}

/// What goes wrong on purpose, as JSON; `None` when nothing does.
pub(super) fn report(seen: &Seen) -> Option<Value> {
    let report = seen.gateway.faults().report()?;
    Some(json!({
        "warning": "faults are injected on purpose: calls will fail",
        "configured": report.configured,
        "leased": report.leased,
        "leaseLeftMs": report.lease_left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
    }))
}
