//! Connections that are one answer behind: what a server says twice must cost one call at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use trunkline_protocol::Message;

use super::arriving::WHOLE_BYTES_MAX;
use super::client::tests::server;
use super::{Exchanged, HttpClient, HttpWire, Outgoing, Wire as _, WireError};

const LIMIT: usize = 1 << 20;

fn answer(id: u64) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
}

fn whole(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn chunked(kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
    )
}

fn events(ids: &[u64]) -> String {
    let all: Vec<String> = ids.iter().map(|id| format!("data: {}\n\n", answer(*id))).collect();
    chunked("text/event-stream", &all.concat())
}

/// A server whose first connection says `second` to its second request, and to the one after that what belongs to the second;
/// all else is answered as it should be. Counts the requests of the first connection, and connections.
struct Confused {
    wire: HttpWire,
    requests: Arc<AtomicUsize>,
    opened: Arc<AtomicUsize>,
}

impl Confused {
    async fn new(second: String) -> Self {
        let requests = Arc::<AtomicUsize>::default();
        let script = (Arc::clone(&requests), Arc::<str>::from(second));
        let (uri, opened) =
            server(move |stream, number| serve(stream, (number == 0).then(|| script.clone()))).await;
        let wire = HttpWire::new(HttpClient::new(), uri, http::HeaderMap::new(), LIMIT);
        Self { wire, requests, opened }
    }

    async fn call(&self, id: u64) -> Result<(), WireError> {
        let message = Message::One(Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#)));
        let out = Outgoing { id, message, headers: Vec::new(), heard: None };
        let called = async {
            match self.wire.pass(out).await? {
                Exchanged::Whole(_) => {}
                Exchanged::Arriving(mut incoming) => {
                    while let Some(piece) = std::future::poll_fn(|cx| incoming.poll_piece(cx)).await {
                        piece?;
                    }
                }
            }
            Ok(())
        };
        tokio::time::timeout(Duration::from_secs(10), called).await.expect("in time")
    }
}

/// How many requests came, and what the second is told.
type Script = (Arc<AtomicUsize>, Arc<str>);

async fn serve(mut stream: TcpStream, script: Option<Script>) {
    let mut behind = false;
    while let Some(id) = request(&mut stream).await {
        let mut said = whole("200 OK", &answer(id));
        if let Some((requests, second)) = &script {
            let number = requests.fetch_add(1, Ordering::SeqCst);
            if behind {
                said = whole("200 OK", &answer(id - 1));
            } else if number == 1 {
                said = second.to_string();
                behind = true;
            }
        }
        if stream.write_all(said.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads a request; gives its number, or 0.
async fn request(stream: &mut TcpStream) -> Option<u64> {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"}") {
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            return None;
        }
        text.push(byte[0]);
    }
    let text = String::from_utf8(text).unwrap();
    let number = text.split_once(r#""id":"#).map_or("0", |(_, rest)| rest.split(',').next().unwrap());
    Some(number.parse().unwrap())
}

#[tokio::test]
async fn a_foreign_answer_costs_its_connection_and_one_call() {
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"no"}}"#;
    let filler = "x".repeat(2 * WHOLE_BYTES_MAX);
    let (first, last) = (
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":"{filler}"}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","result":{{"x":"{filler}"}},"id":1}}"#),
    );
    for (what, second) in [
        ("a whole one", whole("200 OK", &answer(1))),
        ("one in chunks", chunked("application/json", &answer(1))),
        ("one of events", events(&[1])),
        ("an error with a status", whole("400 Bad Request", error)),
        ("a large one, its number first", whole("200 OK", &first)),
        ("a large one, its number last", whole("200 OK", &last)),
        ("a large one in chunks", chunked("application/json", &last)),
    ] {
        let server = Confused::new(second).await;
        server.call(1).await.expect(what);
        let met = server.call(2).await;
        let stream_ended = matches!(met, Err(WireError::Broken(_))) && what == "one of events";
        assert!(matches!(met, Err(WireError::Invalid(_))) || stream_ended, "{what}: {met:?}");
        server.call(3).await.unwrap_or_else(|error| panic!("{what}: the next call met it too: {error}"));
        let counts = (server.requests.load(Ordering::SeqCst), server.opened.load(Ordering::SeqCst));
        assert_eq!(counts, (2, 2), "{what}: requests on the first connection, and connections");
    }
}

#[tokio::test]
async fn a_stream_that_holds_a_foreign_answer_too_is_the_last_on_its_connection() {
    let server = Confused::new(events(&[1, 2])).await;
    for id in 1..=3 {
        server.call(id).await.unwrap();
    }
    assert_eq!((server.requests.load(Ordering::SeqCst), server.opened.load(Ordering::SeqCst)), (2, 2));
}

#[tokio::test]
async fn a_notification_that_meets_an_answer_leaves_no_connection_behind() {
    let own = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    for second in [whole("200 OK", &answer(1)), chunked("application/json", &answer(1)), events(&[1])] {
        let server = Confused::new(second).await;
        server.call(1).await.unwrap();
        server.wire.tell(Message::One(Bytes::from_static(own.as_bytes())), Vec::new()).await.unwrap();
        server.call(3).await.unwrap();
        assert_eq!((server.requests.load(Ordering::SeqCst), server.opened.load(Ordering::SeqCst)), (2, 2));
    }
}

#[tokio::test]
async fn right_answers_of_all_kinds_share_a_connection() {
    let filler = "x".repeat(2 * WHOLE_BYTES_MAX);
    let large = format!(r#"{{"jsonrpc":"2.0","result":{{"x":"{filler}"}},"id":2}}"#);
    for second in [
        whole("200 OK", &answer(2)),
        chunked("application/json", &answer(2)),
        events(&[2]),
        whole("200 OK", &large),
        chunked("application/json", &large),
    ] {
        let server = Confused::new(second).await;
        for id in 1..=2 {
            server.call(id).await.unwrap();
        }
        // The server is the confused one from here on; only the way that the request took counts.
        let _ = server.call(4).await;
        assert_eq!((server.requests.load(Ordering::SeqCst), server.opened.load(Ordering::SeqCst)), (3, 1));
    }
}
