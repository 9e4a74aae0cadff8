//! Reloads while clients are at work: what changes, what does not, and what is refused.

use std::time::Instant;

use serde_json::{Value, json};
use trunkline_e2e::client::Era;
use trunkline_e2e::gateway::{Gateway, binary};
use trunkline_e2e::http::Connection;
use trunkline_e2e::load::{Load, echo};
use trunkline_e2e::{process, wait};

use super::{clients, none_failed};

/// A server that is a process.
fn child(mark: &str) -> Value {
    json!({ "command": binary(), "args": ["__sample"], "env": { "MARK": mark } })
}

/// The change that the reload of this number makes.
fn change(document: &mut Value, number: usize, more: &str) {
    let servers = &mut document["mcpServers"];
    let (path, value) = match number % 10 {
        0 => ("/extra", json!({ "url": more })),
        1 => ("/modern/timeouts", json!({ "total": format!("{}s", 60 + number) })),
        2 => ("/child", child(&number.to_string())),
        3 => ("/legacy/headers", json!({ "X-Number": number.to_string() })),
        4 => {
            servers.as_object_mut().expect("servers").remove("extra");
            return;
        }
        5 => {
            let limits = json!({ "streams": 100 + number, "connections": 500 + number, "bodyBytes": 100_000 + number });
            document["limits"] = limits;
            return;
        }
        6 => {
            let level = if number % 20 == 6 { "debug" } else { "info" };
            document["log"] = json!({ "format": "json", "level": level });
            return;
        }
        7 => {
            document["profiles"] = json!({ format!("p{number}"): { "servers": ["modern"] } });
            return;
        }
        8 => {
            document["instructions"] = json!(format!("number {number}"));
            return;
        }
        _ => {
            document["security"] = json!({ "allowedHosts": [format!("h{number}.example")] });
            return;
        }
    };
    match path.trim_start_matches('/').split_once('/') {
        Some((server, key)) => servers[server][key] = value,
        None => servers[path.trim_start_matches('/')] = value,
    }
}

#[test]
fn a_hundred_reloads_under_load_fail_no_call() {
    let (legacy, modern, more) = (echo(false), echo(true), echo(true));
    let gateway = Gateway::with(json!({
        "reload": { "watch": false },
        "mcpServers": { "legacy": legacy.entry(), "modern": modern.entry(), "child": child("first") },
    }));
    let load = Load::start(clients(gateway.address(), 8, 500, ["legacy__echo", "modern__echo"]));
    load.more(100);
    let began = Instant::now();
    for number in 0..100 {
        gateway.edit(|document| change(document, number, &more.url()));
        assert!(gateway.reload(), "reload {number}");
        load.more(3);
    }
    let took = began.elapsed();
    let tally = load.finish();
    println!("100 reloads in {took:?}: {} calls, {} sessions", tally.calls, tally.sessions);
    none_failed(&tally, 300);
    assert_eq!(tally.sessions, 0, "no session is lost");
    // The one that was removed last, and all but one of the processes, end by themselves.
    wait::until(wait::LONG, "one process of the server", || {
        (gateway.children("__sample").len() == 1).then_some(())
    });
    for said in [
        "\"added\":\"extra\"",
        "\"removed\":\"extra\"",
        "\"settings\":\"limits.bodyBytes, limits.connections, limits.streams\"",
    ] {
        gateway.says(&[said]);
    }
}

#[test]
fn calls_wait_for_a_process_that_is_replaced_and_never_two_are_there_at_a_time() {
    let gateway =
        Gateway::with(json!({ "reload": { "watch": false }, "mcpServers": { "child": child("0") } }));
    let load = Load::start(clients(gateway.address(), 4, 100, ["child__echo", "child__echo"]));
    load.more(20);
    for number in 1..6 {
        gateway.edit(|document| document["mcpServers"]["child"] = child(&number.to_string()));
        assert!(gateway.reload());
        let most = wait::until(wait::LONG, "the process to be replaced", || {
            let now = gateway.children("__sample");
            assert!(now.len() <= 1, "{now:?}");
            now.first()
                .is_some_and(|pid| environment(*pid).contains(&format!("MARK={number}")))
                .then_some(now)
        });
        assert_eq!(most.len(), 1);
        load.more(10);
    }
    none_failed(&load.finish(), 50);
}

fn environment(pid: u32) -> String {
    let raw = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    String::from_utf8_lossy(&raw).replace('\0', "\n")
}

