//! WebSocket towards a server: one socket for all callers, one JSON-RPC message per text frame. No revision of MCP
//! describes it; this is what the SDKs and bridges that offer it do (subprotocol `mcp`).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY};
use http::header::{SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use trunkline_protocol::Message;
use trunkline_runtime::boxed;

use super::http::refusal;
use super::pending::Pending;
use super::socket::{self, Queued};
use super::{Answered, BoxFuture, Headers, Heard, HttpWire, Outgoing, Wire, WireError};

/// What both sides must have meant.
const SUBPROTOCOL: &str = "mcp";
/// Most messages waiting to be written, as on a pipe.
const QUEUE_MESSAGES_MAX: usize = 1024;
/// Most bytes waiting to be written. One larger message is admitted only when nothing else waits.
const QUEUE_BYTES_MAX: u32 = 32 << 20;
/// Room for reading that every socket has from its start; longer messages make more.
const READ_BYTES: usize = 16 << 10;

/// One open socket.
#[derive(Clone)]
pub struct WebSocketWire {
    inner: Arc<Inner>,
}

struct Inner {
    /// Its end tells the task to say goodbye.
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    pending: Arc<Pending>,
}

impl WebSocketWire {
    /// Opens a socket at the address of `at` (which has the scheme `http` or `https`), with its configured headers.
    /// `stray` hears whatever belongs to no request of ours. The task that reads and writes ends with the socket.
    pub async fn open(at: &HttpWire, stray: Arc<dyn Heard>) -> Result<Self, WireError> {
        let key = generate_key();
        let response = at.get(handshake(&key), "*/*").await?;
        if response.head.status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(if response.head.is_success() {
                WireError::Invalid("what it answered is no WebSocket".to_owned())
            } else {
                refusal(response, None).await
            });
        }
        check(&response.head.headers, &key).map_err(|why| WireError::Invalid(why.to_owned()))?;
        let upgraded = response.body.upgraded();
        let upgraded = upgraded.ok_or_else(|| WireError::Broken("the connection is gone".to_owned()))?;
        let limit = at.message_bytes_max();
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let stream = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;

        let (queue, queued) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let (room, pending) =
            (Arc::new(Semaphore::new(QUEUE_BYTES_MAX as usize)), Arc::new(Pending::default()));
        tokio::spawn(socket::serve(stream, queued, Arc::clone(&room), Arc::clone(&pending), stray));
        Ok(Self { inner: Arc::new(Inner { queue, room, pending }) })
    }
}

/// The headers of the opening handshake (RFC 6455, section 4.1).
fn handshake(key: &str) -> Headers {
    let mut out = vec![
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL)),
    ];
    // Base64 always fits in a header.
    out.extend(HeaderValue::try_from(key).ok().map(|key| (SEC_WEBSOCKET_KEY, key)));
    out
}

/// What the client must verify (RFC 6455, section 4.1, second list). A server that names no subprotocol is taken: some
/// know none, and what is spoken shows in the first answer.
fn check(headers: &HeaderMap, key: &str) -> Result<(), &'static str> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let listed = |name, word: &str| {
        text(name).is_some_and(|list| list.split(',').any(|one| one.trim().eq_ignore_ascii_case(word)))
    };
    if !listed(UPGRADE, "websocket") || !listed(CONNECTION, "upgrade") {
        return Err("it switched to something that is no WebSocket");
    }
    if text(SEC_WEBSOCKET_ACCEPT).map(str::trim) != Some(derive_accept_key(key.as_bytes()).as_str()) {
        return Err("its WebSocket handshake does not belong to ours");
    }
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err("it uses a WebSocket extension that was not offered");
    }
    if text(SEC_WEBSOCKET_PROTOCOL).is_some_and(|named| named.trim() != SUBPROTOCOL) {
        return Err("it speaks another WebSocket subprotocol than `mcp`");
    }
    Ok(())
}

