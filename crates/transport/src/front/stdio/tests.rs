//! The pipe, spoken to line by line.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trunkline_observe::metrics::Metrics;

use super::super::pipe::LISTENS_MAX;
use super::super::running::RUNNING_MAX;
use super::super::scripted::{Scripted, read_until, until};
use super::serve;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#;

struct Client {
    to: DuplexStream,
    from: DuplexStream,
    host: Arc<Scripted>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Client {
    fn start() -> Self {
        let host = Scripted::new();
        let (to, input) = duplex(1 << 20);
        let (output, from) = duplex(1 << 20);
        let metrics = Arc::new(Metrics::new("test"));
        let (behind, stop) = (Arc::clone(&host), CancellationToken::new());
        let served = tokio::spawn(serve(input, output, behind, None, 1 << 20, metrics, stop));
        Self { to, from, host, served }
    }

    async fn say(&mut self, line: &str) {
        self.to.write_all(line.as_bytes()).await.unwrap();
        self.to.write_all(b"\n").await.unwrap();
    }

    async fn hears(&mut self, needle: &str) -> String {
        read_until(&mut self.from, needle).await
    }
}

fn modern(id: usize, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{META},{params}}}}}"#)
}

fn legacy_call(id: usize, tool: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
}

fn cancelled(id: usize) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#)
}

#[tokio::test]
async fn a_pipe_full_of_modern_calls_refuses_more_and_still_reads_cancellations() {
    let mut client = Client::start();
    for id in 0..RUNNING_MAX {
        client.say(&modern(id, "tools/call", r#""name":"wait""#)).await;
    }
    client.say(&modern(5000, "tools/call", r#""name":"wait""#)).await;
    client.hears(r#""id":5000,"error""#).await;
    client.say(&cancelled(7)).await;
    until(&client.host.given_up, 1).await;
    client.say(&modern(7, "tools/call", r#""name":"quick""#)).await;
    client.hears(r#""id":7,"result""#).await;
}

#[tokio::test]
async fn a_pipe_full_of_legacy_calls_still_answers_pings_and_reads_cancellations() {
    let mut client = Client::start();
    client.say(INITIALIZE).await;
    client.hears("hello").await;
    for id in 0..RUNNING_MAX {
        client.say(&legacy_call(id, "wait")).await;
    }
    client.say(&legacy_call(5000, "wait")).await;
    client.hears(r#""id":5000,"error""#).await;
    client.say(r#"{"jsonrpc":"2.0","id":5001,"method":"ping"}"#).await;
    client.hears(r#""id":5001,"result":{}"#).await;
    client.say(&cancelled(7)).await;
    until(&client.host.given_up, 1).await;
}

#[tokio::test]
async fn a_cancellation_right_behind_its_call_is_not_lost() {
    let mut client = Client::start();
    client.say(INITIALIZE).await;
    let both = format!("{}\n{}", legacy_call(1, "wait"), cancelled(1));
    client.say(&both).await;
    client.say(&legacy_call(2, "quick")).await;
    client.hears(r#""id":2,"result""#).await;
    client.host.release();
    drop(client.to);
    client.served.await.unwrap().unwrap();
    let mut rest = String::new();
    client.from.read_to_string(&mut rest).await.unwrap();
    assert!(!rest.contains(r#""id":1"#), "{rest}");
    assert_eq!(client.host.finished.load(std::sync::atomic::Ordering::SeqCst), 1, "only the second ran");
}

#[tokio::test]
async fn listen_requests_are_bounded_and_take_no_room_of_calls() {
    let mut client = Client::start();
    for id in 0..LISTENS_MAX {
        client.say(&modern(id, "subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#)).await;
    }
    client.say(&modern(5000, "subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#)).await;
    client.hears(r#""id":5000,"error""#).await;
    client.say(&modern(5001, "tools/call", r#""name":"quick""#)).await;
    client.hears(r#""id":5001,"result""#).await;
}

#[tokio::test]
async fn calls_written_before_the_input_ended_are_answered() {
    let mut client = Client::start();
    client.say(INITIALIZE).await;
    client.say(&legacy_call(1, "notes")).await;
    client.to.shutdown().await.unwrap();
    let heard = client.hears(r#""id":1,"result""#).await;
    let place = |what: &str| heard.find(what).unwrap_or(usize::MAX);
    assert!(place("\"progress\":1") < place("\"progress\":2"), "{heard}");
    assert!(place("\"progress\":2") < place(r#""id":1,"result""#), "{heard}");
}

#[tokio::test]
async fn a_batch_is_one_line_in_and_one_line_out() {
    let mut client = Client::start();
    client.say(&INITIALIZE.replace("2025-11-25", "2025-03-26")).await;
    client.hears("serverInfo").await;
    client.say(&format!(r#"[{},{{"jsonrpc":"2.0","id":2,"method":"ping"}}]"#, legacy_call(1, "quick"))).await;
    let array = r#"[{"jsonrpc":"2.0","id":1,"result":{"content":[]}},{"jsonrpc":"2.0","id":2,"result":{}}]"#;
    client.hears(array).await;
    // Only notifications: there is nothing to answer.
    client.say(&format!("[{}]", cancelled(9))).await;
    client.say("[]").await;
    let heard = client.hears("\n{").await;
    assert_eq!(heard, "\n{", "no answer to the first");
    client.hears("between 1 and 100").await;
}

#[tokio::test]
async fn a_batch_needs_a_session_of_a_revision_that_has_them() {
    let mut client = Client::start();
    client.say(&format!("[{}]", legacy_call(1, "quick"))).await;
    client.hears("start with initialize").await;
    client.say(&format!("[{INITIALIZE}]")).await;
    client.hears("initialize cannot be part of a batch").await;
    client.say(INITIALIZE).await;
    client.hears("serverInfo").await;
    client.say(&format!("[{}]", legacy_call(1, "quick"))).await;
    client.hears("this revision has no batches").await;
}
