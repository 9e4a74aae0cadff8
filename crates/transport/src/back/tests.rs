//! The HTTP wire against scripted servers on real sockets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use trunkline_protocol::{Message, Scanned};

use super::{Answered, Heard, HttpClient, HttpWire, Outgoing, Position, Wire, WireError};

/// Answers one request with these writes, one after the other, then closes.
pub(super) async fn writing(writes: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let mut have = 0;
        while !request[..have].ends_with(b"}") {
            let read = stream.read(&mut request[have..]).await.unwrap();
            if read == 0 {
                return;
            }
            have += read;
        }
        for write in writes {
            // The other side may have heard enough.
            if stream.write_all(&write).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    uri
}

async fn server(answer: &'static str) -> String {
    writing(vec![answer.into()]).await
}

fn json(status: &str, body: &str) -> &'static str {
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    Box::leak(text.into_boxed_str())
}

fn events(body: &str) -> &'static str {
    let text =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}");
    Box::leak(text.into_boxed_str())
}

async fn exchange(uri: String, heard: Option<Arc<dyn Heard>>) -> Result<Answered, WireError> {
    let wire = HttpWire::new(HttpClient::new(), uri.parse().unwrap(), http::HeaderMap::new(), 1024);
    let message = Message::One(Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"x\"}"));
    let asked = wire.exchange(Outgoing { id: 7, message, headers: Vec::new(), heard });
    tokio::time::timeout(Duration::from_secs(10), asked).await.unwrap()
}

#[derive(Default)]
struct Ears(Mutex<Vec<String>>);

impl Heard for Ears {
    fn hear(&self, message: Scanned) {
        self.0.lock().unwrap().push(message.method().to_string());
    }
}

#[tokio::test]
async fn a_plain_answer_is_taken_when_its_number_fits() {
    let answered =
        exchange(server(json("200 OK", r#"{"jsonrpc":"2.0","id":7,"result":{"a":1.10}}"#)).await, None)
            .await
            .unwrap();
    assert_eq!(answered.message.at(answered.message.result.as_ref().unwrap()), br#"{"a":1.10}"#);
}

#[tokio::test]
async fn an_answer_to_another_request_is_refused() {
    for body in [
        r#"{"jsonrpc":"2.0","id":8,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"7","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"x"}"#,
        "<html>",
    ] {
        let got = exchange(server(json("200 OK", body)).await, None).await;
        assert!(matches!(got, Err(WireError::Invalid(_))), "{body}: {got:?}");
    }
}

#[tokio::test]
async fn an_error_without_a_number_belongs_to_its_exchange() {
    for id in ["null", "\"server-error\""] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-1,"message":"m"}}}}"#);
        let answered = exchange(server(json("200 OK", &body)).await, None).await.unwrap();
        assert!(answered.message.error.is_some());
    }
}

#[tokio::test]
async fn what_comes_before_the_answer_on_a_stream_is_heard() {
    let ears = Arc::new(Ears::default());
    let body = "id: 1\nretry: 5\ndata:\n\n: hi\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"a\"}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{}}\n\ndata: nonsense\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n";
    let answered =
        exchange(server(events(body)).await, Some(Arc::clone(&ears) as Arc<dyn Heard>)).await.unwrap();
    assert_eq!(answered.message.id_number(), Some(7));
    assert_eq!(*ears.0.lock().unwrap(), ["a"]);
}

#[tokio::test]
async fn a_stream_that_ends_early_is_a_broken_call() {
    let got = exchange(server(events("data: {\"jsonrpc\":\"2.0\",\"method\":\"a\"}\n\n")).await, None).await;
    assert!(matches!(got, Err(WireError::Broken(_))), "{got:?}");
}

#[tokio::test]
async fn answers_beyond_the_limit_are_given_up() {
    let long = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"a":"{}"}}}}"#, "x".repeat(2000));
    let got = exchange(server(json("200 OK", &long)).await, None).await;
    assert!(matches!(got, Err(WireError::TooLarge(1024))), "{got:?}");
    let got = exchange(server(events(&format!("data: {long}\n\n"))).await, None).await;
    assert!(matches!(got, Err(WireError::TooLarge(1024))), "{got:?}");
}

#[tokio::test]
async fn refusals_keep_their_status_and_message() {
    let got = exchange(
        server(json("404 Not Found", r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}}"#))
            .await,
        None,
    )
    .await;
    let Err(WireError::Refused(refusal)) = got else { panic!("{got:?}") };
    assert_eq!((refusal.status, refusal.message.is_some()), (404, true));
    let got = exchange(
        server(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://evil.example/\r\ncontent-length: 0\r\n\r\n",
        )
        .await,
        None,
    )
    .await;
    let Err(WireError::Refused(refusal)) = got else { panic!("{got:?}") };
    assert_eq!(refusal.status, 307, "redirects are never followed by the wire");
}

#[tokio::test]
async fn a_closed_port_proves_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/mcp", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(exchange(uri, None).await, Err(WireError::NotSent(_))));
}

/// Serves every connection: counts it, answers each request with `answer`, or never when that is empty.
async fn counting(answer: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/mcp", listener.local_addr().unwrap());
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            open.push(stream);
        }
    });
    (uri, taken)
}

#[tokio::test]
async fn notifications_that_nobody_waits_for_are_few_at_a_time() {
    let (uri, taken) = counting("").await;
    let wire = HttpWire::new(HttpClient::new(), uri.parse().unwrap(), http::HeaderMap::new(), 1024);
    for _ in 0..100 {
        wire.tell_soon(Message::One(Bytes::from_static(b"{}")), Vec::new());
    }
    assert_eq!(wire.courtesies_left(), 0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let taken = taken.load(Ordering::Relaxed);
    assert!((1..=32).contains(&taken), "{taken} connections for a hundred notifications");
}

#[tokio::test]
async fn a_change_stream_is_opened_only_by_events() {
    for (answer, streams) in [
        (events("data: {\"jsonrpc\":\"2.0\",\"method\":\"a\"}\n\n"), true),
        (json("200 OK", "{}"), false),
        (json("405 Method Not Allowed", "{}"), false),
    ] {
        let (uri, _) = counting(answer).await;
        let wire = HttpWire::new(HttpClient::new(), uri.parse().unwrap(), http::HeaderMap::new(), 1024);
        let ears = Ears::default();
        let mut opened = false;
        // The scripted server keeps its connection open, so only an event stream lasts.
        let ended = tokio::time::timeout(
            Duration::from_millis(300),
            wire.follow(Vec::new(), &mut Position::default(), &ears, || opened = true),
        )
        .await;
        assert_eq!(
            (opened, ears.0.lock().unwrap().len(), ended.is_err()),
            (streams, streams.into(), streams)
        );
    }
}