impl Inner {
    fn ended(&self) -> WireError {
        WireError::NotSent(self.pending.why_over())
    }

    /// Queues a message, waiting for room. `Ok` means queued, not yet written.
    async fn send(&self, message: Message) -> Result<(), WireError> {
        let (text, need) = frame(message)?;
        let room = Arc::clone(&self.room).acquire_many_owned(need).await.map_err(|_| self.ended())?;
        self.queue.send(Queued { text, room }).await.map_err(|_| self.ended())
    }

    /// Queues a message if there is room now.
    fn send_now(&self, message: Message) -> Result<(), WireError> {
        let (text, need) = frame(message)?;
        let full = |_| WireError::NotSent("the server is not keeping up: its queue is full".to_owned());
        let room = Arc::clone(&self.room).try_acquire_many_owned(need).map_err(full)?;
        self.queue.try_send(Queued { text, room }).map_err(|_| self.ended())
    }
}

/// The text of a frame, and the room it takes. Masking rewrites every byte on its way out, so that one copy more of a
/// message in pieces is no great loss.
fn frame(message: Message) -> Result<(Utf8Bytes, u32), WireError> {
    let whole: Bytes = match message {
        Message::One(whole) => whole,
        Message::Three(pieces) => {
            let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
            for piece in &pieces {
                whole.extend_from_slice(piece);
            }
            whole.freeze()
        }
    };
    let need = u32::try_from(whole.len()).unwrap_or(u32::MAX).min(QUEUE_BYTES_MAX);
    let text = Utf8Bytes::try_from(whole);
    text.map(|text| (text, need)).map_err(|_| WireError::Invalid("the message is not UTF-8".to_owned()))
}

impl Wire for WebSocketWire {
    fn exchange(&self, out: Outgoing) -> BoxFuture<'_, Result<Answered, WireError>> {
        boxed(|| async move {
            let mut expected = self.inner.pending.expect(out.id, out.heard)?;
            self.inner.send(out.message).await?;
            expected.answer().await
        })
    }

    fn tell(&self, message: Message, _headers: Headers) -> BoxFuture<'_, Result<(), WireError>> {
        Box::pin(self.inner.send(message))
    }

    fn tell_soon(&self, message: Message, _headers: Headers) {
        if let Err(error) = self.inner.send_now(message) {
            tracing::debug!(%error, "a notification was not taken");
        }
    }

    fn ended(&self) -> BoxFuture<'_, String> {
        Box::pin(self.inner.pending.ended())
    }

    fn heard(&self) -> Option<u64> {
        Some(self.inner.pending.heard())
    }

    fn close(&self, why: &str) {
        self.inner.pending.close(why);
    }

    fn drop_tells(&self) -> bool {
        false
    }
}

#[cfg(test)]
#[path = "websocket_tests.rs"]
mod hostile;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn accepted(changes: &[(&'static str, &'static str)]) -> Result<(), &'static str> {
        // The example of RFC 6455, section 1.3.
        let mut headers = HeaderMap::new();
        let good = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("sec-websocket-protocol", "mcp"),
        ];
        for (name, value) in good.iter().chain(changes) {
            if value.is_empty() {
                headers.remove(*name);
            } else {
                headers.insert(*name, HeaderValue::from_static(value));
            }
        }
        check(&headers, KEY)
    }

    #[test]
    fn only_an_answer_to_our_own_handshake_is_taken() {
        assert_eq!(accepted(&[]), Ok(()));
        assert_eq!(accepted(&[("sec-websocket-protocol", "")]), Ok(()));
        for bad in [
            ("upgrade", "h2c"),
            ("upgrade", ""),
            ("connection", "close"),
            ("sec-websocket-accept", ""),
            ("sec-websocket-accept", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("sec-websocket-protocol", "chat"),
        ] {
            assert!(accepted(&[bad]).is_err(), "{bad:?}");
        }
    }
}
