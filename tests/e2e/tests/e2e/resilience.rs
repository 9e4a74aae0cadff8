//! Servers that fail for a while: they are left alone, tried again, and nothing runs twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use trunkline_e2e::client::{ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::scripted::{self, Responder, Scripted, Seen};
use trunkline_e2e::{process, wait};

const SCRIPTED: &str = env!("CARGO_BIN_EXE_scripted-stdio");
const TOOLS: &str = r#"[{"name":"do","inputSchema":{"type":"object"}}]"#;

/// A modern upstream whose calls `answer` decides about, with the number of calls so far.
fn upstream(
    answer: impl Fn(usize, &Seen, &mut Responder) + Send + Sync + 'static,
) -> (Scripted, Arc<AtomicUsize>) {
    let calls = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&calls);
    let upstream = Scripted::start(move |seen, to| {
        if scripted::introduce(true, seen, to) || scripted::list(true, TOOLS, seen, to) {
            return;
        }
        answer(counted.fetch_add(1, Ordering::SeqCst), seen, to);
    });
    (upstream, calls)
}

fn well(seen: &Seen, to: &mut Responder) {
    to.result(&seen.id(), r#"{"resultType":"complete","content":[{"type":"text","text":"done"}]}"#);
}

fn entry(upstream: &Scripted, more: Value) -> Value {
    let mut entry = upstream.entry();
    for (key, value) in more.as_object().expect("keys") {
        entry[key] = value.clone();
    }
    entry
}

#[test]
fn a_server_that_fails_is_left_alone_and_comes_back() {
    for era in ERAS {
        let failing = Arc::new(AtomicBool::new(true));
        let fails = Arc::clone(&failing);
        let (upstream, calls) =
            upstream(
                move |_, seen, to| {
                    if fails.load(Ordering::SeqCst) { to.send(500, &[], "") } else { well(seen, to) }
                },
            );
        let breaker =
            json!({ "circuitBreaker": { "consecutiveFailures": 3, "open": "400ms", "openMax": "1s" } });
        let gateway = Gateway::start(&json!({ "one": entry(&upstream, breaker) }));
        let mut client = gateway.client(era);
        for _ in 0..3 {
            assert_eq!(client.call("one__do", "{}").reason().as_deref(), Some("outcome_unknown"));
        }
        let refused = client.call("one__do", "{}");
        assert_eq!(refused.reason().as_deref(), Some("circuit_open"), "{}", refused.raw);
        let fault = &refused.value()["_meta"]["io.trunkline/fault"];
        assert!(fault["retryAfterMs"].as_u64().is_some_and(|ms| ms <= 400), "{fault}");
        assert_eq!(calls.load(Ordering::SeqCst), 3, "the refused call never reached it");

        let circuit = client.status()["servers"]["one"]["circuit"].clone();
        assert_ne!(circuit["state"], "closed", "{circuit}");
        let health = gateway.admin("/health").text();
        assert!(health.contains("\"degraded\"") && health.contains("\"circuit\""), "{health}");
        let one = &["upstream=\"one\""];
        assert!(gateway.metric("trunkline_circuit_refused_total", one) >= 1.0);
        let opened = &["upstream=\"one\"", "to=\"open\""];
        assert!(gateway.metric("trunkline_circuit_transitions_total", opened) >= 1.0);
        assert!(gateway.metric("trunkline_circuit_state", one) >= 1.0);

        failing.store(false, Ordering::SeqCst);
        wait::until(Duration::from_secs(10), "the server's return", || {
            (client.call("one__do", "{}").reason().is_none()).then_some(())
        });
        assert_eq!(client.status()["servers"]["one"]["circuit"]["state"], "closed");
        assert!(gateway.metric("trunkline_circuit_state", one) < 0.5);
        let log = gateway.log().join("\n");
        assert!(log.contains("circuit breaker") && log.contains("3 calls failed in a row"), "{log}");
    }
}

#[test]
fn errors_that_a_server_reports_are_answers() {
    let (upstream, calls) = upstream(|number, seen, to| match number % 3 {
        0 => to.result(&seen.id(), r#"{"resultType":"complete","content":[],"isError":true}"#),
        1 => to.error(200, &seen.id(), r#"{"code":-32602,"message":"no"}"#),
        _ => to.error(400, &seen.id(), r#"{"code":-32603,"message":"no"}"#),
    });
    let breaker = json!({ "circuitBreaker": { "consecutiveFailures": 2, "minimumCalls": 2 } });
    let gateway = Gateway::start(&json!({ "one": entry(&upstream, breaker) }));
    let mut client = gateway.client(Era::Modern);
    for _ in 0..30 {
        client.call("one__do", "{}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 30);
    assert_eq!(client.status()["servers"]["one"]["circuit"]["state"], "closed");
}

#[test]
fn a_tool_with_a_breaker_of_its_own_does_not_take_the_others_along() {
    let tools =
        r#"[{"name":"do","inputSchema":{"type":"object"}},{"name":"slow","inputSchema":{"type":"object"}}]"#;
    let upstream = Scripted::start(move |seen, to| {
        if scripted::introduce(true, seen, to) || scripted::list(true, tools, seen, to) {
            return;
        }
        if seen.params().contains("\"slow\"") { to.send(500, &[], "") } else { well(seen, to) }
    });
    let breaker = json!({ "circuitBreaker": { "consecutiveFailures": 2, "tools": ["sl*"] } });
    let gateway = Gateway::start(&json!({ "one": entry(&upstream, breaker) }));
    let mut client = gateway.client(Era::Modern);
    for _ in 0..2 {
        client.call("one__slow", "{}");
    }
    assert_eq!(client.call("one__slow", "{}").reason().as_deref(), Some("circuit_open"));
    assert_eq!(client.call("one__do", "{}").text(), "done");
    let circuit = client.status()["servers"]["one"]["circuit"].clone();
    assert_eq!((&circuit["state"], &circuit["tools"]["slow"]), (&json!("closed"), &json!("open")));
}

#[test]
fn a_breaker_is_forced_open_and_freed_by_a_reload_without_a_restart_of_the_server() {
    let entry =
        |force: Value| json!({ "one": { "command": SCRIPTED, "args": ["polite"], "circuitBreaker": force } });
    let gateway = Gateway::start(&entry(json!({ "force": "open" })));
    let mut client = gateway.client(Era::Legacy);
    let children = gateway.children("scripted-stdio");
    assert_eq!(client.call("one__echo", "{}").reason().as_deref(), Some("circuit_open"));
    assert_eq!(client.status()["servers"]["one"]["circuit"]["forced"], true);

    let mut document: Value =
        serde_json::from_slice(&std::fs::read(gateway.config()).expect("the document")).expect("it is JSON");
    document["mcpServers"] = entry(json!({ "consecutiveFailures": 7 }));
    std::fs::write(gateway.config(), document.to_string()).expect("the folder is ours");
    process::signal(gateway.pid(), Signal::SIGHUP);
    wait::until(Duration::from_secs(10), "the reload", || {
        client.call("one__echo", "{}").reason().is_none().then_some(())
    });
    assert_eq!(gateway.children("scripted-stdio"), children, "the same process");
}
