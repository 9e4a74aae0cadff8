//! Servers with several equal members, and servers with a stand-in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use trunkline_e2e::client::{ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::{peers, process, wait};

const SCRIPTED: &str = env!("CARGO_BIN_EXE_scripted-stdio");
const READ: &str = r#"{"uri":"test://static/resource/1"}"#;

/// What came of reads under load.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    done: AtomicUsize,
    failed: AtomicUsize,
}

/// Reads without pause in both eras while `work` runs; returns what failed.
fn under_load(gateway: &Gateway, work: impl FnOnce(&Load)) -> (usize, usize) {
    let load = Arc::<Load>::default();
    let readers: Vec<_> = ERAS
        .into_iter()
        .cycle()
        .take(4)
        .map(|era| {
            let (mut client, load) = (gateway.client(era), Arc::clone(&load));
            thread::spawn(move || {
                while !load.stop.load(Ordering::SeqCst) {
                    let reply = client.request("resources/read", READ);
                    load.done.fetch_add(1, Ordering::SeqCst);
                    if !reply.raw.contains("\"contents\"") {
                        eprintln!("a read failed: {:.500}", reply.raw);
                        load.failed.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    work(&load);
    load.stop.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.join().expect("a reader");
    }
    (load.done.load(Ordering::SeqCst), load.failed.load(Ordering::SeqCst))
}

fn more(load: &Load, reads: usize) {
    let goal = load.done.load(Ordering::SeqCst) + reads;
    wait::until(wait::LONG, "more reads", || (load.done.load(Ordering::SeqCst) >= goal).then_some(()));
}

fn members(gateway: &Gateway) -> Vec<Value> {
    let status = gateway.client(Era::Modern).status();
    status["servers"]["one"]["members"].as_array().cloned().unwrap_or_default()
}

#[test]
fn one_of_two_endpoints_is_killed_under_load_and_no_read_fails() {
    // Real servers over HTTP: two further gateways, each with a process of its own.
    let mut inner: Vec<Gateway> =
        (0..2).map(|_| Gateway::transparent(peers::everything_0_6().entry())).collect();
    let urls: Vec<String> = inner.iter().map(Gateway::url).collect();
    let gateway = Gateway::start(&json!({ "one": { "urls": urls } }));
    assert_eq!(members(&gateway).len(), 2);
    wait::until(wait::LONG, "both members", || {
        members(&gateway).iter().all(|member| member["state"] == "ready").then_some(())
    });
    let (done, failed) = under_load(&gateway, |load| {
        more(load, 100);
        inner[0].kill();
        more(load, 300);
    });
    assert_eq!(failed, 0, "of {done}");
    assert!(
        gateway.metric("trunkline_retries_total", &["upstream=\"one\""])
            + gateway.metric("trunkline_failovers_total", &["upstream=\"one\""])
            >= 1.0
    );
    let states = members(&gateway);
    // Whether calls found it gone first, or broke on it in a row first, is a matter of luck.
    assert!(states[0]["state"] != "ready" || states[0]["ejected"] == true, "{states:?}");
    assert_eq!(states[1]["state"], "ready", "{states:?}");
    assert_eq!(gateway.client(Era::Legacy).call("one__echo", r#"{"message":"a"}"#).text(), "Echo: a");
    let health = gateway.admin("/health").text();
    assert!(health.contains("\"degraded\""), "{health}");
}

#[test]
fn one_of_two_processes_is_killed_under_load_and_comes_back() {
    let mut entry = peers::everything_0_6().entry();
    entry["replicas"] = json!(2);
    let gateway = Gateway::start(&json!({ "one": entry }));
    wait::until(wait::LONG, "both members", || {
        members(&gateway).iter().all(|member| member["state"] == "ready").then_some(())
    });
    let children = gateway.children("server-everything-0.6");
    assert_eq!(children.len(), 2);
    let (done, failed) = under_load(&gateway, |load| {
        more(load, 100);
        process::signal(children[0], Signal::SIGKILL);
        more(load, 300);
    });
    assert_eq!(failed, 0, "of {done}");
    wait::until(wait::LONG, "the second process", || {
        let now = gateway.children("server-everything-0.6");
        (now.len() == 2 && !now.contains(&children[0]) && now.contains(&children[1])).then_some(())
    });
}

#[test]
fn calls_are_spread_over_the_members() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("seen.txt");
    let gateway = Gateway::start(&json!({
        "one": { "command": SCRIPTED, "args": ["polite", log], "replicas": 3 }
    }));
    wait::until(wait::LONG, "all members", || {
        members(&gateway).iter().all(|member| member["state"] == "ready").then_some(())
    });
    assert_eq!(gateway.children("scripted-stdio").len(), 3);
    let mut client = gateway.client(Era::Modern);
    for _ in 0..60 {
        client.call("one__echo", "{}").text();
    }
    let starts = gateway.metric("trunkline_child_starts_total", &["upstream=\"one#"]);
    assert!(starts >= 3.0, "{starts}");
    let seen = std::fs::read_to_string(log).expect("they were called");
    assert_eq!(seen.matches("tools/call").count(), 60, "each call ran once");
}

#[test]
fn a_fallback_answers_what_certainly_did_not_begin_and_says_so() {
    for era in ERAS {
        let gateway = Gateway::start(&json!({
            "one": { "command": SCRIPTED, "args": ["polite"], "fallback": "two", "circuitBreaker": { "force": "open" } },
            "two": { "command": SCRIPTED, "args": ["polite"] },
        }));
        let mut client = gateway.client(era);
        let reply = client.call("one__echo", r#"{"a":1}"#);
        assert_eq!(reply.text(), r#"{"a":1}"#);
        assert_eq!(reply.value()["_meta"]["io.trunkline/answeredBy"], "two", "{}", reply.raw);
        assert!(client.call("two__echo", "{}").value()["_meta"]["io.trunkline/answeredBy"].is_null());
        assert!((gateway.metric("trunkline_fallbacks_total", &["upstream=\"one\""]) - 1.0).abs() < 0.5);
    }
}

#[test]
fn a_call_that_may_have_run_never_goes_to_the_fallback() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("seen.txt");
    let gateway = Gateway::start(&json!({
        "one": { "command": SCRIPTED, "args": ["die-on-call"], "fallback": "two", "era": "legacy" },
        "two": { "command": SCRIPTED, "args": ["polite", log] },
    }));
    let reply = gateway.client(Era::Modern).call("one__echo", "{}");
    assert_eq!(reply.reason().as_deref(), Some("outcome_unknown"), "{}", reply.raw);
    let seen = std::fs::read_to_string(log).expect("it was started");
    assert!(!seen.contains("tools/call"), "{seen}");
    // While it is down the next call certainly does not begin.
    let reply = wait::until(Duration::from_secs(10), "an answer of the fallback", || {
        let reply = gateway.client(Era::Modern).call("one__echo", "{}");
        reply.raw.contains("answeredBy").then_some(reply)
    });
    assert_eq!(reply.text(), "{}");
}
