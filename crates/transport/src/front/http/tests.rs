//! The front on a real socket, before a scripted host.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use trunkline_model::Change;
use trunkline_observe::metrics::Metrics;

use super::super::scripted::{MEMBER, Scripted, read_until, until};
use super::{Options, serve};

const VERSION: &str = "2026-07-28";
pub(super) const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
const BOTH: &str = "application/json, text/event-stream";
pub(super) const LAST_CHUNK: &str = "\r\n0\r\n\r\n";

pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) host: Arc<Scripted>,
    pub(super) stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(super) async fn start() -> Running {
    start_with(Options::default()).await
}

pub(super) async fn start_with(options: Options) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (host, stop) = (Scripted::new(), CancellationToken::new());
    let behind = Arc::clone(&host);
    let metrics = Arc::new(Metrics::new("test"));
    tokio::spawn(serve(listener, behind, options, metrics, stop.clone()));
    Running { address, host, stop }
}

impl Running {
    pub(super) async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    pub(super) fn post(&self, more: &str, body: &str) -> String {
        let (address, length) = (self.address, body.len());
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        )
    }

    /// A session's request; the answer is read by the caller.
    pub(super) async fn legacy(&self, session: &str, body: &str) -> TcpStream {
        self.send(&self.post(&format!("Accept: {BOTH}\r\nMcp-Session-Id: {session}\r\n"), body)).await
    }

    async fn modern_call(&self, tool: &str, accept: &str) -> TcpStream {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{META},"name":"{tool}"}}}}"#
        );
        let headers = format!(
            "Accept: {accept}\r\nMCP-Protocol-Version: {VERSION}\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
        );
        self.send(&self.post(&headers, &body)).await
    }

    pub(super) async fn session(&self, revision: &str) -> String {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{{}},"clientInfo":{{"name":"t","version":"0"}}}}}}"#
        );
        let mut stream = self.send(&self.post(&format!("Accept: {BOTH}\r\n"), &body)).await;
        let answer = read_until(&mut stream, "serverInfo").await;
        let head = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
        head.expect("a session id").trim().to_owned()
    }

    /// A session's stream, open: its first comment has been read.
    async fn stream(&self, session: &str) -> TcpStream {
        let mut stream = self.get(session, "").await;
        read_until(&mut stream, "\r\n\r\n").await;
        stream
    }

    /// A session's GET; the answer is read by the caller.
    pub(super) async fn get(&self, session: &str, more: &str) -> TcpStream {
        let address = self.address;
        let head = format!(
            "GET /mcp HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\nMcp-Session-Id: {session}\r\n{more}\r\n"
        );
        self.send(&head).await
    }
}

pub(super) fn call(id: u32, tool: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
}

