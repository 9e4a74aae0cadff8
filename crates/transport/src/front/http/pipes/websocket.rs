//! WebSocket: one JSON-RPC message per text frame, subprotocol `mcp`. No revision defines it; this is what clients and
//! servers do (RFC 6455).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, Stream, StreamExt};
use http::header::{CONNECTION, HeaderName, HeaderValue, UPGRADE};
use http::{HeaderMap, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message as Frame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::super::super::host::ViewName;
use super::super::super::pipe::{Outgoing, Pipe};
use super::super::super::said::Said;
use super::super::accept::Connection;
use super::super::body::Body;
use super::super::route::{Handled, refuse};
use super::super::{Front, respond};

/// The subprotocol.
const PROTOCOL: &str = "mcp";
/// The only version of the protocol (RFC 6455, section 4.1).
const VERSION: &str = "13";
/// How often a client is asked for a sign of life.
const PING: Duration = Duration::from_secs(30);
/// A client of which nothing is heard for this long, two pings and a bit, has gone.
const SILENT_MAX: Duration = Duration::from_secs(75);
/// How long the other side may take to finish what it was saying when a connection ends.
const GOODBYE: Duration = Duration::from_secs(2);
/// Buffers of one connection, in bytes. Larger messages take more while they last.
const BUFFER: usize = 8 * 1024;

const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");
const PROTOCOLS: HeaderName = HeaderName::from_static("sec-websocket-protocol");
const VERSIONS: HeaderName = HeaderName::from_static("sec-websocket-version");

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Whether a request wants to become a WebSocket.
pub(crate) fn wanted(headers: &HeaderMap) -> bool {
    tokens(headers, &UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket"))
}

/// The tokens of a list header.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// Makes a WebSocket of a request, and serves its client. `connection` is kept until the client has gone.
pub(crate) fn open(
    front: &Arc<Front>,
    view: ViewName,
    headers: &HeaderMap,
    upgrade: Option<OnUpgrade>,
    connection: Arc<Connection>,
) -> Handled {
    let mut response = agree(headers).map_err(|(status, text)| {
        let mut refused = refuse(front, status, text);
        if status == StatusCode::UPGRADE_REQUIRED {
            refused.headers_mut().insert(VERSIONS, HeaderValue::from_static(VERSION));
        }
        refused
    })?;
    let Some(upgrade) = upgrade else {
        return Err(refuse(front, StatusCode::BAD_REQUEST, "this connection cannot become a WebSocket"));
    };
    let room = super::room(front, connection.peer)?;
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let front = Arc::clone(front);
    // A task per connection, in place of the one that ends with the upgrade.
    tokio::spawn(async move {
        let (patience, largest) = {
            let live = front.live.load();
            (live.options.header_timeout, live.options.body_bytes_max)
        };
        if let Ok(Ok(upgraded)) = timeout(patience, upgrade).await {
            let config = WebSocketConfig::default()
                .read_buffer_size(BUFFER)
                .write_buffer_size(BUFFER)
                .max_message_size(Some(largest))
                .max_frame_size(Some(largest));
            let io = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
            serve(&front, view, connection.peer, socket).await;
        }
        drop((room, connection));
    });
    Ok(response)
}

/// The answer to a proper request (RFC 6455, section 4.2.2).
fn agree(headers: &HeaderMap) -> Result<Response<Body>, (StatusCode, &'static str)> {
    let bad = |text| Err((StatusCode::BAD_REQUEST, text));
    if !tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade")) {
        return bad("a WebSocket needs Connection: Upgrade");
    }
    let mut versions = headers.get_all(&VERSIONS).iter();
    if !matches!((versions.next(), versions.next()), (Some(one), None) if one == VERSION) {
        return Err((StatusCode::UPGRADE_REQUIRED, "the WebSocket version must be 13"));
    }
    let mut keys = headers.get_all(&KEY).iter();
    let key = match (keys.next(), keys.next()) {
        // Sixteen bytes in base64.
        (Some(key), None) if key.len() == 24 && key.as_bytes().ends_with(b"==") => key,
        _ => return bad("Sec-WebSocket-Key must hold 16 bytes"),
    };
    let mut offered = tokens(headers, &PROTOCOLS).peekable();
    let offers = offered.peek().is_some();
    let agreed = offered.any(|protocol| protocol.eq_ignore_ascii_case(PROTOCOL));
    if offers && !agreed {
        return bad("the WebSocket subprotocol served here is mcp");
    }
    let mut response = respond::empty(StatusCode::SWITCHING_PROTOCOLS);
    let fields = response.headers_mut();
    fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(derive_accept_key(key.as_bytes())) {
        fields.insert(ACCEPT, accept);
    }
    if agreed {
        fields.insert(PROTOCOLS, HeaderValue::from_static(PROTOCOL));
    }
    Ok(response)
}

/// How a conversation came to its end.
enum End {
    /// The client said goodbye, or is not there any more.
    Gone,
    /// We end it, and say why.
    Close(CloseCode, &'static str),
    /// The front stops.
    Stopping,
}

async fn serve(front: &Front, view: ViewName, peer: IpAddr, socket: Socket) {
    let over = CancellationToken::new();
    let _ends = over.clone().drop_guard();
    let (pipe, mut outgoing) = super::pipe(front, view, true, peer, over);
    let (mut to, mut from) = socket.split();
    let end = {
        let speaking = speak(&mut to, &mut outgoing);
        tokio::pin!(speaking);
        let patience = front.live.load().options.body_timeout;
        // What the client says meanwhile may be the answer to a question of a call that runs.
        let ending = async {
            front.stop.cancelled().await;
            pipe.finish(front.ending.patience()).await;
        };
        let end = tokio::select! {
            end = hear(&mut from, &pipe, patience) => end,
            _ = &mut speaking => End::Gone,
            () = ending => End::Stopping,
        };
        if let End::Stopping = end {
            // With the pipe the outbox ends, when everything that was left to say is said.
            drop(pipe);
            let _ = timeout(GOODBYE, &mut speaking).await;
        }
        end
    };
    let (code, reason) = match end {
        End::Gone => {
            // Sends the answer to the client's goodbye, if that is still wanted.
            let _ = timeout(GOODBYE, to.close()).await;
            return;
        }
        End::Close(code, reason) => (code, reason),
        End::Stopping => (CloseCode::Away, "the gateway is shutting down"),
    };
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let said = timeout(GOODBYE, to.send(Frame::Close(Some(frame)))).await;
    if let (Ok(Ok(())), Ok(mut socket)) = (said, to.reunite(from)) {
        linger(socket.get_mut()).await;
    }
}

/// Takes what the client says, until it ends or says something that ends it.
async fn hear(
    from: &mut (impl Stream<Item = tungstenite::Result<Frame>> + Unpin),
    pipe: &Arc<Pipe>,
    first: Duration,
) -> End {
    // Who connects has something to say, or takes the place of somebody who has.
    let mut first = Some(Instant::now() + first);
    loop {
        let silent = Instant::now() + SILENT_MAX;
        let limit = first.map_or(silent, |first| first.min(silent));
        let Ok(next) = tokio::time::timeout_at(limit, from.next()).await else {
            return match first {
                Some(_) => End::Close(CloseCode::Policy, "no message came in time"),
                None => End::Gone,
            };
        };
        match next {
            Some(Ok(Frame::Text(text))) => {
                first = None;
                pipe.take(Said::read(Bytes::from(text))).await;
            }
            Some(Ok(Frame::Binary(_))) => {
                return End::Close(CloseCode::Unsupported, "messages are text frames");
            }
            Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => {}
            Some(Err(tungstenite::Error::Capacity(_))) => {
                return End::Close(CloseCode::Size, "the message is larger than allowed");
            }
            Some(Err(tungstenite::Error::Utf8(_))) => {
                return End::Close(CloseCode::Invalid, "a text frame must be UTF-8");
            }
            Some(Err(tungstenite::Error::Protocol(_))) => {
                return End::Close(CloseCode::Protocol, "this is no WebSocket frame");
            }
            None | Some(Ok(Frame::Close(_)) | Err(_)) => return End::Gone,
        }
    }
}

/// Says what is to be said, and asks for a sign of life now and then; until all is said.
async fn speak(to: &mut SplitSink<Socket, Frame>, outgoing: &mut Outgoing) -> Result<(), tungstenite::Error> {
    let mut ping = interval_at(Instant::now() + PING, PING);
    loop {
        tokio::select! {
            message = outgoing.next() => {
                let mut next = message;
                if next.is_none() {
                    return Ok(());
                }
                while let Some(message) = next {
                    // A message that is no text cannot be said at all; nothing that we scanned is one.
                    if let Ok(text) = Utf8Bytes::try_from(message.into_bytes()) {
                        to.feed(Frame::Text(text)).await?;
                    }
                    next = outgoing.try_next();
                }
                to.flush().await?;
            }
            _ = ping.tick() => to.send(Frame::Ping(Bytes::new())).await?,
        }
    }
}

/// Takes and forgets what still comes: a connection that is closed with something unread is reset, and then the client
/// would not learn why.
async fn linger(socket: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let rest = async {
        let _ = socket.shutdown().await;
        let mut scratch = vec![0; BUFFER];
        while socket.read(&mut scratch).await.is_ok_and(|length| length > 0) {}
    };
    let _ = timeout(GOODBYE, rest).await;
}

#[cfg(any(test, fuzzing))]
#[path = "websocket_fuzzing.rs"]
pub(crate) mod fuzzing;

#[cfg(test)]
mod tests {
    use super::super::super::super::pipe::Opening;
    use super::super::super::super::scripted::Scripted;
    use super::*;
    use trunkline_observe::metrics::Metrics;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_gives_no_sign_of_life_is_given_up() {
        let opening = Opening {
            host: Scripted::new(),
            view: None,
            metrics: Arc::new(Metrics::new("test")),
            modern: true,
            peer: None,
            over: CancellationToken::new(),
        };
        let (pipe, mut outgoing) = Pipe::open(opening);
        let limit = Duration::from_secs(30);
        let mut silent = futures_util::stream::pending();
        let began = Instant::now();
        assert!(matches!(hear(&mut silent, &pipe, limit).await, End::Close(CloseCode::Policy, _)));
        assert_eq!(began.elapsed(), limit);
        // One that has spoken may be quiet for longer, if only it lives.
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#;
        let said = [Ok(Frame::text(ping)), Ok(Frame::Pong(Bytes::new()))];
        let mut silent = futures_util::stream::iter(said).chain(futures_util::stream::pending());
        let began = Instant::now();
        assert!(matches!(hear(&mut silent, &pipe, limit).await, End::Gone));
        assert_eq!(began.elapsed(), SILENT_MAX);
        assert!(outgoing.next().await.is_some());
    }

    fn asking(more: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([
            (CONNECTION, HeaderValue::from_static("keep-alive, Upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (VERSIONS, HeaderValue::from_static("13")),
            (KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==")),
        ]);
        for (name, value) in more {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_proper_request_is_agreed_to() {
        let headers = asking(&[(PROTOCOLS, "chat, mcp")]);
        assert!(wanted(&headers));
        let response = agree(&headers).unwrap();
        assert_eq!(response.status(), 101);
        // The example of RFC 6455, section 1.3.
        assert_eq!(response.headers()[ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()[PROTOCOLS], "mcp");
        assert!(!agree(&asking(&[])).unwrap().headers().contains_key(PROTOCOLS), "none was offered");
    }

    #[test]
    fn anything_else_is_refused() {
        let status = |headers: &HeaderMap| agree(headers).err().map(|(status, _)| status.as_u16());
        assert_eq!(status(&asking(&[(PROTOCOLS, "graphql-ws")])), Some(400));
        assert_eq!(status(&asking(&[(VERSIONS, "8")])), Some(426), "two versions");
        assert_eq!(status(&asking(&[(KEY, "dGhlIHNhbXBsZSBub25jZQ==")])), Some(400), "two keys");
        for (missing, expected) in [(CONNECTION, 400), (VERSIONS, 426), (KEY, 400)] {
            let mut headers = asking(&[]);
            headers.remove(&missing);
            assert_eq!(status(&headers), Some(expected), "{missing}");
        }
    }
}
