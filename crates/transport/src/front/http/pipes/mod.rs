//! Clients that are spoken to over one connection for as long as they are there: HTTP+SSE (2024-11-05) and WebSocket.
//! They live and die with their connection; there is nothing to come back to.

pub(super) mod sse;
#[cfg(test)]
mod tests;
pub(super) mod websocket;

use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;
use tokio_util::sync::CancellationToken;
use trunkline_model::Era;

use super::super::host::ViewName;
use super::super::pipe::{Opening, Outgoing, Pipe};
use super::route::{Refusal, refuse};
use super::sessions::Place;
use super::{Front, StreamRoom, leaving};

/// What a client of this kind takes up while it is there: a stream, and a session whether it began one or not.
type Room = (StreamRoom, Place);

/// Room for one more client.
fn room(front: &Front, peer: IpAddr) -> Result<Room, Refusal> {
    let full = |text| refuse(front, StatusCode::SERVICE_UNAVAILABLE, text);
    if front.ending.refuses() {
        return Err(leaving::refusal(front, None, Era::Legacy));
    }
    let stream = front.stream_room(peer);
    let stream = stream.ok_or_else(|| full("too many streams are open; try again later"))?;
    let place =
        front.sessions.reserve().ok_or_else(|| full("too many sessions are in use; try again later"))?;
    Ok((stream, place))
}

/// The pipe of a client whose connection `over` ends.
fn pipe(
    front: &Front,
    view: ViewName,
    modern: bool,
    peer: IpAddr,
    over: CancellationToken,
) -> (Arc<Pipe>, Outgoing) {
    let (host, metrics) = (Arc::clone(&front.host), Arc::clone(&front.metrics));
    Pipe::open(Opening { host, view, metrics, modern, peer: Some(peer), over })
}
