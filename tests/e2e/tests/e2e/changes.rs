//! List changes reach both kinds of clients within a second.

use serde_json::{Value, json};
use trunkline_e2e::client::Era;
use trunkline_e2e::driver::{Driver, assert_ok};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::http::{Connection, Events};
use trunkline_e2e::json::parse;
use trunkline_e2e::peers;

/// What the issue allows.
const LIMIT_MS: f64 = 1000.0;

fn adding(gateway: &Gateway, driver: Driver, prefix: &str, name: &str) -> Value {
    let add = format!("{prefix}add_tool");
    let arguments = json!({ "name": name }).to_string();
    // Some SDKs list again by themselves as soon as they hear of a change.
    // Without asks: what a client that can be asked changes over a pipe is changed in a process of its own.
    driver.http(&gateway.url(), &["--no-asks", "--expect-list-changed", "5", "--trigger", &add, &arguments])
}

fn heard(report: &Value) {
    assert_ok(report);
    let ms = report["listChanged"]["ms"].as_f64().expect("it arrived");
    assert!(ms <= LIMIT_MS, "{}: {ms} ms", report["peer"]);
}

#[test]
fn a_new_tool_is_announced_to_legacy_and_modern_clients_in_front_of_every_kind_of_server() {
    for back in ["legacy-only", "modern-only", "dual"] {
        let fixture = Fixture::ts(back, &[]);
        let gateway = Gateway::start(&json!({ "one": fixture.entry(), "other": peers::time().entry() }));
        for (at, driver) in
            [Driver::Ts1, Driver::Ts2("legacy"), Driver::Ts2("modern")].into_iter().enumerate()
        {
            heard(&adding(&gateway, driver, "one__", &format!("new_{at}")));
        }
    }
}

#[test]
fn a_new_tool_of_a_stdio_server_is_announced_listed_and_callable() {
    for back in ["legacy-only", "modern-only"] {
        let gateway = Gateway::start(&json!({ "one": peers::ts_server(back).entry() }));
        heard(&adding(&gateway, Driver::Ts2("modern"), "one__", "fresh"));
        let report = Driver::Ts1.http(&gateway.url(), &["--no-asks", "--call", "one__fresh", "{}"]);
        assert_ok(&report);
        assert_eq!(report["calls"][0]["result"]["content"][0]["text"], "fresh");
        let report = Driver::Ts2("modern").http(
            &gateway.url(),
            &[
                "--no-asks",
                "--expect-list-changed",
                "5",
                "--trigger",
                "one__remove_tool",
                r#"{"name":"fresh"}"#,
            ],
        );
        heard(&report);
        let names = gateway.client(Era::Modern).tool_names();
        assert!(!names.contains(&"one__fresh".to_owned()), "{names:?}");
    }
}

/// A client that can be asked has a process of its own, and is shown what it changed there.
#[test]
fn a_tool_that_a_client_adds_in_its_own_session_is_announced_to_it_and_works() {
    let gateway = Gateway::start(&json!({ "one": peers::ts_server("legacy-only").entry() }));
    let arguments = json!({ "name": "mine" }).to_string();
    let driver = Driver::Ts2("modern");
    heard(
        &driver
            .http(&gateway.url(), &["--expect-list-changed", "5", "--trigger", "one__add_tool", &arguments]),
    );
    let report = driver.http(&gateway.url(), &["--call", "one__mine", "{}"]);
    assert_ok(&report);
    assert_eq!(report["calls"][0]["result"]["content"][0]["text"], "mine");
    let names = gateway.client(Era::Modern).tool_names();
    assert!(!names.contains(&"one__mine".to_owned()), "one that cannot be asked is not shown it: {names:?}");
}

#[test]
fn a_change_that_nobody_sees_is_announced_to_nobody() {
    let fixture = Fixture::ts("dual", &[]);
    let mut entry = fixture.entry();
    entry["tools"] = json!({ "exclude": ["hidden_*"] });
    let gateway = Gateway::start(&json!({ "one": entry }));
    let arguments = r#"{"name":"hidden_one"}"#;
    let report = Driver::Ts2("modern")
        .http(&gateway.url(), &["--expect-list-changed", "2", "--trigger", "one__add_tool", arguments]);
    assert_eq!(report["listChanged"]["arrived"], false, "{report:#}");
}

#[test]
fn the_streams_of_both_eras_carry_the_change_and_nothing_else() {
    let fixture = Fixture::ts("dual", &[]);
    let gateway = Gateway::start(&json!({ "one": fixture.entry() }));

    let mut get = gateway.client(Era::Legacy).stream();

    let mut listen = gateway.client(Era::Modern);
    listen.start("subscriptions/listen", r#"{"notifications":{"toolsListChanged":true}}"#).expect("it reads");
    let head = listen.connection().head().expect("a stream");
    assert_eq!((head.status, head.is_stream()), (200, true), "{head:?}");

    let mut caller = gateway.client(Era::Modern);
    caller.call("one__add_tool", r#"{"name":"seen"}"#).result();

    let mut events = Events::default();
    let acknowledged = next(listen.connection(), &mut events);
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["params"]["notifications"], json!({ "toolsListChanged": true }));
    assert_eq!(acknowledged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    let changed = next(listen.connection(), &mut events);
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);

    let changed = next(&mut get, &mut Events::default());
    assert_eq!(changed["method"], "notifications/tools/list_changed");
}

fn next(connection: &mut Connection, events: &mut Events) -> Value {
    parse(&connection.event(events).expect("the stream lives").expect("it goes on"))
}
