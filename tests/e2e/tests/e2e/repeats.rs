//! Calls that are sent again, and calls that never are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline_e2e::client::{ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::scripted::{self, Responder, Scripted, Seen};
use trunkline_e2e::wait;

const TOOLS: &str = r#"[
    {"name":"look","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}},
    {"name":"set","inputSchema":{"type":"object"},"annotations":{"idempotentHint":true,"readOnlyHint":false}},
    {"name":"pay","inputSchema":{"type":"object"}}
]"#;

/// A modern upstream whose calls and reads `answer` decides about, with the number of those so far.
fn upstream(
    answer: impl Fn(usize, &Seen, &mut Responder) + Send + Sync + 'static,
) -> (Scripted, Arc<AtomicUsize>) {
    let calls = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&calls);
    let upstream = Scripted::start(move |seen, to| {
        if scripted::introduce(true, seen, to) {
            return;
        }
        if seen.method() == "resources/list" {
            let resources = r#"{"resources":[{"uri":"a://b","name":"b"}],"resultType":"complete","ttlMs":60000,"cacheScope":"private"}"#;
            return to.result(&seen.id(), resources);
        }
        if scripted::list(true, TOOLS, seen, to) {
            return;
        }
        answer(counted.fetch_add(1, Ordering::SeqCst), seen, to);
    });
    (upstream, calls)
}

fn well(seen: &Seen, to: &mut Responder) {
    let result = match seen.method().as_str() {
        "resources/read" => {
            r#"{"resultType":"complete","contents":[{"uri":"a://b","text":"read"}],"ttlMs":0,"cacheScope":"private"}"#
        }
        _ => r#"{"resultType":"complete","content":[{"type":"text","text":"done"}]}"#,
    };
    to.result(&seen.id(), result);
}

/// A gateway before it, without a breaker: these tests fail on purpose.
fn before(upstream: &Scripted, retry: Value) -> Gateway {
    Gateway::start(&json!({ "one": { "url": upstream.url(), "circuitBreaker": "off", "retry": retry } }))
}

/// An upstream that breaks the connection under the first call after each success.
fn every_second_call_breaks() -> (Scripted, Arc<AtomicUsize>) {
    upstream(|number, seen, to| if number % 2 == 0 { to.close() } else { well(seen, to) })
}

#[test]
fn a_tool_runs_twice_only_when_it_says_so_and_is_believed() {
    for (retry, tool, runs) in [
        (json!({}), "look", 1),
        (json!({ "tools": ["other"] }), "look", 1),
        (json!({ "tools": ["*"] }), "pay", 1),
        (json!({ "trustAnnotations": true }), "pay", 1),
        (json!({ "trustAnnotations": true }), "look", 2),
        (json!({ "trustAnnotations": true }), "set", 2),
        (json!({ "tools": ["lo*"] }), "look", 2),
        (json!("off"), "look", 1),
    ] {
        for era in ERAS {
            let (upstream, calls) = every_second_call_breaks();
            let gateway = before(&upstream, retry.clone());
            let reply = gateway.client(era).call(&format!("one__{tool}"), "{}");
            assert_eq!(calls.load(Ordering::SeqCst), runs, "{retry} {tool}");
            if runs == 1 {
                assert_eq!(reply.reason().as_deref(), Some("outcome_unknown"), "{}", reply.raw);
            } else {
                assert_eq!(reply.text(), "done", "{retry} {tool}");
                let retried = gateway.metric("trunkline_retries_total", &["reason=\"broken\""]);
                assert!((retried - 1.0).abs() < 0.5, "{retried}");
            }
        }
    }
}

#[test]
fn a_call_that_may_not_run_twice_runs_once_however_often_connections_break() {
    let (upstream, calls) = upstream(|number, seen, to| match number % 3 {
        0 => to.close(),
        1 => to.send(502, &[], ""),
        _ => well(seen, to),
    });
    let gateway = before(&upstream, json!({ "trustAnnotations": true }));
    let mut client = gateway.client(Era::Modern);
    for number in 0..60 {
        let reply = client.call("one__pay", "{}");
        assert_eq!(reply.reason().is_some(), number % 3 != 2, "{}", reply.raw);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 60);
}

