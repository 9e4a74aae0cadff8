//! The wires towards servers.
//!
//! A [`Wire`] carries one message out and brings the answer that belongs to it back. It knows framing, connections and
//! processes; it knows nothing of eras, sessions or names. Whoever uses it numbers the requests, so that answers can
//! never be taken for somebody else's.

mod arriving;
#[cfg(test)]
mod arriving_tests;
#[cfg(test)]
mod behind_tests;
mod client;
mod events;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http;
mod http_sse;
mod pending;
mod resume;
mod socket;
mod stdio;
#[cfg(test)]
mod tests;
mod websocket;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use trunkline_protocol::{Message, Scanned};

pub use arriving::{Exchanged, Incoming};
pub use client::{Dial, HttpClient, Link};
pub use events::Position;
pub use http::HttpWire;
pub use http_sse::HttpSseWire;
pub use stdio::StdioWire;
pub use websocket::WebSocketWire;

/// A future at the seam.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Extra headers of one message; empty on wires without headers.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

/// A request on its way out.
#[derive(Clone)]
pub struct Outgoing {
    /// The number we gave it; also its progress token.
    pub id: u64,
    /// The message.
    pub message: Message,
    /// Headers for wires that have them.
    pub headers: Headers,
    /// Hears what else the server says about this request; `None` drops it.
    pub heard: Option<Arc<dyn Heard>>,
}

/// Takes notifications and requests that a server sends.
pub trait Heard: Send + Sync {
    /// Takes one message. Must not block.
    fn hear(&self, message: Scanned);
}

/// An answer: the message, and what the wire knows besides.
#[derive(Debug)]
pub struct Answered {
    /// The JSON-RPC answer.
    pub message: Scanned,
    /// The session that the server opened with this answer (HTTP).
    pub session: Option<HeaderValue>,
}

/// Why a message had no answer.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The message was never sent: nothing can have happened.
    #[error("could not reach the server: {0}")]
    NotSent(String),
    /// The message was sent, and then the connection or process ended.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The server refused on the HTTP level.
    #[error("the server answered HTTP {}", .0.status)]
    Refused(Box<Refusal>),
    /// What came back is not an answer.
    #[error("invalid answer: {0}")]
    Invalid(String),
    /// What came back is larger than allowed.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// An HTTP status that is not a success, with what else is worth knowing.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The response headers.
    pub headers: HeaderMap,
    /// The body, cut at 64 KiB.
    pub body: Bytes,
    /// The body as a JSON-RPC answer, if it is one.
    pub message: Option<Scanned>,
}

/// One way to one server.
pub trait Wire: Send + Sync {
    /// Sends a request and waits for its answer. Dropping the future gives the request up; on HTTP that closes its
    /// exchange.
    fn exchange(&self, out: Outgoing) -> BoxFuture<'_, Result<Answered, WireError>>;

    /// Sends a message that has no answer, and waits until it was taken.
    fn tell(&self, message: Message, headers: Headers) -> BoxFuture<'_, Result<(), WireError>>;

    /// Sends a message that has no answer without waiting; it may be lost.
    fn tell_soon(&self, message: Message, headers: Headers);

    /// Resolves when the wire itself has ended and will not come back (a child that exited). Pending for ever on wires
    /// without a connection of their own.
    fn ended(&self) -> BoxFuture<'_, String>;

    /// How many messages have come so far, on wires with a connection of their own; it only rises.
    fn heard(&self) -> Option<u64> {
        None
    }

    /// Fails everything that waits: whoever answered is known to be gone. Nothing to do on wires that notice by
    /// themselves.
    fn close(&self, _why: &str) {}

    /// Whether dropping an exchange tells the server (one exchange, one HTTP request).
    fn drop_tells(&self) -> bool;
}
