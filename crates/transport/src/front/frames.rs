//! Messages as events, ready to be written.

use bytes::Bytes;
use trunkline_protocol::Message;

use crate::sse;

/// Below this size an event is written as one piece: fewer chunks, fewer writes.
const GATHER_BYTES_MAX: usize = 8 * 1024;

/// Appends a message as an event.
pub(crate) fn encode(head: &sse::Head<'_>, message: &Message, out: &mut impl Extend<Bytes>) {
    if message.len() <= GATHER_BYTES_MAX
        && let Some(event) = sse::small_event(head, message.pieces())
    {
        out.extend([event]);
        return;
    }
    let mut pieces = Vec::with_capacity(4);
    sse::event_pieces(head, message.pieces().iter().cloned(), &mut pieces);
    if pieces.iter().map(Bytes::len).sum::<usize>() <= GATHER_BYTES_MAX {
        out.extend([Bytes::from(pieces.concat())]);
    } else {
        out.extend(pieces);
    }
}

/// An event that says nothing: it gives the reader an id to come back with, and the time to wait before
/// (2025-11-25, Streamable HTTP, sending messages).
pub(crate) fn priming(id: &str, retry_ms: u64) -> Bytes {
    let mut pieces = Vec::with_capacity(2);
    sse::event_pieces(&sse::Head { event: None, id: Some(id), retry: Some(retry_ms) }, [], &mut pieces);
    Bytes::from(pieces.concat())
}
