//! Clients of the transports that keep to one connection, on real sockets before a scripted host.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message as Frame, protocol::CloseFrame};
use trunkline_model::Change;

use super::super::super::scripted::{MEMBER, read_until, until};
use super::super::Options;
use super::super::tests::{LAST_CHUNK, META, Running, call, start, start_with};

fn initialize(revision: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{{}},"clientInfo":{{"name":"t","version":"0"}}}}}}"#
    )
}

fn modern_call(id: u32, tool: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{{META},"name":"{tool}"}}}}"#)
}

fn cancelled(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#)
}

fn get(address: SocketAddr, path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n{more}\r\n")
}

/// A client of HTTP+SSE.
struct Old {
    stream: TcpStream,
    address: SocketAddr,
    /// Where to POST.
    to: String,
}

impl Old {
    async fn open(front: &Running, path: &str) -> Self {
        let mut stream = front.send(&get(front.address, path, "")).await;
        let head = read_until(&mut stream, "\n\n").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let (_, event) =
            head.split_once("event: endpoint\ndata: ").expect("the first event says where to POST");
        Self { stream, address: front.address, to: event.trim().to_owned() }
    }

    async fn initialized(front: &Running, path: &str, revision: &str) -> Self {
        let mut client = Self::open(front, path).await;
        assert_eq!(client.say(front, &initialize(revision)).await, 202);
        client.hears("serverInfo").await;
        client
    }

    /// POSTs a message; the status of the answer.
    async fn say(&self, front: &Running, body: &str) -> u16 {
        self.say_with(front, "", body).await
    }

