//! Addresses that come and go, options that change, and the end, on real sockets before a scripted host.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use trunkline_observe::metrics::Metrics;

use super::super::scripted::{Scripted, read_until, until};
use super::tests::META;
use super::{Ending, Options, Server, Sharing};

const LONG: Duration = Duration::from_secs(20);

struct Front {
    server: Arc<Server>,
    host: Arc<Scripted>,
    address: SocketAddr,
}

impl Front {
    fn new(listener: TcpListener, sharing: Sharing) -> Self {
        let (host, metrics) = (Scripted::new(), Arc::new(Metrics::new("test")));
        let behind = Arc::clone(&host);
        let server = Arc::new(Server::new(behind, Options::default(), metrics));
        let address = server.open(listener, sharing).unwrap();
        Self { server, host, address }
    }

    async fn start() -> Self {
        Self::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), Sharing::Alone)
    }

    fn drain(&self, delay: Duration, within: Duration) -> JoinHandle<bool> {
        let (server, deadline) = (Arc::clone(&self.server), Instant::now() + within);
        tokio::spawn(async move { server.drain(Ending { delay, deadline }).await })
    }

    async fn ends_in_order(drain: JoinHandle<bool>) {
        assert!(timeout(LONG, drain).await.expect("the end comes").unwrap());
    }
}

/// A modern call of a tool, as a request to a host of that name.
fn request(host: &str, tool: &str, more: &str) -> String {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{META},"name":"{tool}"{more}}}}}"#
    );
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn asks(address: SocketAddr, tool: &str, more: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    say(&mut stream, &request(&address.to_string(), tool, more)).await;
    stream
}

const DONE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[]}}"#;

#[tokio::test]
async fn a_parked_call_is_taken_up_by_a_new_connection_while_new_calls_are_refused() {
    let front = Front::start().await;
    front.host.parked.send_replace(true);
    let mut running = asks(front.address, "wait", "").await;
    until(&front.host.begun, 1).await;
    let drain = front.drain(Duration::ZERO, LONG);
    loop {
        let mut refused = asks(front.address, "quick", "").await;
        let answer = read_until(&mut refused, "\r\n\r\n").await;
        if answer.starts_with("HTTP/1.1 503") {
            assert!(answer.contains("retry-after: 1") && answer.contains("connection: close"), "{answer}");
            break;
        }
    }
    let mut retry = asks(front.address, "quick", r#","requestState":"s","inputResponses":{}"#).await;
    read_until(&mut retry, DONE).await;
    front.host.parked.send_replace(false);
    front.host.release();
    read_until(&mut running, DONE).await;
    Front::ends_in_order(drain).await;
    assert!(TcpStream::connect(front.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn what_does_not_end_in_time_is_told_of() {
    let front = Front::start().await;
    let _running = asks(front.address, "wait", "").await;
    until(&front.host.begun, 1).await;
    assert!(!front.drain(Duration::ZERO, Duration::from_millis(50)).await.unwrap());
    assert_eq!(front.server.connections(), 1);
    front.host.release();
    assert!(front.server.emptied(LONG).await);
}

#[tokio::test]
async fn before_the_end_everything_is_served_for_a_while_and_clients_learn_to_go() {
    let front = Front::start().await;
    let mut kept = asks(front.address, "quick", "").await;
    assert!(!read_until(&mut kept, DONE).await.contains("connection: close"));
    let drain = front.drain(LONG, LONG);
    loop {
        // On connections that came later too.
        let mut stream = asks(front.address, "quick", "").await;
        let answer = read_until(&mut stream, DONE).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        if answer.contains("connection: close") {
            break;
        }
    }
    say(&mut kept, &request(&front.address.to_string(), "quick", "")).await;
    assert!(read_until(&mut kept, DONE).await.contains("connection: close"));
    drain.abort();
}

#[tokio::test]
async fn new_options_hold_for_the_next_request_on_an_old_connection() {
    let front = Front::start().await;
    let foreign = request("gw.example", "quick", "");
    let mut stream = TcpStream::connect(front.address).await.unwrap();
    say(&mut stream, &foreign).await;
    let answer = read_until(&mut stream, "not served here\"}}").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let options = Options { allowed_hosts: vec!["gw.example".into()], ..Options::default() };
    front.server.reconfigure(options.clone());
    say(&mut stream, &foreign).await;
    read_until(&mut stream, DONE).await;
    front.server.reconfigure(Options { body_bytes_max: 10, ..options });
    say(&mut stream, &foreign).await;
    read_until(&mut stream, "HTTP/1.1 413").await;
}

#[tokio::test]
async fn an_address_that_is_left_serves_its_connections_once_more() {
    let front = Front::start().await;
    let mut kept = asks(front.address, "quick", "").await;
    read_until(&mut kept, DONE).await;
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = front.server.open(other, Sharing::Alone).unwrap();
    front.server.close(front.address).await;
    assert!(TcpStream::connect(front.address).await.is_err(), "the address is free");
    say(&mut kept, &request(&front.address.to_string(), "quick", "")).await;
    assert!(read_until(&mut kept, DONE).await.contains("connection: close"));
    let answer = read_until(&mut asks(other, "quick", "").await, DONE).await;
    assert!(!answer.contains("connection: close"), "{answer}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_client_notices_that_one_of_two_at_an_address_leaves() {
    let shared = |port| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseport(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        socket.listen(1024).unwrap()
    };
    let one = Front::new(shared(0), Sharing::Together);
    let address = one.address;
    let other = Front::new(shared(address.port()), Sharing::Together);
    // Each of them keeps its connection for as long as it is told nothing else.
    let mut clients: Vec<JoinHandle<usize>> = Vec::new();
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    for _ in 0..16 {
        let over = Arc::clone(&over);
        clients.push(tokio::spawn(async move {
            let mut calls = 0;
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                let mut stream = TcpStream::connect(address).await.unwrap();
                loop {
                    say(&mut stream, &request(&address.to_string(), "quick", "")).await;
                    let answer = read_until(&mut stream, DONE).await;
                    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                    calls += 1;
                    // Every other one is as clients without a pool are.
                    let last = answer.contains("connection: close") || calls % 5 == 0;
                    if last || over.load(std::sync::atomic::Ordering::SeqCst) {
                        break;
                    }
                }
            }
            calls
        }));
    }
    until(&one.host.begun, 50).await;
    until(&other.host.begun, 50).await;
    Front::ends_in_order(one.drain(LONG, LONG)).await;
    let (before, since) = (one.host.begun.load(std::sync::atomic::Ordering::SeqCst), &other.host.begun);
    until(since, since.load(std::sync::atomic::Ordering::SeqCst) + 100).await;
    over.store(true, std::sync::atomic::Ordering::SeqCst);
    for client in clients {
        assert!(client.await.expect("no call failed") > 0);
    }
    assert_eq!(one.host.begun.load(std::sync::atomic::Ordering::SeqCst), before);
}
