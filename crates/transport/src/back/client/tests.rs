//! The client against scripted servers on real sockets: which connection a request goes by, and what becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use trunkline_protocol::Message;

use super::*;

/// A server that does this on each connection; it is told how many there were before. Counts how many were opened.
pub(in crate::back) async fn server<F, Fut>(serve: F) -> (Uri, Arc<AtomicUsize>)
where
    F: Fn(TcpStream, usize) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let opened = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&opened);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream, number));
        }
    });
    (uri, opened)
}

/// Reads one request whose body is `{}`; `false` at the end of the connection.
async fn request(stream: &mut TcpStream) -> bool {
    let mut text = Vec::new();
    let mut byte = [0; 1];
    while !text.ends_with(b"\r\n\r\n{}") {
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            return false;
        }
        text.push(byte[0]);
    }
    true
}

struct Caller {
    client: HttpClient,
    pool: Arc<Pool>,
    target: Target,
    fixed: Fixed,
}

impl Caller {
    fn new(uri: &Uri) -> Self {
        let client = HttpClient::new();
        let pool = client.pool(uri);
        Self { client, pool, target: Target::of(uri), fixed: Fixed::new(HeaderMap::new()) }
    }

    async fn send(&self, body: Bytes) -> Result<Response, WireError> {
        let extra = Headers::new();
        let Self { target, fixed, .. } = self;
        let request = Request { method: "POST", target, fixed, extra: &extra, accept: "*/*" };
        let mut request = Rendered::new(&request, Some(Message::One(body)));
        let sent = self.client.send(&self.pool, &mut request);
        timeout(Duration::from_secs(10), sent).await.expect("in time")
    }

    async fn text(&self) -> Result<Bytes, WireError> {
        let mut body = self.send(Bytes::from_static(b"{}")).await?.body;
        let text = body.collect(1 << 20).await?;
        body.finish();
        Ok(text)
    }

