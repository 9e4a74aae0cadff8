//! Servers on the transports of old SDKs, HTTP+SSE and WebSocket: real ones, in front of both kinds of clients.

use serde_json::{Value, json};
use trunkline_e2e::client::{Client, ERAS, Era};
use trunkline_e2e::driver::{Driver, assert_ok};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::http::Events;
use trunkline_e2e::json::parse;
use trunkline_e2e::wait;

const WIRES: [&str; 2] = ["sse", "ws"];

/// A gateway in front of the Python server; it reconnects quickly.
fn gateway(fixture: &Fixture) -> Gateway {
    let mut entry = fixture.entry();
    entry["restart"] = json!({ "first": "100ms", "max": "500ms" });
    entry["headers"] = json!({ "Authorization": "Bearer canary-secret" });
    Gateway::start(&json!({ "one": entry }))
}

fn progress(reply: &trunkline_e2e::reply::Reply) -> Vec<String> {
    let notes = reply.notes.iter().map(|note| parse(note));
    let progress = notes.filter(|note| note["method"] == "notifications/progress");
    progress
        .map(|note| format!("{}/{}", note["params"]["progressToken"], note["params"]["progress"]))
        .collect()
}

/// Calls with a progress token in the words of the client's era.
fn call_with_progress(client: &mut Client, name: &str, arguments: &str) -> trunkline_e2e::reply::Reply {
    r#""progressToken":"canary""#.clone_into(&mut client.meta);
    let meta = if client.era == Era::Legacy { r#""_meta":{"progressToken":"canary"},"# } else { "" };
    let reply =
        client.request("tools/call", &format!(r#"{{{meta}"name":"{name}","arguments":{arguments}}}"#));
    client.meta.clear();
    reply
}

#[test]
fn lists_calls_progress_and_errors_pass() {
    for wire in WIRES {
        let fixture = Fixture::py(wire, 0, &[]);
        let gateway = gateway(&fixture);
        for era in ERAS {
            let mut client = gateway.client(era);
            assert!(client.tool_names().contains(&"one__echo".to_owned()), "{wire} {era:?}");
            assert_eq!(
                client.call("one__echo", r#"{"a":"é\n"}"#).text(),
                r#"{"a": "é\n"}"#,
                "{wire} {era:?}"
            );
            let reply = call_with_progress(&mut client, "one__slow", r#"{"steps":3,"ms":60}"#);
            assert_eq!(progress(&reply), [r#""canary"/1.0"#, r#""canary"/2.0"#, r#""canary"/3.0"#], "{wire}");
            let failed = client.call("one__fail", "{}").value();
            assert_eq!(failed["isError"], true, "{wire}: {failed}");
            let headers = client.call("one__headers", "{}").text();
            assert_eq!(parse(&headers)["authorization"], "Bearer canary-secret", "{wire}");
        }
        assert!(!gateway.log().join("\n").contains("canary-secret"), "{wire}");
    }
}

#[test]
fn many_calls_on_one_channel_each_get_their_own_answer() {
    for wire in WIRES {
        let fixture = Fixture::py(wire, 0, &[]);
        let gateway = gateway(&fixture);
        let mut clients: Vec<_> = (0..20).map(|at| gateway.client(ERAS[at % 2])).collect();
        for (at, client) in clients.iter_mut().enumerate() {
            // The first are answered last.
            let arguments = format!(r#"{{"n":{at},"steps":1,"ms":{}}}"#, 400 - at * 20);
            let call = format!(r#"{{"name":"one__slow","arguments":{arguments}}}"#);
            client.start("tools/call", &call).expect("the gateway reads");
        }
        for (at, client) in clients.iter_mut().enumerate() {
            let text = client.finish().expect("the gateway answers").text();
            assert_eq!(parse(&text)["n"], at, "{wire}");
        }
    }
}

#[test]
fn the_typescript_everything_server_is_found_behind_a_plain_url() {
    let fixture = Fixture::everything_sse();
    let gateway = Gateway::start(&json!({ "one": fixture.entry() }));
    for era in ERAS {
        let mut client = gateway.client(era);
        assert_eq!(client.call("one__echo", r#"{"message":"a"}"#).text(), "Echo: a");
        let slow = r#"{"duration":1,"steps":2}"#;
        let reply = call_with_progress(&mut client, "one__trigger-long-running-operation", slow);
        assert_eq!(progress(&reply).len(), 2, "{:?}", reply.notes);
    }
    let known = std::fs::read_to_string(gateway.dir().join("state/eras.json")).expect("it is remembered");
    assert!(known.contains("legacy over http+sse"), "{known}");
}

#[test]
fn a_server_that_dies_in_a_call_leaves_the_outcome_open_and_comes_back() {
    for wire in WIRES {
        let fixture = Fixture::py(wire, 0, &[]);
        let gateway = gateway(&fixture);
        let mut client = gateway.client(Era::Modern);
        let reply = client.call("one__die", "{}");
        assert_eq!(reply.reason().as_deref(), Some("outcome_unknown"), "{wire}: {}", reply.raw);
        let port = fixture.port();
        drop(fixture);
        let _again = Fixture::py(wire, port, &[]);
        wait::until(wait::LONG, "the server to be back", || {
            let reply = client.call("one__echo", "{}");
            reply.reason().is_none().then_some(())
        });
        assert_eq!(client.call("one__echo", "{}").text(), "{}", "{wire}");
    }
}

#[test]
fn list_changes_arrive_in_both_eras() {
    for wire in WIRES {
        let fixture = Fixture::py(wire, 0, &[]);
        let gateway = gateway(&fixture);
        for (at, driver) in [Driver::Ts1, Driver::Ts2("modern")].into_iter().enumerate() {
            let arguments = json!({ "name": format!("new_{at}") }).to_string();
            let steps = ["--expect-list-changed", "5", "--trigger", "one__add_tool", &arguments];
            let report = driver.http(&gateway.url(), &steps);
            assert_ok(&report);
            assert_eq!(report["listChanged"]["arrived"], true, "{wire}: {report:#}");
        }
    }
}

#[test]
fn updates_of_a_watched_resource_arrive() {
    for wire in WIRES {
        let fixture = Fixture::py(wire, 0, &[]);
        let gateway = gateway(&fixture);
        let mut listen = gateway.client(Era::Modern);
        let filter = r#"{"notifications":{"resourceSubscriptions":["py://watched"]}}"#;
        listen.start("subscriptions/listen", filter).expect("it reads");
        assert!(listen.connection().head().expect("a stream").is_stream());
        let mut events = Events::default();
        let mut next = || -> Value {
            parse(&listen.connection().event(&mut events).expect("the stream lives").expect("it goes on"))
        };
        assert_eq!(next()["method"], "notifications/subscriptions/acknowledged");
        let mut caller = gateway.client(Era::Legacy);
        caller.call("one__touch", "{}").result();
        let update = next();
        assert_eq!(update["method"], "notifications/resources/updated", "{wire}: {update}");
        assert_eq!(update["params"]["uri"], "py://watched", "{wire}");
    }
}

#[test]
fn a_websocket_server_that_cannot_be_probed_is_connected_to_anew() {
    for probe in ["silent", "close"] {
        let fixture = Fixture::py("ws", 0, &["--probe", probe]);
        let mut entry = fixture.entry();
        entry["timeouts"] = json!({ "probe": "500ms" });
        let gateway = Gateway::start(&json!({ "one": entry }));
        assert_eq!(gateway.client(Era::Modern).call("one__echo", "{}").text(), "{}", "{probe}");
    }
}