#[tokio::test]
async fn a_batch_is_answered_as_one_array() {
    let front = start().await;
    let session = front.session("2025-03-26").await;
    let body = format!(r#"[{},{{"jsonrpc":"2.0","id":2,"method":"ping"}}]"#, call(1, "quick"));
    let text = r#"[{"jsonrpc":"2.0","id":1,"result":{"content":[]}},{"jsonrpc":"2.0","id":2,"result":{}}]"#;
    let whole = read_until(&mut front.legacy(&session, &body).await, text).await;
    assert!(whole.starts_with("HTTP/1.1 200"), "{whole}");
}

#[tokio::test]
async fn a_batch_whose_calls_were_all_taken_back_has_no_answer() {
    let front = start().await;
    let session = front.session("2025-03-26").await;
    let mut batch = front.legacy(&session, &format!("[{}]", call(1, "wait"))).await;
    until(&front.host.begun, 1).await;
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    read_until(&mut front.legacy(&session, cancelled).await, "202").await;
    let answer = read_until(&mut batch, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

#[tokio::test]
async fn a_batch_that_is_refused_has_done_nothing() {
    let front = start().await;
    let session = front.session("2025-03-26").await;
    let body = format!(r#"[{},{{"jsonrpc":"2.0","id":2,"method":"initialize"}}]"#, call(1, "quick"));
    read_until(&mut front.legacy(&session, &body).await, "HTTP/1.1 400").await;
    assert_eq!(front.host.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_legacy_client_that_disconnects_lets_its_calls_go_on() {
    let front = start().await;
    let session = front.session("2025-03-26").await;
    let single = front.legacy(&session, &call(1, "wait")).await;
    let batch = front.legacy(&session, &format!("[{},{}]", call(2, "wait"), call(3, "wait"))).await;
    until(&front.host.begun, 3).await;
    drop((single, batch));
    // Long enough for the front to notice: a modern call is given up by then.
    drop(front.modern_call("wait", BOTH).await);
    until(&front.host.given_up, 1).await;
    front.host.release();
    until(&front.host.finished, 3).await;
    assert_eq!(front.host.given_up.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_modern_client_that_disconnects_gives_its_call_up() {
    let front = start().await;
    let connection = front.modern_call("wait", BOTH).await;
    until(&front.host.begun, 1).await;
    drop(connection);
    until(&front.host.given_up, 1).await;
}

#[tokio::test]
async fn notes_come_in_order_and_before_the_answer() {
    let front = start().await;
    let answer = read_until(&mut front.modern_call("notes", BOTH).await, LAST_CHUNK).await;
    let place = |what: &str| answer.find(what).unwrap_or(usize::MAX);
    assert!(place("\"progress\":1") < place("\"progress\":2"), "{answer}");
    assert!(place("\"progress\":2") < place("\"content\""), "{answer}");
    assert!(answer.contains("\"content\""), "{answer}");
}

#[tokio::test]
async fn a_client_that_takes_no_events_gets_the_answer_alone() {
    let front = start().await;
    let answer =
        read_until(&mut front.modern_call("notes", "application/json").await, "\"content\":[]").await;
    assert!(answer.contains("application/json") && !answer.contains("progress"), "{answer}");
}

#[tokio::test]
async fn a_new_stream_ends_the_one_before_it_and_hears_the_news_alone() {
    let front = start().await;
    let session = front.session("2025-11-25").await;
    let mut first = front.stream(&session).await;
    let mut second = front.stream(&session).await;
    front.host.tools_changed();
    let ended = read_until(&mut first, LAST_CHUNK).await;
    assert!(!ended.contains("list_changed"), "{ended}");
    read_until(&mut second, "notifications/tools/list_changed").await;
}

#[tokio::test]
async fn a_change_told_to_a_dead_stream_is_told_again_until_the_list_is_read() {
    let front = start().await;
    front.host.lists.send_modify(|versions| versions.resources += 1);
    let session = front.session("2025-11-25").await;
    front.host.lists.send_modify(|versions| versions.prompts += 1);
    let mut first = front.stream(&session).await;
    let told = read_until(&mut first, "notifications/prompts/list_changed").await;
    assert!(!told.contains("resources"), "it was so before the session began: {told}");
    drop(first);
    front.host.tools_changed();
    let mut second = front.stream(&session).await;
    let told = read_until(&mut second, "notifications/prompts/list_changed").await;
    assert!(told.contains("notifications/tools/list_changed"), "{told}");
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    read_until(&mut front.legacy(&session, list).await, "\"result\"").await;
    let mut third = front.stream(&session).await;
    let told = read_until(&mut third, "notifications/prompts/list_changed").await;
    assert!(!told.contains("tools"), "the client has read the tools since: {told}");
}

#[tokio::test]
async fn a_stream_begins_with_the_resources_that_may_have_changed_meanwhile() {
    let front = start().await;
    let session = front.session("2025-11-25").await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a:b"}}"#;
    read_until(&mut front.legacy(&session, body).await, "\"result\":{}").await;
    let mut stream = front.stream(&session).await;
    read_until(&mut stream, "notifications/resources/updated").await;
    let change = Change::ResourceUpdated { server: MEMBER.into(), uri: "a:b".into(), to: None };
    front.host.events.send(change).unwrap();
    read_until(&mut stream, "notifications/resources/updated").await;
}

#[tokio::test]
async fn a_session_hears_the_logs_of_its_views_servers_only() {
    let front = start().await;
    let session = front.session("2025-11-25").await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"info"}}"#;
    read_until(&mut front.legacy(&session, body).await, "\"result\":{}").await;
    let mut stream = front.stream(&session).await;
    front.host.logs("another", "secret");
    front.host.logs(MEMBER, "public");
    let heard = read_until(&mut stream, "public").await;
    assert!(!heard.contains("secret"), "{heard}");
}

#[tokio::test]
async fn a_listen_request_is_acknowledged_and_completed_when_the_front_stops() {
    let front = start().await;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":{{{META},"notifications":{{"toolsListChanged":true}}}}}}"#
    );
    let headers =
        format!("Accept: {BOTH}\r\nMCP-Protocol-Version: {VERSION}\r\nMcp-Method: subscriptions/listen\r\n");
    let mut stream = front.send(&front.post(&headers, &body)).await;
    let first = read_until(&mut stream, "notifications/subscriptions/acknowledged").await;
    assert!(!first.contains("list_changed"), "{first}");
    front.host.tools_changed();
    read_until(&mut stream, "notifications/tools/list_changed").await;
    front.stop.cancel();
    let last = read_until(&mut stream, LAST_CHUNK).await;
    assert!(last.contains(r#""id":"l","result":{"resultType":"complete""#), "{last}");
}

#[tokio::test]
async fn a_pipelined_head_with_two_framings_is_refused_even_behind_a_slow_body() {
    let front = start().await;
    let session = front.session("2025-11-25").await;
    let request = front.post(
        &format!("Accept: {BOTH}\r\nMcp-Session-Id: {session}\r\n"),
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
    );
    let (head, rest) = request.split_at(request.len() - 5);
    let mut stream = front.send(head).await;
    // So that the rest of the body and the next head are read while the first request is served.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let mixed = format!(
        "{rest}POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        front.address
    );
    stream.write_all(mixed.as_bytes()).await.unwrap();
    let answers = read_until(&mut stream, "either a length or a transfer coding").await;
    assert!(answers.contains("\"result\":{}"), "{answers}");
}
