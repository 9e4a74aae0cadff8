//! Streams of legacy servers that end before the answer came, and are gone on with.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use trunkline_e2e::client::{ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::reply::Reply;
use trunkline_e2e::scripted::{self, Responder, Scripted, Seen};
use trunkline_e2e::scripted_sse::STREAM;
use trunkline_e2e::wait;

const TOOLS: &str = r#"[{"name":"echo","inputSchema":{"type":"object"}}]"#;
const HANG: &str = "(hang)";
const HELD: &str = "nobody panics while holding it";

/// What one GET that goes on with a stream is answered with.
#[derive(Clone)]
enum Next {
    Events(&'static str),
    Status(u16),
}

/// The call and the GETs that went on with its stream.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Instant, Seen)>>>);

impl Log {
    fn gets(&self) -> Vec<(Instant, Seen)> {
        self.0.lock().expect(HELD).iter().filter(|(_, seen)| seen.verb == "GET").cloned().collect()
    }
}

/// A legacy server whose answer to a call begins with `first` and goes on with `rest`, one GET after the other. `{id}`
/// is the call's number. Its head names a length when the stream is to break rather than end.
fn server(broken: bool, first: &'static str, rest: Vec<Next>) -> (Scripted, Log) {
    let log = Log::default();
    let (seen_by, rest) = (log.clone(), Mutex::new(VecDeque::from(rest)));
    let call = Mutex::new(String::new());
    let server = Scripted::start(move |seen, to| {
        let resumes = seen.verb == "GET" && seen.field("last-event-id").is_some();
        if resumes || seen.method() == "tools/call" {
            seen_by.0.lock().expect(HELD).push((Instant::now(), seen.clone()));
        }
        if resumes {
            let next = rest.lock().expect(HELD).pop_front().unwrap_or(Next::Events(""));
            let id = call.lock().expect(HELD).clone();
            match next {
                Next::Events(events) => stream(false, &events.replace("{id}", &id), to),
                Next::Status(status) => to.send(status, &[], ""),
            }
        } else if seen.method() == "tools/call" {
            *call.lock().expect(HELD) = seen.id();
            stream(broken, &first.replace("{id}", &seen.id()), to);
        } else if !scripted::introduce(false, seen, to) {
            scripted::list(false, TOOLS, seen, to);
        }
    });
    (server, log)
}

fn stream(broken: bool, events: &str, to: &mut Responder) {
    if broken {
        to.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100000\r\n\r\n");
    } else {
        to.raw(STREAM);
    }
    to.raw(events.trim_end_matches(HANG).as_bytes());
    if events.ends_with(HANG) {
        return to.hang();
    }
    to.close();
}

fn call(server: &Scripted, era: Era) -> Reply {
    let gateway = Gateway::start(&json!({ "one": server.entry() }));
    gateway.client(era).call("one__echo", "{}")
}

const ANSWER: &str = "id: e9\ndata: {\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"done\"}]}}\n\n";

#[test]
fn a_server_that_closes_its_stream_to_be_polled_is_polled_at_its_pace() {
    for era in ERAS {
        let rest = vec![Next::Events("id: e2\nretry: 200\ndata:\n\n"), Next::Events(ANSWER)];
        let (server, log) = server(false, "id: e1\nretry: 500\ndata:\n\n", rest);
        assert_eq!(call(&server, era).text(), "done");
        let gets = log.gets();
        let ids: Vec<_> =
            gets.iter().map(|(_, seen)| seen.field("last-event-id").unwrap_or_default()).collect();
        assert_eq!(ids, ["e1", "e2"]);
        for (_, seen) in &gets {
            assert_eq!(seen.field("mcp-session-id"), Some("scripted-session"));
            assert_eq!(seen.field("mcp-protocol-version"), Some("2025-11-25"));
        }
        let called = log.0.lock().expect(HELD)[0].0;
        let waits = [gets[0].0 - called, gets[1].0 - gets[0].0];
        assert!(
            waits[0] >= Duration::from_millis(500) && waits[1] >= Duration::from_millis(200),
            "{waits:?}"
        );
        assert_eq!(server.seen_of("tools/call").len(), 1, "the call itself is sent once");
    }
}

#[test]
fn a_stream_that_breaks_is_gone_on_with_also_after_a_passing_error() {
    let rest = vec![Next::Status(503), Next::Events(ANSWER)];
    let (server, log) = server(true, "id: e1\nretry: 100\ndata:\n\n", rest);
    assert_eq!(call(&server, Era::Modern).text(), "done");
    assert_eq!(log.gets().len(), 2);
}

#[test]
fn a_server_that_does_not_go_on_leaves_the_outcome_open() {
    for status in [405, 404, 400] {
        let (server, log) = server(false, "id: e1\nretry: 100\ndata:\n\n", vec![Next::Status(status)]);
        let reply = call(&server, Era::Modern);
        assert_eq!(reply.reason().as_deref(), Some("outcome_unknown"), "{status}: {}", reply.raw);
        assert_eq!(log.gets().len(), 1, "{status} is final");
    }
}

#[test]
fn a_server_that_brings_nothing_new_is_given_up() {
    let (server, log) = server(false, "id: e1\nretry: 100\ndata:\n\n", Vec::new());
    let reply = call(&server, Era::Modern);
    assert_eq!(reply.reason().as_deref(), Some("outcome_unknown"), "{}", reply.raw);
    assert_eq!(log.gets().len(), 3);
}

#[test]
fn a_stream_without_ids_is_not_gone_on_with() {
    let note = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":1}}\n\n";
    let (server, log) = server(false, note, Vec::new());
    let reply = call(&server, Era::Legacy);
    assert_eq!(reply.reason().as_deref(), Some("outcome_unknown"), "{}", reply.raw);
    assert!(log.gets().is_empty());
}

#[test]
fn a_modern_stream_is_not_gone_on_with() {
    let server = Scripted::start(|seen, to| {
        if seen.method() == "tools/call" {
            stream(false, "id: e1\nretry: 100\ndata:\n\n", to);
        } else if !scripted::introduce(true, seen, to) {
            scripted::list(true, TOOLS, seen, to);
        }
    });
    let reply = call(&server, Era::Modern);
    assert_eq!(reply.reason().as_deref(), Some("outcome_unknown"), "{}", reply.raw);
    assert!(server.seen().iter().all(|seen| seen.verb != "GET"));
}

#[test]
fn a_change_stream_is_opened_again_where_it_stood_and_tells_what_happened_meanwhile() {
    let opened = Arc::new(Mutex::new(Vec::<(Instant, Option<String>)>::new()));
    let log = Arc::clone(&opened);
    let server = Scripted::start(move |seen, to| {
        if seen.verb == "GET" {
            let from = seen.field("last-event-id").map(str::to_owned);
            log.lock().expect(HELD).push((Instant::now(), from.clone()));
            return match from.as_deref() {
                None => stream(false, "id: s1\nretry: 700\ndata:\n\n", to),
                Some("s1") => {
                    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
                    stream(false, &format!("id: s2\ndata: {changed}\n\n{HANG}"), to);
                }
                Some(_) => to.hang(),
            };
        }
        if !scripted::introduce(false, seen, to) {
            scripted::list(false, TOOLS, seen, to);
        }
    });
    let _gateway = Gateway::start(&json!({ "one": server.entry() }));
    wait::until(wait::LONG, "the list to be read again", || {
        (server.seen_of("tools/list").len() == 2).then_some(())
    });
    let opened = opened.lock().expect(HELD);
    assert_eq!(opened[1].1.as_deref(), Some("s1"));
    let wait = opened[1].0 - opened[0].0;
    assert!(wait >= Duration::from_millis(700), "{wait:?}");
    // Closed in order and gone on with: nothing was missed, so nothing else is read again.
    assert_eq!(server.seen_of("resources/list").len(), 1);
}
