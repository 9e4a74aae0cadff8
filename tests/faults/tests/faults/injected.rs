//! Faults that the gateway injects itself: what clients see of them, and how they come and go.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use trunkline_e2e::client::{ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::{process, wait};
use trunkline_faults::child::Child;
use trunkline_faults::row::{Target, impatient};
use trunkline_faults::server::Server;

const FAULTY: &str = env!("CARGO_BIN_EXE_faulty-stdio");
/// For a reload to be taken, or a lease to end.
const SOON: Duration = Duration::from_secs(10);

fn document(server: &Server, faults: Value) -> Value {
    json!({ "mcpServers": { "hit": impatient(json!({ "url": server.url() })) }, "faults": faults })
}

/// Writes the document anew and has it taken.
fn reload(gateway: &Gateway, edit: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(gateway.config()).expect("the configuration");
    let mut document: Value = serde_json::from_str(&text).expect("we wrote it");
    edit(&mut document);
    // Said when all of it is in force; the metric counts a little earlier.
    let taken =
        || gateway.log().iter().filter(|line| line.contains("the configuration was reloaded")).count();
    let before = taken();
    std::fs::write(gateway.config(), document.to_string()).expect("the folder is ours");
    process::signal(gateway.pid(), Signal::SIGHUP);
    wait::until(SOON, "the reload", || (taken() > before).then_some(()));
}

fn injected(gateway: &Gateway, kind: &str) -> f64 {
    gateway.metric("trunkline_faults_injected_total", &[&format!("kind=\"{kind}\""), "upstream=\"hit\""])
}

