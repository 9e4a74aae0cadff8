//! HTTP+SSE servers that misbehave, and what `type` pins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline_e2e::client::Era;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::scripted::{self, Scripted};
use trunkline_e2e::scripted_sse::{ENDPOINT, STREAM, ScriptedSse};
use trunkline_e2e::wait;

const TOOLS: &str = r#"[{"name":"echo","inputSchema":{"type":"object"}}]"#;
const DONE: &str = r#"{"content":[{"type":"text","text":"done"}]}"#;

fn good() -> ScriptedSse {
    ScriptedSse::start(ENDPOINT, TOOLS, |seen, stream, _| {
        stream.result(&seen.id(), DONE);
        true
    })
}

/// Why the server is not well, once it is known.
fn reason(gateway: &Gateway) -> String {
    wait::until(wait::LONG, "a reason", || {
        let list = gateway.client(Era::Modern).request("tools/list", "{}").value();
        list["_meta"]["io.trunkline/upstreams"]["one"]["reason"].as_str().map(str::to_owned)
    })
}

#[test]
fn the_probe_by_post_is_done_once_and_reconnects_go_straight_to_the_stream() {
    let server = good();
    let gateway = Gateway::start(&json!({ "one": server.entry() }));
    assert_eq!(gateway.client(Era::Modern).call("one__echo", "{}").text(), "done");
    let posts = |server: &ScriptedSse| {
        let seen = server.http.seen();
        seen.iter().filter(|seen| seen.verb == "POST" && seen.path == "/mcp").count()
    };
    let (probes, streams) = (posts(&server), server.streams());
    assert_eq!((probes, streams), (2, 1), "server/discover and initialize, then one stream");
    server.stream.close();
    wait::until(wait::LONG, "another stream", || (server.streams() > streams).then_some(()));
    wait::until(wait::LONG, "a call to pass", || {
        gateway.client(Era::Modern).call("one__echo", "{}").reason().is_none().then_some(())
    });
    assert_eq!(posts(&server), probes, "what was found is remembered");
}

#[test]
fn a_pinned_type_tries_nothing_else() {
    let server = good();
    let mut entry = server.entry();
    entry["type"] = json!("sse");
    let gateway = Gateway::start(&json!({ "one": entry.clone() }));
    assert_eq!(gateway.client(Era::Legacy).call("one__echo", "{}").text(), "done");
    assert!(
        server.http.seen().iter().all(|seen| seen.verb == "GET" || seen.path != "/mcp"),
        "nothing is probed"
    );

    let streams = server.streams();
    entry["type"] = json!("http");
    let gateway = Gateway::start(&json!({ "one": entry }));
    assert!(reason(&gateway).contains("404"), "{}", reason(&gateway));
    assert_eq!(server.streams(), streams, "no stream is asked for");
}

#[test]
fn where_neither_transport_answers_both_refusals_are_named() {
    let server = Scripted::start(|_, to| to.send(404, &[("Content-Type", "text/html")], "<html>"));
    let gateway = Gateway::start(&json!({ "one": server.entry() }));
    let reason = reason(&gateway);
    assert!(reason.contains("POST: HTTP 404") && reason.contains("GET: HTTP 404"), "{reason}");
}

