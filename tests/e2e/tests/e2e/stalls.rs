//! Servers that go silent, slow ones that do not, and calls that are given up or take long.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use trunkline_e2e::client::{Client, ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::scripted::{self, Scripted};
use trunkline_e2e::{process, wait};

const SCRIPTED: &str = env!("CARGO_BIN_EXE_scripted-stdio");
const TOOLS: &str = r#"[{"name":"do","inputSchema":{"type":"object"}}]"#;
const ONE: &[&str] = &["upstream=\"one\""];

fn stalls(gateway: &Gateway) -> f64 {
    gateway.metric("trunkline_stalls_total", ONE)
}

#[test]
fn a_stopped_child_is_noticed_within_fifteen_seconds_and_replaced() {
    let gateway = Gateway::start(&json!({ "one": { "command": SCRIPTED, "args": ["polite"] } }));
    let mut client = gateway.client(Era::Modern);
    assert_eq!(client.call("one__echo", "{}").text(), "{}");
    let children = gateway.children("scripted-stdio");
    let start = Instant::now();
    process::signal(children[0], Signal::SIGSTOP);
    wait::until(Duration::from_secs(30), "the stall", || (stalls(&gateway) >= 1.0).then_some(()));
    assert!(start.elapsed() <= Duration::from_secs(15), "{:?}", start.elapsed());
    wait::until(wait::LONG, "another process", || {
        let now = gateway.children("scripted-stdio");
        (now.len() == 1 && now != children).then_some(())
    });
    wait::until(wait::LONG, "an answer", || client.call("one__echo", "{}").reason().is_none().then_some(()));
}

#[test]
fn a_busy_server_and_one_without_pings_are_left_in_peace() {
    for behaviour in ["slow-call", "no-ping"] {
        let gateway = Gateway::start(&json!({ "one": {
            "command": SCRIPTED, "args": [behaviour], "era": "legacy",
            "health": { "interval": "300ms", "timeout": "300ms" },
        } }));
        let children = gateway.children("scripted-stdio");
        let mut client = gateway.client(Era::Legacy);
        // It takes three seconds, in which nothing else is read: ten times of what an idle server is given.
        assert_eq!(client.call("one__echo", r#"{"a":1}"#).text(), r#"{"a":1}"#, "{behaviour}");
        let until = Instant::now() + Duration::from_secs(3);
        wait::until(Duration::from_secs(5), "some time", || (Instant::now() > until).then_some(()));
        assert_eq!(gateway.children("scripted-stdio"), children, "{behaviour}: the same process");
        assert!(stalls(&gateway) < 0.5, "{behaviour}");
        assert_eq!(client.call("one__echo", "{}").text(), "{}", "{behaviour}");
    }
}

#[test]
fn a_server_over_http_that_goes_dumb_is_down_until_it_answers_again() {
    let dumb = Arc::new(AtomicBool::new(false));
    let is_dumb = Arc::clone(&dumb);
    let upstream = Scripted::start(move |seen, to| {
        if is_dumb.load(Ordering::SeqCst) && seen.verb == "POST" {
            return to.hang();
        }
        if !scripted::introduce(true, seen, to) {
            scripted::list(true, TOOLS, seen, to);
        }
    });
    let gateway = Gateway::start(&json!({ "one": {
        "url": upstream.url(), "health": { "interval": "500ms", "timeout": "500ms" },
        "timeouts": { "connect": "1s", "probe": "1s", "list": "1s" }, "restart": { "first": "100ms", "max": "500ms" },
    } }));
    dumb.store(true, Ordering::SeqCst);
    let mut client = gateway.client(Era::Modern);
    wait::until(Duration::from_secs(10), "the stall", || (stalls(&gateway) >= 1.0).then_some(()));
    wait::until(Duration::from_secs(10), "the end", || {
        (client.status()["servers"]["one"]["state"] == "down").then_some(())
    });
    dumb.store(false, Ordering::SeqCst);
    wait::until(Duration::from_secs(20), "its return", || {
        (client.status()["servers"]["one"]["state"] == "ready").then_some(())
    });
}

/// Gives a call up in the way of the client's era.
fn give_up(client: Client, id: u64, gateway: &Gateway) {
    match client.era {
        Era::Modern => drop(client),
        Era::Legacy => {
            let mut other = Client::connect(gateway.address(), "/mcp", Era::Legacy);
            other.session.clone_from(&client.session);
            let status = other.notify("notifications/cancelled", &format!(r#"{{"requestId":{id}}}"#));
            assert_eq!(status, 202);
        }
    }
}

#[test]
fn a_cancel_reaches_the_server_within_a_second_in_every_cell() {
    for back_is_modern in [true, false] {
        for front in ERAS {
            let ended: Arc<Mutex<Option<Instant>>> = Arc::default();
            let begun = Arc::new(AtomicBool::new(false));
            let (note, began) = (Arc::clone(&ended), Arc::clone(&begun));
            let upstream = Scripted::start(move |seen, to| {
                let cancelled = seen.method() == "notifications/cancelled";
                if cancelled && began.load(Ordering::SeqCst) {
                    note.lock().expect("the note").get_or_insert_with(Instant::now);
                }
                if scripted::introduce(back_is_modern, seen, to)
                    || scripted::list(back_is_modern, TOOLS, seen, to)
                {
                    return;
                }
                began.store(true, Ordering::SeqCst);
                to.hang();
                if back_is_modern {
                    // A modern server is told by the end of the exchange.
                    note.lock().expect("the note").get_or_insert_with(Instant::now);
                }
            });
            let gateway = Gateway::start(&json!({ "one": upstream.entry() }));
            let mut client = gateway.client(front);
            let id = client.start("tools/call", r#"{"name":"one__do","arguments":{}}"#).expect("it is sent");
            wait::until(wait::LONG, "the call", || begun.load(Ordering::SeqCst).then_some(()));
            let start = Instant::now();
            give_up(client, id, &gateway);
            let at = wait::until(Duration::from_secs(10), "the cancel", || *ended.lock().expect("the note"));
            let took = at.saturating_duration_since(start);
            assert!(took <= Duration::from_secs(1), "{front:?}, modern server: {back_is_modern}: {took:?}");
        }
    }
}

#[test]
fn a_client_of_a_long_call_hears_that_its_connection_lives() {
    let upstream = Scripted::start(|seen, to| {
        if !scripted::introduce(true, seen, to) && !scripted::list(true, TOOLS, seen, to) {
            to.hang();
        }
    });
    let gateway = Gateway::start(&json!({ "one": upstream.entry() }));
    let mut clients: Vec<Client> = ERAS.into_iter().map(|era| gateway.client(era)).collect();
    let start = Instant::now();
    for client in &mut clients {
        client.set_patience(Duration::from_secs(40));
        client.start("tools/call", r#"{"name":"one__do","arguments":{}}"#).expect("it is sent");
    }
    for client in &mut clients {
        let connection = client.connection();
        let head = connection.head().expect("a head");
        assert!(head.is_stream(), "{head:?}");
        loop {
            let chunk = connection.chunk().expect("a chunk").expect("the stream goes on");
            // The first event of a resumable stream is empty; a comment begins with a colon.
            if chunk.starts_with(b":") {
                break;
            }
        }
        assert!(start.elapsed() <= Duration::from_secs(31), "{:?}", start.elapsed());
    }
}