#[test]
fn reads_are_sent_again_unless_the_operator_says_otherwise() {
    for (retry, runs) in [(json!({}), 2), (json!({ "reads": false }), 1)] {
        let (upstream, calls) = every_second_call_breaks();
        let gateway = before(&upstream, retry);
        let reply = gateway.client(Era::Legacy).request("resources/read", r#"{"uri":"a://b"}"#);
        assert_eq!(calls.load(Ordering::SeqCst), runs, "{}", reply.raw);
        assert_eq!(reply.code().is_none(), runs == 2, "{}", reply.raw);
    }
}

#[test]
fn a_key_that_the_server_honours_lets_a_call_run_again_and_reaches_the_server() {
    for (honoured, runs) in [(true, 2), (false, 1)] {
        let (upstream, calls) = every_second_call_breaks();
        let gateway = before(&upstream, json!({ "idempotencyKeys": honoured }));
        let mut client = gateway.client(Era::Modern);
        client.meta = r#""io.trunkline/idempotencyKey":"k-1""#.to_owned();
        client.call("one__pay", "{}");
        assert_eq!(calls.load(Ordering::SeqCst), runs, "honoured: {honoured}");
        let sent = upstream.seen().into_iter().filter(|seen| seen.method() == "tools/call");
        assert!(sent.into_iter().all(|seen| seen.body.contains("k-1")));
        client.meta.clear();
        let so_far = calls.load(Ordering::SeqCst);
        client.call("one__pay", "{}");
        assert_eq!(calls.load(Ordering::SeqCst), so_far + 1, "without a key it runs once");
    }
}

#[test]
fn no_more_is_sent_again_than_the_budget_allows() {
    let (upstream, calls) = upstream(|_, _, to| to.send(500, &[], ""));
    let budget = json!({ "budget": { "percent": 10, "perSecond": 1 }, "first": "1ms" });
    let gateway = before(&upstream, budget);
    let mut client = gateway.client(Era::Modern);
    let start = Instant::now();
    for _ in 0..50 {
        client.request("resources/read", r#"{"uri":"a://b"}"#);
    }
    let repeats = calls.load(Ordering::SeqCst) - 50;
    let allowed = 1 + 5 + start.elapsed().as_secs() as usize + 1;
    assert!((1..=allowed).contains(&repeats), "{repeats} of {allowed}");
    assert!(gateway.metric("trunkline_retry_budget_exhausted_total", &["upstream=\"one\""]) >= 1.0);
}

#[test]
fn a_plea_for_patience_is_heard() {
    let (upstream, calls) = upstream(|number, seen, to| match number {
        0 => to.send(429, &[("Retry-After", "1")], ""),
        1 => to.send(503, &[("Retry-After", "60")], ""),
        _ => well(seen, to),
    });
    let gateway = before(&upstream, json!({}));
    let mut client = gateway.client(Era::Modern);
    let start = Instant::now();
    let reply = client.request("resources/read", r#"{"uri":"a://b"}"#);
    // The first plea is short and is heard, the second is longer than `retry.max` and is passed on.
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(reply.error()["data"]["retryAfterMs"], 60_000, "{}", reply.raw);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn a_slow_read_only_tool_gets_a_second_call_and_the_loser_is_taken_back() {
    let given_up = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&given_up);
    let (upstream, calls) = upstream(move |number, seen, to| {
        if number > 0 {
            return well(seen, to);
        }
        // Returns when the gateway closes the exchange.
        to.hang();
        told.store(true, Ordering::SeqCst);
    });
    let gateway = before(&upstream, json!({ "trustAnnotations": true, "hedgeAfter": "200ms" }));
    let start = Instant::now();
    assert_eq!(gateway.client(Era::Modern).call("one__look", "{}").text(), "done");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    wait::until(Duration::from_secs(5), "the end of the first", || {
        given_up.load(Ordering::SeqCst).then_some(())
    });
    assert!((gateway.metric("trunkline_hedges_won_total", &["upstream=\"one\""]) - 1.0).abs() < 0.5);
}