#[test]
fn each_kind_of_fault_looks_to_clients_like_the_real_thing() {
    let server = Server::polite();
    let gateway = Gateway::with(document(&server, json!([])));
    // Kind and parameters, what is seen, at least after, how often it reaches the server.
    let cases = [
        (json!({ "kind": "delay", "by": "300ms" }), None, 300, 1),
        (json!({ "kind": "stall", "by": "300ms" }), None, 300, 1),
        (json!({ "kind": "stall" }), Some("upstream_timeout"), 1000, 0),
        (json!({ "kind": "drop" }), Some("upstream_timeout"), 1000, 1),
        (json!({ "kind": "abort" }), Some("outcome_unknown"), 0, 0),
        (json!({ "kind": "abort", "as": "unreachable" }), Some("upstream_unavailable"), 0, 0),
        (json!({ "kind": "abort", "as": 503 }), Some("upstream_unavailable"), 0, 0),
        (json!({ "kind": "abort", "as": 500 }), Some("outcome_unknown"), 0, 0),
        (json!({ "kind": "truncate" }), Some("outcome_unknown"), 0, 1),
        (json!({ "kind": "garbage" }), Some("bad_answer"), 0, 1),
        (json!({ "kind": "duplicate" }), None, 0, 1),
    ];
    for (rule, reason, at_least, reaches) in cases {
        let kind = rule["kind"].as_str().expect("a kind").to_owned();
        reload(&gateway, |document| document["faults"] = json!({ "rules": [rule] }));
        let counted = injected(&gateway, &kind);
        for era in ERAS {
            let reached = server.calls();
            let mut client = gateway.client(era);
            let start = Instant::now();
            let reply = client.call("hit__echo", r#"{"n":1}"#);
            let took = start.elapsed();
            assert_eq!(reply.reason().as_deref(), reason, "{rule}: {}", reply.raw);
            assert!(took >= Duration::from_millis(at_least), "{rule}: {took:?}");
            assert!(took < Duration::from_millis(at_least + 1500), "{rule}: {took:?}");
            assert_eq!(server.calls() - reached, reaches, "{rule}");
            client.end();
        }
        // A server that could not be reached is down for a moment: then the second call gets no further.
        assert!(injected(&gateway, &kind) >= counted + 1.0, "{rule}");
        reload(&gateway, |document| document["faults"] = json!({}));
        wait::until(SOON, "calls to pass again", || {
            gateway.client(Era::Modern).call("hit__echo", "{}").reason().is_none().then_some(())
        });
    }
    // The call's log line names what was injected.
    gateway.says(&["call finished", "\"injected\":\"garbage\""]);
}

#[test]
fn rules_come_and_go_with_a_reload_and_no_server_is_restarted() {
    let child = Child::new(FAULTY, "polite");
    let gateway = Gateway::with(json!({ "mcpServers": { "hit": child.entry() } }));
    let processes = gateway.children("faulty-stdio");
    assert_eq!(processes.len(), 1);
    let health = || gateway.admin("/health").text();
    assert!(!health().contains("faults"));
    reload(&gateway, |document| {
        document["faults"] = json!([{ "kind": "abort", "tool": "e*", "percentage": 50, "seed": 3 }]);
    });
    let outcomes = || -> Vec<bool> {
        let mut client = gateway.client(Era::Modern);
        (0..40).map(|_| client.call("hit__echo", "{}").reason().is_none()).collect()
    };
    let first = outcomes();
    let passed = first.iter().filter(|passed| **passed).count();
    assert!((10..=30).contains(&passed), "{passed} of 40");
    assert!(health().contains("\"warning\":\"faults are injected on purpose"), "{}", health());
    gateway.says(&["WARN", "faults are injected"]);
    // The same seed from the start picks the same calls.
    reload(&gateway, |document| document["faults"] = json!([]));
    assert!(outcomes().iter().all(|passed| *passed), "no faults any more");
    reload(&gateway, |document| {
        document["faults"] = json!([{ "kind": "abort", "tool": "e*", "percentage": 50, "seed": 3 }]);
    });
    assert_eq!(outcomes(), first);
    assert_eq!(gateway.children("faulty-stdio"), processes, "the same process all the time");
}

#[test]
fn faults_are_refused_in_production() {
    let server = Server::polite();
    let gateway = Gateway::with(document(&server, json!({ "control": true })));
    let put = || gateway.admin_send("PUT", "/faults", r#"{"rules":[{"kind":"drop"}]}"#).head.status;
    assert_eq!(put(), 200);
    let bad = || gateway.metric("trunkline_config_reloads_total", &["result=\"error\""]);
    let text = std::fs::read_to_string(gateway.config()).expect("the configuration");
    let mut document: Value = serde_json::from_str(&text).expect("we wrote it");
    document["environment"] = json!("production");
    std::fs::write(gateway.config(), document.to_string()).expect("the folder is ours");
    process::signal(gateway.pid(), Signal::SIGHUP);
    wait::until(SOON, "the refusal", || (bad() > 0.5).then_some(()));
    gateway.says(&["no faults are injected on purpose in production"]);
    // Without the section it is production, and the rules that were set for a while are gone.
    reload(&gateway, |document| {
        document["environment"] = json!("production");
        document.as_object_mut().expect("a map").remove("faults");
    });
    assert_eq!(put(), 404);
    assert_eq!(gateway.client(Era::Modern).call("hit__echo", "{}").reason(), None);
}

#[test]
fn rules_that_were_set_for_a_while_go_by_themselves() {
    let server = Server::polite();
    let gateway = Gateway::with(document(&server, json!({ "control": true })));
    let reason = || gateway.client(Era::Modern).call("hit__echo", "{}").reason();
    let set = gateway.admin_send("PUT", "/faults", r#"{"lease":"1s","rules":[{"kind":"garbage"}]}"#);
    assert_eq!(set.head.status, 200, "{}", set.text());
    let set = Instant::now();
    assert_eq!(reason().as_deref(), Some("bad_answer"));
    wait::until(SOON, "the end of the lease", || reason().is_none().then_some(()));
    let over = set.elapsed();
    assert!(over >= Duration::from_millis(950) && over < Duration::from_secs(3), "{over:?}");

    gateway.admin_send("PUT", "/faults", r#"{"lease":"60s","rules":[{"kind":"garbage"}]}"#);
    assert_eq!(reason().as_deref(), Some("bad_answer"));
    assert!(gateway.admin("/faults").text().contains("\"leased\":1"));
    assert_eq!(gateway.admin_send("DELETE", "/faults", "").head.status, 200);
    assert_eq!(reason(), None);
}

#[test]
fn nobody_sets_faults_who_may_not_or_writes_nonsense() {
    let server = Server::polite();
    let closed = Gateway::with(document(&server, json!([])));
    assert_eq!(closed.admin_send("PUT", "/faults", r#"{"rules":[]}"#).head.status, 404);
    assert_eq!(closed.admin("/faults").head.status, 404);

    let open = Gateway::with(document(&server, json!({ "control": true })));
    let put = |body: &str| open.admin_send("PUT", "/faults", body);
    for (body, status, says) in [
        ("", 400, "no rules"),
        ("[]", 400, "expected a map"),
        (r#"{"rules":[{"kind":"dely","by":"1s"}]}"#, 400, "did you mean `delay`"),
        (r#"{"rules":[{"kind":"delay"}]}"#, 400, "add `by"),
        (r#"{"rules":[{"kind":"drop","by":"1s"}]}"#, 400, "belongs to delay and stall"),
        (r#"{"rules":[{"kind":"drop","tool":"["}]}"#, 400, "not a pattern"),
        (r#"{"rules":[{"kind":"drop","percentage":101}]}"#, 400, "0 to 100"),
        (r#"{"lease":"1d","rules":[]}"#, 400, "longer than"),
        (r#"{"rulez":[]}"#, 400, "did you mean `rules`"),
    ] {
        let answer = put(body);
        assert_eq!(answer.head.status, status, "{body}");
        assert!(answer.text().contains(says), "{body}: {}", answer.text());
    }
    let large = format!(r#"{{"rules":[],"x":"{}"}}"#, "x".repeat(100_000));
    assert_eq!(put(&large).head.status, 413);
    assert_eq!(open.admin_send("POST", "/faults", "{}").head.status, 405);
    assert_eq!(open.client(Era::Modern).call("hit__echo", "{}").reason(), None);
}
