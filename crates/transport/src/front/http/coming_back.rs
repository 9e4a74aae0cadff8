//! Clients that come back for what they missed, on real sockets before a scripted host.

use tokio::net::TcpStream;
use trunkline_model::Change;

use super::super::scripted::{MEMBER, read_until, until};
use super::tests::{LAST_CHUNK, Running, call, start};

const PROGRESS: [&str; 2] = ["\"progress\":1", "\"progress\":2"];

impl Running {
    async fn after(&self, session: &str, id: &str) -> TcpStream {
        self.get(session, &format!("Last-Event-ID: {id}\r\n")).await
    }
}

/// The ids in a piece of a stream.
fn ids(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).collect()
}

/// A call whose stream has said the first half, and the id of that event.
async fn half_said(front: &Running, session: &str) -> (TcpStream, String) {
    let mut stream = front.legacy(session, &call(1, "half")).await;
    let heard = read_until(&mut stream, "\"progress\":1}}\n\n").await;
    let id = ids(&heard).last().expect("an event has an id").to_string();
    (stream, id)
}

#[tokio::test]
async fn what_a_call_said_after_the_client_had_gone_is_there_when_it_comes_back() {
    let front = start().await;
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = front.session(revision).await;
        let (stream, id) = half_said(&front, &session).await;
        drop(stream);
        front.host.release();
        let mut again = front.after(&session, &id).await;
        let heard = read_until(&mut again, LAST_CHUNK).await;
        assert!(!heard.contains(PROGRESS[0]), "{heard}");
        let place = |what: &str| heard.find(what).unwrap_or(usize::MAX);
        assert!(place(PROGRESS[1]) < place(r#""id":1,"result""#), "{heard}");
        assert!(heard.contains(r#""id":1,"result""#), "{heard}");
        // And once more, from the middle of it: the rest and no more.
        let (middle, last) = (ids(&heard)[0], ids(&heard)[1]);
        let rest = read_until(&mut front.after(&session, middle).await, LAST_CHUNK).await;
        assert!(!rest.contains("progress") && rest.contains(r#""id":1,"result""#), "{rest}");
        let rest = read_until(&mut front.after(&session, last).await, LAST_CHUNK).await;
        assert!(!rest.contains("data:"), "{rest}");
    }
}

#[tokio::test]
async fn a_call_is_followed_to_its_end_by_who_comes_back_in_time() {
    let front = start().await;
    let session = front.session("2025-11-25").await;
    // The first connection is still open, for all that the front knows; it must not take anything from the second.
    let (mut first, id) = half_said(&front, &session).await;
    let mut second = front.after(&session, &id).await;
    let rest = read_until(&mut first, LAST_CHUNK).await;
    assert!(!rest.contains("data:"), "{rest}");
    drop(second);
    second = front.after(&session, &id).await;
    read_until(&mut second, ":\n\n").await;
    front.host.release();
    let heard = read_until(&mut second, LAST_CHUNK).await;
    assert!(heard.contains(PROGRESS[1]) && heard.contains(r#""id":1,"result""#), "{heard}");
    until(&front.host.finished, 1).await;
}

#[tokio::test]
async fn a_call_goes_on_when_nobody_comes_back_and_can_be_cancelled() {
    let front = start().await;
    let session = front.session("2025-11-25").await;
    let (stream, id) = half_said(&front, &session).await;
    drop(stream);
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    read_until(&mut front.legacy(&session, cancelled).await, "202").await;
    until(&front.host.given_up, 1).await;
    let rest = read_until(&mut front.after(&session, &id).await, LAST_CHUNK).await;
    assert!(!rest.contains("data:"), "{rest}");
    drop(half_said(&front, &session).await);
    front.host.release();
    until(&front.host.finished, 1).await;
}

#[tokio::test]
async fn news_are_told_once_each_across_connections() {
    let front = start().await;
    let session = front.session("2025-11-25").await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a:b"}}"#;
    read_until(&mut front.legacy(&session, body).await, "\"result\":{}").await;
    let mut stream = front.get(&session, "").await;
    let first = read_until(&mut stream, "notifications/resources/updated").await;
    assert!(first.contains("retry: "), "{first}");
    front.host.tools_changed();
    let told = read_until(&mut stream, "notifications/tools/list_changed\"}\n\n").await;
    let last = ids(&told).last().unwrap().to_string();
    drop(stream);
    front.host.lists.send_modify(|versions| versions.prompts += 1);
    let mut stream = front.after(&session, &last).await;
    let heard = read_until(&mut stream, "notifications/prompts/list_changed").await;
    assert!(!heard.contains("tools/list_changed"), "it was told: {heard}");
    front
        .host
        .events
        .send(Change::ResourceUpdated { server: MEMBER.into(), uri: "a:b".into(), to: None })
        .unwrap();
    let heard = read_until(&mut stream, "notifications/resources/updated").await;
    assert!(!heard.contains("list_changed"), "{heard}");
    // Who says that less did arrive hears the rest again, and nothing before it.
    let mut stream = front.after(&session, ids(&first).last().unwrap()).await;
    let heard = read_until(&mut stream, "notifications/resources/updated").await;
    assert!(heard.contains("tools/list_changed") && heard.contains("prompts/list_changed"), "{heard}");
}

#[tokio::test]
async fn a_call_that_takes_long_can_be_picked_up_before_it_said_anything() {
    let front = start().await;
    let session = front.session("2025-11-25").await;
    let mut stream = front.legacy(&session, &call(1, "wait")).await;
    let primed = read_until(&mut stream, "retry: 1000\ndata: \n\n").await;
    let id = ids(&primed)[0].to_owned();
    drop(stream);
    front.host.release();
    let heard = read_until(&mut front.after(&session, &id).await, LAST_CHUNK).await;
    assert!(heard.contains(r#""id":1,"result""#), "{heard}");
}

#[tokio::test]
async fn an_event_that_is_not_kept_is_an_error_for_a_call_and_a_fresh_start_for_news() {
    let front = start().await;
    let (mine, other) = (front.session("2025-11-25").await, front.session("2025-11-25").await);
    let (_stream, id) = half_said(&front, &mine).await;
    let refused = read_until(&mut front.after(&other, &id).await, "not kept any more").await;
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    for id in ["n7-3", "c", "", "0", "c1-x"] {
        let opened = read_until(&mut front.after(&other, id).await, "retry: ").await;
        assert!(opened.starts_with("HTTP/1.1 200"), "{opened}");
    }
    let address = front.address;
    let delete = format!("DELETE /mcp HTTP/1.1\r\nHost: {address}\r\nMcp-Session-Id: {mine}\r\n\r\n");
    read_until(&mut front.send(&delete).await, "204").await;
    until(&front.host.given_up, 1).await;
    read_until(&mut front.after(&mine, &id).await, "HTTP/1.1 404").await;
}

#[tokio::test]
async fn only_the_newest_legacy_clients_are_primed() {
    let front = start().await;
    for (revision, expected) in [("2025-06-18", false), ("2025-11-25", true)] {
        let session = front.session(revision).await;
        let heard = read_until(&mut front.legacy(&session, &call(1, "notes")).await, LAST_CHUNK).await;
        assert_eq!(heard.contains("retry: 1000\ndata: \n\n"), expected, "{heard}");
        let ids = ids(&heard);
        let unique: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!((ids.len(), unique.len()), if expected { (4, 4) } else { (3, 3) }, "{heard}");
    }
}