#[test]
fn a_server_that_is_removed_ends_its_calls_first() {
    let upstream = echo(true);
    let gateway =
        Gateway::with(json!({ "reload": { "watch": false }, "mcpServers": { "one": upstream.entry() } }));
    let mut client = gateway.client(Era::Modern);
    client
        .start("tools/call", r#"{"name":"one__slow","arguments":{"text":"late","ms":1500}}"#)
        .expect("sent");
    wait::until(wait::LONG, "the call", || (upstream.seen_of("tools/call").len() == 1).then_some(()));
    gateway.edit(|document| document["mcpServers"] = json!({}));
    let began = Instant::now();
    assert!(gateway.reload());
    assert!(began.elapsed().as_millis() < 1400, "the reload waits for no call");
    assert_eq!(
        gateway.client(Era::Modern).call("one__echo", "{}").code(),
        Some(-32602),
        "nobody new reaches it"
    );
    assert_eq!(client.finish().expect("an answer").text(), "late");
}

/// What the metric says of the last reload.
fn succeeded(gateway: &Gateway) -> bool {
    gateway.metric("trunkline_config_last_reload_successful", &[]) > 0.5
}

#[test]
fn a_bad_document_is_refused_as_a_whole_and_told_of() {
    let upstream = echo(true);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let gateway =
        Gateway::with(json!({ "reload": { "watch": false }, "mcpServers": { "one": upstream.entry() } }));
    let good = std::fs::read_to_string(gateway.config()).expect("it was written here");
    let bad = |name: &str, text: String, said: &str| {
        std::fs::write(gateway.config(), text).expect("the folder is ours");
        assert!(!gateway.reload(), "{name} is refused");
        let health: Value = serde_json::from_str(&gateway.admin("/health").text()).expect("JSON");
        let problems = health["lastReload"]["problems"].to_string();
        assert_eq!(health["lastReload"]["result"], "error");
        assert!(problems.contains(said), "{name}: {problems}");
        gateway.says(&[said]);
        assert_eq!(gateway.client(Era::Modern).call("one__echo", r#"{"text":"x"}"#).text(), "x");
        assert!(!succeeded(&gateway));
    };
    let line = |text: &str| {
        format!("trunkline.json:{}:", good.lines().position(|l| l.contains(text)).expect("a line") + 1)
    };
    bad("a syntax error", good.replace("\"mcpServers\": {", "\"mcpServers\": {{"), &line("mcpServers"));
    bad("an unknown key", good.replace("\"watch\"", "\"wacth\""), &line("watch"));
    bad(
        "a variable that is not set",
        good.replace("\"url\": \"", "\"url\": \"${NOT_SET_AT_ALL}"),
        "NOT_SET_AT_ALL",
    );
    let two =
        format!("\"mcpServers\": {{ \"two\": {{ \"url\": \"{}\", \"prefix\": \"one\" }},", upstream.url());
    bad(
        "two servers with one prefix",
        good.replace("\"mcpServers\": {", &two),
        "this prefix is also that of",
    );
    let address = taken.local_addr().expect("it is bound").to_string();
    bad(
        "an address that is taken",
        good.replacen("\"listen\": \"127.0.0.1:0\"", &format!("\"listen\": \"{address}\""), 1),
        "something else listens there",
    );
    std::fs::write(gateway.config(), &good).expect("the folder is ours");
    assert!(gateway.reload());
    assert!(succeeded(&gateway));
}

#[test]
fn an_address_is_left_when_the_next_one_listens_and_sessions_go_on() {
    let upstream = echo(true);
    let gateway =
        Gateway::with(json!({ "reload": { "watch": false }, "mcpServers": { "one": upstream.entry() } }));
    let mut kept = gateway.client(Era::Legacy);
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    gateway.edit(|document| document["listen"] = json!(port.to_string()));
    assert!(gateway.reload());
    wait::until(wait::LONG, "the old address to be free", || {
        Connection::try_open(gateway.address()).is_err().then_some(())
    });
    let last = kept.call("one__echo", r#"{"text":"a"}"#);
    assert!(last.text() == "a" && last.says_close(), "{last:?}");
    let mut moved =
        trunkline_e2e::client::Client::unconnected(port, "/mcp", Era::Legacy).expect("it listens");
    moved.session.clone_from(&kept.session);
    assert_eq!(moved.call("one__echo", r#"{"text":"b"}"#).text(), "b");
    assert!(process::lives(gateway.pid()));
}