    /// Waits until the number of idle connections is this.
    async fn idle(&self, count: usize) {
        let reached = async {
            while self.pool.idle_count() != count {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(5), reached).await.expect("it never was");
    }
}

const LENGTH: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n";

#[tokio::test]
async fn requests_one_after_the_other_share_a_connection_whatever_ends_their_answers() {
    let (uri, opened) = server(async |mut stream, _| {
        let mut answers = [LENGTH, CHUNKED].into_iter().cycle();
        while request(&mut stream).await {
            let _ = stream.write_all(answers.next().unwrap()).await;
        }
    })
    .await;
    let caller = Caller::new(&uri);
    for _ in 0..6 {
        assert_eq!(caller.text().await.unwrap(), "ok");
    }
    assert_eq!((opened.load(Ordering::SeqCst), caller.pool.idle_count()), (1, 1));
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced_without_anybody_noticing() {
    let (uri, opened) = server(async |mut stream, _| {
        request(&mut stream).await;
        let _ = stream.write_all(LENGTH).await;
    })
    .await;
    let caller = Caller::new(&uri);
    for _ in 0..3 {
        assert_eq!(caller.text().await.unwrap(), "ok");
        // Until the end of the connection has come.
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(opened.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_asked_for_again() {
    for answer in [b"".as_slice(), b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"]
    {
        let (uri, opened) = server(async move |mut stream, _| {
            request(&mut stream).await;
            let _ = stream.write_all(answer).await;
        })
        .await;
        let caller = Caller::new(&uri);
        assert!(matches!(caller.text().await, Err(WireError::Broken(_))));
        assert_eq!((opened.load(Ordering::SeqCst), caller.pool.idle_count()), (1, 0));
    }
}

#[tokio::test]
async fn what_nobody_asked_for_ends_a_connection_and_is_never_an_answer() {
    let (uri, opened) = server(async |mut stream, number| {
        request(&mut stream).await;
        let _ = stream.write_all(LENGTH).await;
        if number == 0 {
            let forged = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
            let _ = stream.write_all(forged).await;
        }
        request(&mut stream).await;
    })
    .await;
    let caller = Caller::new(&uri);
    assert_eq!(caller.text().await.unwrap(), "ok");
    sleep(Duration::from_millis(20)).await;
    assert_eq!(caller.text().await.unwrap(), "ok");
    assert_eq!(opened.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_end_of_a_stream_that_comes_late_does_not_cost_the_connection() {
    let (uri, opened) = server(async |mut stream, _| {
        while request(&mut stream).await {
            let head =
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            let _ = stream.write_all(head).await;
            let _ = stream.write_all(b"9\r\ndata: 1\n\n\r\n").await;
            sleep(Duration::from_millis(20)).await;
            let _ = stream.write_all(b"0\r\n\r\n").await;
        }
    })
    .await;
    let caller = Caller::new(&uri);
    for _ in 0..3 {
        let mut response = caller.send(Bytes::from_static(b"{}")).await.unwrap();
        assert_eq!(response.body.data().await.unwrap().unwrap(), "data: 1\n\n");
        response.body.finish();
        sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(opened.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_body_that_is_dropped_closes_its_connection() {
    let (said, heard) = tokio::sync::oneshot::channel();
    let said = std::sync::Mutex::new(Some(said));
    let said = Arc::new(said);
    let (uri, _) = server(move |mut stream: TcpStream, _| {
        let said = Arc::clone(&said);
        async move {
            request(&mut stream).await;
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n").await;
            let ended = stream.read(&mut [0; 1]).await;
            let told = said.lock().unwrap().take().unwrap();
            let _ = told.send(matches!(ended, Ok(0) | Err(_)));
        }
    })
    .await;
    let caller = Caller::new(&uri);
    let response = caller.send(Bytes::from_static(b"{}")).await.unwrap();
    drop(response);
    assert!(timeout(Duration::from_secs(5), heard).await.unwrap().unwrap());
    assert_eq!(caller.pool.idle_count(), 0);
}

#[tokio::test]
async fn a_server_that_keeps_connections_for_a_second_is_not_met_at_its_end() {
    let (uri, opened) = server(async |mut stream, _| {
        while request(&mut stream).await {
            let answer = b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 2\r\n\r\nok";
            let _ = stream.write_all(answer).await;
        }
    })
    .await;
    let caller = Caller::new(&uri);
    for _ in 0..2 {
        assert_eq!(caller.text().await.unwrap(), "ok");
    }
    assert_eq!(opened.load(Ordering::SeqCst), 2);
    caller.idle(0).await;
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_a_large_request_is_told() {
    let (uri, _) = server(async |mut stream, _| {
        let mut some = [0; 1024];
        let _ = stream.read(&mut some).await;
        let refusal = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(refusal).await;
        // Its end in order, so that the refusal is not lost with it.
        let _ = stream.shutdown().await;
        while stream.read(&mut some).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    let caller = Caller::new(&uri);
    let response = caller.send(Bytes::from(vec![b' '; 8 << 20])).await.unwrap();
    assert_eq!(response.head.status, 413);
}

#[tokio::test]
async fn interim_answers_are_passed_over_and_old_servers_end_with_their_connection() {
    for answer in [
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
            .as_slice(),
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok",
    ] {
        let (uri, _) = server(async move |mut stream, _| {
            request(&mut stream).await;
            let _ = stream.write_all(answer).await;
        })
        .await;
        assert_eq!(Caller::new(&uri).text().await.unwrap(), "ok");
    }
}

#[tokio::test]
async fn many_at_a_time_keep_no_more_connections_than_they_need() {
    let (uri, opened) = server(async |mut stream, _| {
        while request(&mut stream).await {
            let _ = stream.write_all(LENGTH).await;
        }
    })
    .await;
    let caller = Arc::new(Caller::new(&uri));
    let calls = (0..8).map(|_| {
        let caller = Arc::clone(&caller);
        tokio::spawn(async move {
            for _ in 0..50 {
                assert_eq!(caller.text().await.unwrap(), "ok");
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert!(opened.load(Ordering::SeqCst) <= 8);
    caller.idle(opened.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn what_waits_for_a_connection_that_is_cut_ends_and_others_may_be_opened_until_it_is_closed() {
    let (uri, opened) = server(async |mut stream, number| {
        while request(&mut stream).await {
            if number == 0 {
                // Its own answer never comes.
                let _ = stream.read(&mut [0; 1]).await;
                return;
            }
            let _ = stream.write_all(LENGTH).await;
        }
    })
    .await;
    let caller = Arc::new(Caller::new(&uri));
    let waiting = tokio::spawn({
        let caller = Arc::clone(&caller);
        async move { caller.text().await }
    });
    while opened.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(caller.text().await.unwrap(), "ok");
    assert_eq!(caller.pool.idle_count(), 1);
    caller.client.cut();
    let ended = timeout(Duration::from_secs(5), waiting).await.expect("it ends").unwrap();
    assert!(matches!(ended, Err(WireError::Broken(_))), "it was sent: {ended:?}");
    assert_eq!(caller.text().await.unwrap(), "ok");
    assert_eq!(opened.load(Ordering::SeqCst), 3, "the idle one was cut as well");
    caller.client.close();
    assert!(matches!(caller.text().await, Err(WireError::NotSent(_))));
    assert_eq!(opened.load(Ordering::SeqCst), 3);
}