    async fn say_with(&self, front: &Running, more: &str, body: &str) -> u16 {
        let (to, address, length) = (&self.to, self.address, body.len());
        let request = format!(
            "POST {to} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        );
        let head = read_until(&mut front.send(&request).await, "\r\n").await;
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    async fn hears(&mut self, needle: &str) -> String {
        read_until(&mut self.stream, needle).await
    }
}

#[tokio::test]
async fn a_client_of_the_oldest_revision_speaks_in_posts_and_hears_on_its_stream() {
    let front = start().await;
    for path in ["/mcp", "/sse"] {
        let mut client = Old::initialized(&front, path, "2024-11-05").await;
        assert!(client.to.starts_with(&format!("{path}?sessionId=")), "{}", client.to);
        assert_eq!(client.say(&front, &call(1, "notes")).await, 202);
        let heard = client.hears(r#""id":1,"result""#).await;
        let place = |what: &str| heard.find(what).unwrap_or(usize::MAX);
        assert!(place("\"progress\":1") < place("\"progress\":2"), "{heard}");
        assert!(place("\"progress\":2") < place("\"result\""), "{heard}");
        assert!(heard.contains("event: message\n"), "{heard}");
        front.host.tools_changed();
        client.hears("notifications/tools/list_changed").await;
        let body = r#"{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"a:b"}}"#;
        client.say(&front, body).await;
        client.hears(r#""id":2,"result""#).await;
        let change = Change::ResourceUpdated { server: MEMBER.into(), uri: "a:b".into(), to: None };
        front.host.events.send(change).unwrap();
        client.hears("notifications/resources/updated").await;
    }
}

#[tokio::test]
async fn nobody_hears_what_was_said_to_another() {
    let front = start().await;
    let mut one = Old::initialized(&front, "/mcp", "2024-11-05").await;
    let mut other = Old::initialized(&front, "/mcp", "2024-11-05").await;
    assert_ne!(one.to, other.to);
    one.say(&front, &call(1, "quick")).await;
    one.hears(r#""id":1,"result""#).await;
    other.say(&front, &call(2, "quick")).await;
    let heard = other.hears(r#""id":2,"result""#).await;
    assert!(!heard.contains(r#""id":1"#), "{heard}");
}

#[tokio::test]
async fn a_client_is_over_with_its_stream() {
    let front = start().await;
    let client = Old::initialized(&front, "/mcp", "2024-11-05").await;
    client.say(&front, &call(1, "wait")).await;
    until(&front.host.begun, 1).await;
    let Old { stream, address, to } = client;
    drop(stream);
    // At once, and not only when the front has waited for the call.
    let given_up = until(&front.host.given_up, 1);
    tokio::time::timeout(super::super::GRACE / 2, given_up).await.expect("the call ends with its client");
    let again = Old { stream: TcpStream::connect(address).await.unwrap(), address, to };
    assert_eq!(again.say(&front, &call(2, "quick")).await, 404);
}

#[tokio::test]
async fn a_call_is_cancelled_and_only_initialize_begins() {
    let front = start().await;
    let mut client = Old::open(&front, "/sse").await;
    client.say(&front, &call(1, "quick")).await;
    client.hears("start with initialize").await;
    client.say(&front, &modern_call(2, "quick")).await;
    client.hears("needs Streamable HTTP").await;
    client.say(&front, &initialize("2025-11-25")).await;
    client.hears("serverInfo").await;
    client.say(&front, &call(3, "wait")).await;
    until(&front.host.begun, 1).await;
    client.say(&front, &cancelled(3)).await;
    until(&front.host.given_up, 1).await;
    assert_eq!(front.host.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn batches_are_answered_as_arrays_in_sessions_that_have_them() {
    let front = start().await;
    let body = format!(r#"[{},{{"jsonrpc":"2.0","id":2,"method":"ping"}}]"#, call(1, "quick"));
    let array = r#"[{"jsonrpc":"2.0","id":1,"result":{"content":[]}},{"jsonrpc":"2.0","id":2,"result":{}}]"#;
    for (revision, expected) in
        [("2024-11-05", array), ("2025-03-26", array), ("2025-06-18", "this revision has no batches")]
    {
        let mut old = Old::initialized(&front, "/mcp", revision).await;
        assert_eq!(old.say(&front, &body).await, 202);
        old.hears(expected).await;
        let mut socket = Socket::open(&front, "mcp").await;
        socket.say(&initialize(revision)).await;
        socket.hears("serverInfo").await;
        socket.say(&body).await;
        let heard = socket.hears(expected).await;
        assert!(expected != array || heard == array, "{heard}");
    }
}

#[tokio::test]
async fn posts_of_an_old_client_are_guarded_like_all_others() {
    let front = start_with(Options { body_bytes_max: 1000, ..Options::default() }).await;
    let client = Old::open(&front, "/mcp").await;
    let hello = initialize("2024-11-05");
    assert_eq!(client.say_with(&front, "Origin: https://evil.example\r\n", &hello).await, 403);
    assert_eq!(client.say_with(&front, "Content-Encoding: gzip\r\n", &hello).await, 415);
    assert_eq!(client.say(&front, &"x".repeat(1001)).await, 413);
    assert_eq!(client.say(&front, "{").await, 400);
    let Old { stream, address, to } = client;
    for to in [to.replace("/mcp", "/sse/other"), format!("{to}0"), "/mcp?sessionId=".to_owned()] {
        let stranger = Old { stream: TcpStream::connect(address).await.unwrap(), address, to };
        assert_eq!(stranger.say(&front, &hello).await, 404, "{}", stranger.to);
    }
    drop(stream);
    let foreign = get(front.address, "/mcp", "Origin: https://evil.example\r\n");
    read_until(&mut front.send(&foreign).await, "HTTP/1.1 403").await;
}

#[tokio::test]
async fn only_a_client_that_asks_for_events_by_name_is_an_old_one() {
    let front = start().await;
    for (accept, expected) in [("*/*", 405), ("text/html", 405), ("text/event-stream;q=0.9", 200)] {
        let request = format!("GET /mcp HTTP/1.1\r\nHost: {}\r\nAccept: {accept}\r\n\r\n", front.address);
        read_until(&mut front.send(&request).await, &format!("HTTP/1.1 {expected}")).await;
    }
    let modern = get(front.address, "/mcp", "MCP-Protocol-Version: 2026-07-28\r\n");
    read_until(&mut front.send(&modern).await, "HTTP/1.1 405").await;
    let post = format!("POST /sse HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", front.address);
    read_until(&mut front.send(&post).await, "HTTP/1.1 405").await;
}

#[tokio::test]
async fn streams_and_sessions_are_bounded() {
    for options in
        [Options { streams_max: 1, ..Options::default() }, Options { sessions_max: 1, ..Options::default() }]
    {
        let front = start_with(options).await;
        let first = Old::open(&front, "/mcp").await;
        read_until(&mut front.send(&get(front.address, "/mcp", "")).await, "HTTP/1.1 503").await;
        assert!(Socket::try_open(&front, "mcp", None).await.is_err());
        drop(first);
        // The place is free again as soon as the front has noticed.
        while !read_until(&mut front.send(&get(front.address, "/mcp", "")).await, "\r\n")
            .await
            .contains("200")
        {}
    }
}

#[tokio::test]
async fn what_runs_when_the_front_stops_is_answered_before_the_end() {
    let front = start().await;
    let mut old = Old::initialized(&front, "/mcp", "2024-11-05").await;
    let mut socket = Socket::open(&front, "mcp").await;
    old.say(&front, &call(1, "wait")).await;
    socket.say(&modern_call(2, "wait")).await;
    until(&front.host.begun, 2).await;
    front.stop.cancel();
    front.host.release();
    old.hears(r#""id":1,"result""#).await;
    old.hears(LAST_CHUNK).await;
    socket.hears(r#""id":2,"result""#).await;
    assert_eq!(socket.closed().await, 1001);
}

/// A client of WebSocket.
struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn try_open(
        front: &Running,
        protocol: &str,
        origin: Option<&str>,
    ) -> Result<Self, tungstenite::Error> {
        let stream = TcpStream::connect(front.address).await.unwrap();
        let mut request = format!("ws://{}/mcp", front.address).into_client_request().unwrap();
        if !protocol.is_empty() {
            request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| Self(socket))
    }

    async fn open(front: &Running, protocol: &str) -> Self {
        Self::try_open(front, protocol, None).await.unwrap()
    }

    async fn say(&mut self, text: &str) {
        self.0.send(Frame::text(text)).await.unwrap();
    }

    /// Reads messages up to one with `needle` in it: that one.
    async fn hears(&mut self, needle: &str) -> String {
        let reading = async {
            loop {
                let frame = self.0.next().await.expect("the connection lasts").unwrap();
                if let Frame::Text(text) = frame
                    && text.contains(needle)
                {
                    return text.to_string();
                }
            }
        };
        let heard = tokio::time::timeout(std::time::Duration::from_secs(10), reading).await;
        heard.unwrap_or_else(|_| panic!("waited for {needle:?}"))
    }

    /// Reads to the end: the code that the front closed with.
    async fn closed(&mut self) -> u16 {
        let mut code = 0;
        while let Some(Ok(frame)) = self.0.next().await {
            if let Frame::Close(Some(CloseFrame { code: said, .. })) = frame {
                code = said.into();
            }
        }
        code
    }
}

fn status(opened: Result<Socket, tungstenite::Error>) -> u16 {
    match opened {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => 101,
    }
}

#[tokio::test]
async fn a_socket_serves_either_era() {
    let front = start().await;
    let mut modern = Socket::open(&front, "mcp").await;
    modern.say(&modern_call(1, "notes")).await;
    modern.hears("\"progress\":1").await;
    modern.hears(r#""id":1,"result""#).await;
    let listen = format!(
        r#"{{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":{{{META},"notifications":{{"toolsListChanged":true}}}}}}"#
    );
    modern.say(&listen).await;
    modern.hears("notifications/subscriptions/acknowledged").await;
    let mut legacy = Socket::open(&front, "").await;
    legacy.say(&initialize("2025-11-25")).await;
    legacy.hears("serverInfo").await;
    legacy.say(&call(1, "quick")).await;
    legacy.hears(r#""id":1,"result""#).await;
    front.host.tools_changed();
    legacy.hears("notifications/tools/list_changed").await;
    modern.hears("notifications/tools/list_changed").await;
    legacy.say("{").await;
    legacy.hears("-32700").await;
}

#[tokio::test]
async fn a_call_ends_with_its_socket_or_when_it_is_taken_back() {
    let front = start().await;
    let mut socket = Socket::open(&front, "mcp").await;
    socket.say(&initialize("2025-11-25")).await;
    socket.say(&call(1, "wait")).await;
    until(&front.host.begun, 1).await;
    socket.say(&cancelled(1)).await;
    until(&front.host.given_up, 1).await;
    socket.say(&call(2, "wait")).await;
    until(&front.host.begun, 2).await;
    drop(socket);
    until(&front.host.given_up, 2).await;
}

#[tokio::test]
async fn who_may_not_come_is_refused_before_the_upgrade() {
    let front = start().await;
    let open = async |protocol, origin| status(Socket::try_open(&front, protocol, origin).await);
    assert_eq!(open("mcp", Some("https://evil.example")).await, 403);
    assert_eq!(open("mcp", Some("null")).await, 403);
    assert_eq!(open("graphql-ws", None).await, 400);
    assert_eq!(open("chat, mcp", Some("http://localhost:3000")).await, 101);
}

#[tokio::test]
async fn what_is_no_message_ends_the_socket_with_a_reason() {
    let front = start_with(Options { body_bytes_max: 1000, ..Options::default() }).await;
    for (frame, expected) in [
        (Frame::binary(initialize("2025-11-25").into_bytes()), 1003),
        (Frame::text("x".repeat(1001)), 1009),
        (Frame::text("x".repeat(1 << 20)), 1009),
    ] {
        let mut socket = Socket::open(&front, "mcp").await;
        let _ = socket.0.send(frame).await;
        assert_eq!(socket.closed().await, expected);
    }
    let mut socket = Socket::open(&front, "mcp").await;
    socket.0.send(Frame::Ping("there?".into())).await.unwrap();
    assert_eq!(socket.0.next().await.unwrap().unwrap(), Frame::Pong("there?".into()));
}
