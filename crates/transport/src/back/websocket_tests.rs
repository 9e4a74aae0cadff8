//! The WebSocket wire against scripted servers on real sockets.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, accept_async};
use trunkline_protocol::{Message, Scanned};

use super::*;
use crate::back::HttpClient;

const LIMIT: usize = 4096;

#[derive(Default)]
struct Ears(Mutex<Vec<String>>);

impl Heard for Ears {
    fn hear(&self, message: Scanned) {
        self.0.lock().unwrap().push(message.method().to_string());
    }
}

type Peer = WebSocketStream<TcpStream>;

/// A wire to a server that accepts one socket and then does as it is told. It names no subprotocol.
async fn wire<F: Future<Output = ()> + Send + 'static>(
    script: impl FnOnce(Peer) -> F + Send + 'static,
) -> (WebSocketWire, Arc<Ears>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/ws", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        script(accept_async(stream).await.unwrap()).await;
    });
    let at = HttpWire::new(HttpClient::new(), uri.parse().unwrap(), HeaderMap::new(), LIMIT);
    let ears = Arc::new(Ears::default());
    let wire = WebSocketWire::open(&at, Arc::clone(&ears) as Arc<dyn Heard>).await.unwrap();
    (wire, ears)
}

async fn ask(wire: &WebSocketWire, id: u64) -> Result<Answered, WireError> {
    let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"x\"}}");
    let out = Outgoing { id, message: Message::One(Bytes::from(text)), headers: Vec::new(), heard: None };
    timeout(Duration::from_secs(10), wire.exchange(out)).await.unwrap()
}

fn answer(id: u64) -> Frame {
    Frame::text(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}"))
}

#[tokio::test]
async fn frames_that_are_no_messages_are_skipped_and_pings_answered() {
    let (wire, ears) = wire(|mut peer| async move {
        peer.next().await.unwrap().unwrap();
        for noise in ["", "[]", "nonsense", "{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{}}"] {
            peer.send(Frame::text(noise)).await.unwrap();
        }
        peer.send(Frame::binary(vec![0xff; 10])).await.unwrap();
        peer.send(Frame::text("{\"jsonrpc\":\"2.0\",\"method\":\"a\"}")).await.unwrap();
        peer.send(Frame::Ping(Bytes::from_static(b"p"))).await.unwrap();
        // The answer depends on the pong.
        assert_eq!(peer.next().await.unwrap().unwrap(), Frame::Pong(Bytes::from_static(b"p")));
        peer.send(answer(7)).await.unwrap();
        peer.next().await;
    })
    .await;
    assert_eq!(ask(&wire, 7).await.unwrap().message.id_number(), Some(7));
    assert_eq!(*ears.0.lock().unwrap(), ["a"]);
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_wire_whether_in_one_frame_or_many() {
    for frames in [1, 8] {
        let (wire, _) = wire(move |mut peer| async move {
            peer.next().await.unwrap().unwrap();
            use tokio_tungstenite::tungstenite::protocol::frame::Frame as Raw;
            use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
            for at in 0..frames {
                let code = OpCode::Data(if at == 0 { Data::Text } else { Data::Continue });
                let payload = vec![b'x'; (LIMIT + 8) / frames];
                let frame = Raw::message(payload, code, at + 1 == frames);
                // It may hang up in the middle.
                let _ = peer.send(Frame::Frame(frame)).await;
            }
            while let Some(Ok(_)) = peer.next().await {}
        })
        .await;
        let failed = ask(&wire, 1).await;
        // Nobody else waits, so it was the answer to this.
        assert!(matches!(&failed, Err(WireError::TooLarge(4096))), "{failed:?}");
        assert!(wire.ended().await.contains("4096"));
        assert!(matches!(ask(&wire, 2).await, Err(WireError::NotSent(_))), "nothing is sent any more");
    }
}

#[tokio::test]
async fn a_close_ends_the_wire_with_its_reason() {
    let (wire, _) = wire(|mut peer| async move {
        peer.next().await.unwrap().unwrap();
        let reason = CloseFrame { code: CloseCode::Restart, reason: "back\u{1b}[2J soon".into() };
        peer.close(Some(reason)).await.unwrap();
        while let Some(Ok(_)) = peer.next().await {}
    })
    .await;
    assert!(matches!(ask(&wire, 1).await, Err(WireError::Broken(_))));
    assert_eq!(wire.ended().await, "the server closed the connection (1012 back[2J soon)");
}

#[tokio::test]
async fn a_wire_that_nobody_holds_says_goodbye() {
    let (said, heard) = tokio::sync::oneshot::channel();
    let (wire, _) = wire(|mut peer| async move {
        let _ = said.send(peer.next().await.unwrap().unwrap());
    })
    .await;
    drop(wire);
    let last = timeout(Duration::from_secs(10), heard).await.unwrap().unwrap();
    assert!(matches!(last, Frame::Close(_)), "{last:?}");
}

#[tokio::test]
async fn what_is_no_websocket_is_named_as_such() {
    for (answer, refused) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false),
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", false),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", true),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/ws", listener.local_addr().unwrap());
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.read(&mut [0; 1]).await;
        });
        let at = HttpWire::new(HttpClient::new(), uri.parse().unwrap(), HeaderMap::new(), LIMIT);
        match WebSocketWire::open(&at, Arc::new(Ears::default())).await.map(|_| ()) {
            Err(WireError::Refused(refusal)) => assert!(refused && refusal.status == 403),
            Err(WireError::Invalid(_)) => assert!(!refused, "{answer}"),
            other => panic!("{other:?}"),
        }
    }
}