#[test]
fn what_is_no_message_is_skipped() {
    let server = ScriptedSse::start(
        format!(": hello\n\nevent: other\ndata: x\n\nretry: 5\nid: 7\n\ndata: {{}}\n\n{ENDPOINT}"),
        TOOLS,
        |seen, stream, _| {
            stream.raw("data: not json\n\nevent: endpoint\ndata: http://evil.example/\n\nevent: else\ndata: {}\n\n:\n\ndata\n\n");
            stream.message("[]");
            stream.message(r#"{"jsonrpc":"2.0","id":999999,"result":{"content":[{"type":"text","text":"for somebody else"}]}}"#);
            stream.message(r#"{"jsonrpc":"2.0","id":"1","result":{}}"#);
            stream.result(&seen.id(), DONE);
            true
        },
    );
    let gateway = Gateway::start(&json!({ "one": server.entry() }));
    for _ in 0..3 {
        assert_eq!(gateway.client(Era::Modern).call("one__echo", "{}").text(), "done");
    }
    assert_eq!(server.streams(), 1, "the stream stood all the time");
}

#[test]
fn an_address_of_another_origin_is_not_followed() {
    let other = Scripted::start(|_, to| to.send(202, &[], ""));
    for address in [other.url(), other.url().replacen("http:", "", 1)] {
        let server =
            ScriptedSse::start(format!("event: endpoint\ndata: {address}\n\n"), TOOLS, |_, _, _| true);
        let mut entry = server.entry();
        entry["type"] = json!("sse");
        entry["headers"] = json!({ "Authorization": "Bearer canary-secret" });
        let gateway = Gateway::start(&json!({ "one": entry }));
        assert!(reason(&gateway).contains("another origin"), "{}", reason(&gateway));
        assert_eq!(other.seen().len(), 0, "credentials go nowhere else");
    }
}

#[test]
fn a_message_over_the_limit_fails_the_call_and_the_server_comes_back() {
    let huge = Arc::new(AtomicBool::new(true));
    let once = Arc::clone(&huge);
    let server = ScriptedSse::start(ENDPOINT, TOOLS, move |seen, stream, _| {
        if once.swap(false, Ordering::Relaxed) {
            stream.result(&seen.id(), &format!(r#"{{"content":[],"x":"{}"}}"#, "x".repeat(200_000)));
        } else {
            stream.result(&seen.id(), DONE);
        }
        true
    });
    let mut entry = server.entry();
    entry["maxMessageBytes"] = json!("64KiB");
    let gateway = Gateway::start(&json!({ "one": entry }));
    let reply = gateway.client(Era::Modern).call("one__echo", "{}");
    assert_eq!(reply.reason().as_deref(), Some("result_too_large"), "{}", reply.raw);
    comes_back(&gateway);
}

fn comes_back(gateway: &Gateway) {
    let text = wait::until(wait::LONG, "the server to come back", || {
        let reply = gateway.client(Era::Modern).call("one__echo", "{}");
        reply.reason().is_none().then(|| reply.text())
    });
    assert_eq!(text, "done");
}

#[test]
fn a_stream_that_ends_in_a_call_leaves_the_outcome_open() {
    let first = AtomicBool::new(true);
    let server = ScriptedSse::start(ENDPOINT, TOOLS, move |seen, stream, _| {
        if first.swap(false, Ordering::Relaxed) {
            stream.close();
        } else {
            stream.result(&seen.id(), DONE);
        }
        true
    });
    let gateway = Gateway::start(&json!({ "one": server.entry() }));
    let reply = gateway.client(Era::Modern).call("one__echo", "{}");
    assert_eq!(reply.reason().as_deref(), Some("outcome_unknown"), "{}", reply.raw);
    comes_back(&gateway);
}

#[test]
fn a_call_refused_because_the_session_has_gone_is_sent_again_over_a_new_one() {
    let gone = Arc::new(AtomicBool::new(false));
    let refuse = Arc::clone(&gone);
    let server = ScriptedSse::start(ENDPOINT, TOOLS, move |seen, stream, to| {
        if refuse.swap(false, Ordering::Relaxed) {
            to.send(404, &[], "Could not find session");
            return false;
        }
        stream.result(&seen.id(), DONE);
        true
    });
    let gateway = Gateway::start(&json!({ "one": server.entry() }));
    // A conversation of less than half a second counts as none, and its server as down for a moment.
    let start = Instant::now();
    wait::until(wait::LONG, "the conversation to count", || {
        (start.elapsed() > Duration::from_millis(600)).then_some(())
    });
    gone.store(true, Ordering::Relaxed);
    assert_eq!(gateway.client(Era::Modern).call("one__echo", "{}").text(), "done");
    assert_eq!((server.streams(), server.http.seen_of("tools/call").len()), (2, 2));
}

#[test]
fn a_server_that_opens_a_stream_and_says_nothing_has_a_reason() {
    for (kind, limit) in [(None, 4), (Some("sse"), 8)] {
        let server = Scripted::start(|seen, to| {
            if seen.verb == "GET" {
                to.raw(STREAM);
                return to.hang();
            }
            to.send(405, &[], "");
        });
        let mut entry = json!({ "url": server.url(), "timeouts": { "connect": "2s", "probe": "1s" } });
        if let Some(kind) = kind {
            entry["type"] = Value::from(kind);
        }
        let start = Instant::now();
        let gateway = Gateway::start(&json!({ "one": entry }));
        assert!(!reason(&gateway).is_empty());
        // Starting the gateway and asking it is part of it.
        assert!(start.elapsed() < Duration::from_secs(limit + 6), "{kind:?}: {:?}", start.elapsed());
    }
}

#[test]
fn a_message_that_is_never_acknowledged_is_answered_all_the_same_or_times_out() {
    let server = ScriptedSse::start(ENDPOINT, TOOLS, |seen, stream, to| {
        if seen.params().contains("answered") {
            stream.result(&seen.id(), DONE);
        }
        to.hang();
        false
    });
    let gateway = Gateway::start(&json!({ "one": server.entry() }));
    let mut client = gateway.client(Era::Modern);
    assert_eq!(client.call("one__echo", r#"{"how":"answered"}"#).text(), "done");
    let reply = client.call("one__echo", r#"{"how":"not"}"#);
    assert_eq!(reply.reason().as_deref(), Some("upstream_timeout"), "{}", reply.raw);
    assert_eq!(client.call("one__echo", r#"{"how":"answered"}"#).text(), "done", "the stream still stands");
}

#[test]
fn a_streamable_server_is_never_taken_for_the_old_transport() {
    let server = Scripted::start(|seen, to| {
        if !scripted::introduce(false, seen, to) && !scripted::list(false, TOOLS, seen, to) {
            to.result(&seen.id(), DONE);
        }
    });
    let gateway = Gateway::start(&json!({ "one": server.entry() }));
    assert_eq!(gateway.client(Era::Modern).call("one__echo", "{}").text(), "done");
    let first = server.seen().into_iter().find(|seen| seen.verb == "GET");
    assert!(
        first.is_none_or(|get| get.field("mcp-session-id").is_some()),
        "no stream outside of the session"
    );
}
