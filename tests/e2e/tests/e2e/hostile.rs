//! Upstreams that misbehave: the gateway stays up, the others work, and the reason is seen.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline_e2e::client::{ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::scripted::{self, Scripted};
use trunkline_e2e::{peers, process, wait};

const SCRIPTED: &str = env!("CARGO_BIN_EXE_scripted-stdio");

fn stdio(behaviour: &str) -> Value {
    json!({
        "command": SCRIPTED,
        "args": [behaviour],
        "timeouts": { "connect": "3s", "probe": "1s", "idle": "2s", "list": "3s" },
        "restart": { "first": "5s", "max": "60s" },
    })
}

/// The bad one beside a good one. Until both have settled nothing is asked.
fn beside_a_good_one(bad: &Value) -> Gateway {
    Gateway::start(&json!({ "bad": bad, "good": peers::everything_0_6().entry() }))
}

fn the_good_one_works(gateway: &mut Gateway) {
    for era in ERAS {
        let mut client = gateway.client(era);
        assert_eq!(client.call("good__echo", r#"{"message":"a"}"#).text(), "Echo: a");
        assert!(client.tool_names().iter().any(|name| name == "good__add"));
    }
    assert!(gateway.runs());
}

/// Why the bad one is not well, from the list's `_meta`.
fn reason(gateway: &Gateway) -> String {
    let list = gateway.client(Era::Modern).request("tools/list", "{}").value();
    let note = &list["_meta"]["io.trunkline/upstreams"]["bad"];
    note["reason"].as_str().unwrap_or_else(|| panic!("no reason in {}", list["_meta"])).to_owned()
}

#[test]
fn an_old_server_that_dies_of_the_probe_or_ignores_it_is_started_again_as_legacy() {
    for behaviour in ["die-on-probe", "silent-on-probe"] {
        let mut gateway = beside_a_good_one(&stdio(behaviour));
        the_good_one_works(&mut gateway);
        let mut client = gateway.client(Era::Modern);
        assert_eq!(client.call("bad__echo", r#"{"a":1}"#).text(), r#"{"a":1}"#, "{behaviour}");
        assert_eq!(gateway.children(SCRIPTED).len(), 1, "{behaviour}: never two at a time, none left over");
        let starts = gateway.metric("trunkline_child_starts_total", &["upstream=\"bad\""]);
        assert!((starts - 2.0).abs() < 0.5, "{behaviour}: the probe cost one start: {starts}");
        assert!(
            (gateway.metric("trunkline_upstream_up", &["upstream=\"bad\"", "era=\"legacy\""]) - 1.0).abs()
                < 0.5
        );
    }
}

#[test]
fn real_old_servers_are_reached_whatever_the_probe_does_to_them() {
    let gateway = Gateway::start(&json!({
        "old": peers::everything_0_6().entry(),
        "time": peers::time().entry(),
        "dual": peers::ts_server("dual").entry(),
        "rmcp": peers::rmcp_server().entry(),
    }));
    for (server, era) in [("old", "legacy"), ("time", "legacy"), ("dual", "modern"), ("rmcp", "modern")] {
        let labels = [format!("upstream=\"{server}\""), format!("era=\"{era}\"")];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        assert!((gateway.metric("trunkline_upstream_up", &labels) - 1.0).abs() < 0.5, "{server} is {era}");
    }
}

#[test]
fn a_configured_era_is_not_probed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let log = dir.path().join("seen.txt");
    let mut entry = stdio("die-on-probe");
    entry["args"] = json!(["die-on-probe", log]);
    entry["era"] = json!("legacy");
    let gateway = Gateway::start(&json!({ "bad": entry }));
    assert_eq!(gateway.client(Era::Legacy).call("bad__echo", "{}").text(), "{}");
    let seen = std::fs::read_to_string(log).expect("it was started");
    assert!(!seen.contains("server/discover"), "{seen}");
    assert!(seen.lines().next().is_some_and(|line| line.contains("\"initialize\"")), "{seen}");
    assert!(seen.lines().nth(1).is_some_and(|line| line.contains("notifications/initialized")), "{seen}");
}

#[test]
fn garbage_on_stdout_is_skipped() {
    let mut gateway = beside_a_good_one(&stdio("garbage"));
    the_good_one_works(&mut gateway);
    assert_eq!(gateway.client(Era::Modern).call("bad__echo", r#"{"a":1}"#).text(), r#"{"a":1}"#);
}

#[test]
fn a_server_that_never_answers_is_given_up_with_a_reason() {
    let mut gateway = beside_a_good_one(&stdio("never"));
    the_good_one_works(&mut gateway);
    assert!(!reason(&gateway).is_empty());
    let reply = gateway.client(Era::Modern).call("bad__echo", "{}");
    assert!(
        reply.code() == Some(-32602) || reply.reason().as_deref() == Some("upstream_unavailable"),
        "{}",
        reply.raw
    );
}

#[test]
fn a_line_of_a_hundred_megabytes_fails_one_call_and_no_memory() {
    let mut gateway = beside_a_good_one(&stdio("huge-line"));
    let before = process::resident_kib(gateway.pid());
    let start = Instant::now();
    let reply = gateway.client(Era::Modern).call("bad__echo", "{}");
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(reply.reason().as_deref(), Some("result_too_large"), "{}", reply.raw);
    let grown = process::resident_kib(gateway.pid()).saturating_sub(before);
    // Buffers up to the allowed size, and what an allocator keeps of them; never the whole line.
    assert!(grown < 80 * 1024, "memory grew by {grown} KiB");
    the_good_one_works(&mut gateway);
}

#[test]
fn an_answer_to_nobody_reaches_nobody() {
    let mut gateway = beside_a_good_one(&stdio("wrong-id"));
    let reply = gateway.client(Era::Legacy).call("bad__echo", "{}");
    assert_eq!(reply.reason().as_deref(), Some("upstream_timeout"), "{}", reply.raw);
    assert!(!reply.raw.contains("for somebody else"));
    the_good_one_works(&mut gateway);
}

#[test]
fn pages_without_end_end() {
    let mut gateway = beside_a_good_one(&stdio("endless-pages"));
    the_good_one_works(&mut gateway);
    let tools = gateway.client(Era::Modern).tool_names();
    let bad = tools.iter().filter(|name| name.starts_with("bad__")).count();
    assert!(bad <= 10_000, "{bad} tools");
}

#[test]
fn html_instead_of_mcp_is_named_as_such() {
    let upstream = Scripted::start(|_, to| {
        to.send(200, &[("Content-Type", "text/html")], "<html><body>Please log in</body></html>");
    });
    let mut gateway = beside_a_good_one(&http(&upstream));
    the_good_one_works(&mut gateway);
    let reason = reason(&gateway);
    assert!(!reason.contains("<html>"), "no page of somebody else's in our answers: {reason}");
}

fn http(upstream: &Scripted) -> Value {
    json!({ "url": upstream.url(), "timeouts": { "connect": "3s", "probe": "1s", "idle": "2s", "list": "3s" } })
}

#[test]
fn a_refused_connection_an_error_page_and_silence_have_a_reason_each() {
    let down = Scripted::start(|_, to| to.send(503, &[("Content-Type", "text/plain")], "no"));
    let silent = Scripted::start(|_, to| to.hang());
    let cut = Scripted::start(|_, to| {
        to.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"json");
        to.close();
    });
    let closed = { json!({ "url": "http://127.0.0.1:9/mcp", "timeouts": { "connect": "3s" } }) };
    for (about, entry) in
        [("503", http(&down)), ("silence", http(&silent)), ("a cut answer", http(&cut)), ("refused", closed)]
    {
        let mut gateway = beside_a_good_one(&entry);
        the_good_one_works(&mut gateway);
        assert!(!reason(&gateway).is_empty(), "{about}");
    }
}

#[test]
fn a_redirect_on_the_same_origin_is_followed_with_its_body() {
    let upstream = Scripted::start(|seen, to| {
        if seen.path == "/mcp" {
            return to.send(307, &[("Location", "/mcp/")], "");
        }
        if scripted::introduce(false, seen, to) || scripted::list(false, TOOLS, seen, to) {
            return;
        }
        to.result(&seen.id(), r#"{"content":[{"type":"text","text":"at the slash"}]}"#);
    });
    let gateway = Gateway::start(&json!({ "one": upstream.entry() }));
    for era in ERAS {
        assert_eq!(gateway.client(era).call("one__echo", "{}").text(), "at the slash");
    }
    let calls: Vec<_> = upstream.seen_of("tools/call").into_iter().map(|seen| seen.path).collect();
    assert_eq!(calls, ["/mcp/", "/mcp/"], "the address is remembered");
}

const TOOLS: &str = r#"[{"name":"echo","inputSchema":{"type":"object"}}]"#;

#[test]
fn a_redirect_elsewhere_is_not_followed() {
    let other = Scripted::start(|_, to| to.send(200, &[], ""));
    // Whole, and relative to the scheme alone.
    for target in [other.url(), other.url().replacen("http:", "", 1)] {
        let upstream = Scripted::start(move |_, to| to.send(307, &[("Location", target.as_str())], ""));
        let mut entry = http(&upstream);
        entry["headers"] = json!({ "Authorization": "Bearer canary-secret" });
        let mut gateway = beside_a_good_one(&entry);
        the_good_one_works(&mut gateway);
        assert_eq!(other.seen().len(), 0, "credentials go nowhere else");
        assert!(!reason(&gateway).is_empty());
        assert!(!gateway.log().join("\n").contains("canary-secret"));
    }
}

#[test]
fn a_lost_session_is_opened_again_for_the_next_call() {
    let generation = AtomicUsize::new(0);
    let upstream = Scripted::start(move |seen, to| {
        let session = format!("session-{}", generation.load(Ordering::Relaxed));
        if seen.method() == "initialize" {
            let id = seen.id();
            let result = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{{"name":"s","version":"1"}}}}}}"#,
                scripted::CAPABILITIES
            );
            return to.send(
                200,
                &[("Content-Type", "application/json"), ("Mcp-Session-Id", &session)],
                &result,
            );
        }
        let stale = seen.field("mcp-session-id").is_some_and(|given| given != session);
        if stale && seen.verb == "POST" {
            return to.json(
                404,
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#,
            );
        }
        if scripted::introduce(false, seen, to) || scripted::list(false, TOOLS, seen, to) {
            return;
        }
        generation.fetch_add(1, Ordering::Relaxed);
        to.result(&seen.id(), r#"{"content":[{"type":"text","text":"done"}]}"#);
    });
    let gateway = Gateway::start(&json!({ "one": upstream.entry() }));
    let mut client = gateway.client(Era::Modern);
    for _ in 0..3 {
        // Each call makes the server forget the session.
        wait::until(Duration::from_secs(10), "a call after the session was lost", || {
            let reply = client.call("one__echo", "{}");
            (reply.value()["isError"] != true).then_some(())
        });
    }
    assert!(upstream.seen_of("initialize").len() <= 6, "one new session each time");
}

#[test]
fn a_burst_of_calls_to_a_slow_server_does_not_hold_up_the_quick_one() {
    let slow = Scripted::start(|seen, to| {
        if !scripted::introduce(true, seen, to) && !scripted::list(true, TOOLS, seen, to) {
            std::thread::sleep(Duration::from_secs(2));
            to.result(&seen.id(), r#"{"resultType":"complete","content":[{"type":"text","text":"late"}]}"#);
        }
    });
    let gateway = Gateway::start(
        &json!({ "slow": slow.entry(), "quick": { "command": SCRIPTED, "args": ["polite"] } }),
    );
    let mut waiting: Vec<_> = (0..50).map(|_| gateway.client(Era::Modern)).collect();
    for client in &mut waiting {
        client.start("tools/call", r#"{"name":"slow__echo","arguments":{}}"#).expect("it reads");
    }
    let mut client = gateway.client(Era::Modern);
    let start = Instant::now();
    for _ in 0..100 {
        client.call("quick__echo", "{}").result();
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    for mut client in waiting {
        assert_eq!(client.finish().expect("it answers").text(), "late");
    }
}
