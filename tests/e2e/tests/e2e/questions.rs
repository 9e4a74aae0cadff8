//! Legacy servers that ask, in front of clients of both eras: what comes of a call through the gateway is what the same
//! SDK gets from the server itself (the ask oracle of `conformance.md` section 6.2, the other direction of `asks.rs`).

use serde_json::{Value, json};
use trunkline_e2e::driver::{Driver, assert_ok};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::peers;

type Calls = &'static [(&'static str, &'static str)];

/// Tools of the fixture: one question, two rounds, three at once, and each kind alone.
const FIXTURE: Calls = &[
    ("test_elicitation", r#"{"message":"who?"}"#),
    ("test_elicitation_sep1034_defaults", "{}"),
    ("test_streaming_elicitation", "{}"),
    ("test_input_required_result_multi_round", "{}"),
    ("test_input_required_result_multiple_inputs", "{}"),
    ("test_input_required_result_list_roots", "{}"),
    ("test_sampling", r#"{"prompt":"hi"}"#),
];

/// Tools of server-everything.
const EVERYTHING: Calls = &[
    ("trigger-elicitation-request", "{}"),
    ("trigger-sampling-request", r#"{"prompt":"hi"}"#),
    ("get-roots-list", "{}"),
    ("trigger-url-elicitation", r#"{"url":"https://example.com/x","elicitationId":"e1"}"#),
];

fn steps(prefix: &str, calls: Calls) -> Vec<String> {
    let mut steps = vec!["--no-lists".to_owned()];
    for (tool, arguments) in calls {
        steps.extend(["--call".to_owned(), format!("{prefix}{tool}"), (*arguments).to_owned()]);
    }
    steps
}

/// What the calls came to: the content of each.
fn contents(driver: Driver, url: &str, prefix: &str, calls: Calls) -> Vec<Value> {
    let steps = steps(prefix, calls);
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let report = driver.http(url, &steps);
    assert_ok(&report);
    let made = report["calls"].as_array().expect("calls were made");
    let mut contents: Vec<Value> = made.iter().map(|call| call["result"]["content"].clone()).collect();
    // A client of 2025-06-18 is not shown the defaults that its revision does not have, so it does not answer with them.
    if driver == Driver::Py1 && calls[1].0.ends_with("defaults") {
        assert!(contents[1].to_string().contains("action=accept"), "{}", contents[1]);
        contents[1] = Value::Null;
    }
    contents
}

/// A client, and the same SDK as it speaks with a legacy server itself.
const PAIRS: [(Driver, Driver); 4] = [
    (Driver::Ts2("modern"), Driver::Ts2("legacy")),
    (Driver::Py2("modern"), Driver::Py2("legacy")),
    (Driver::Ts1, Driver::Ts1),
    (Driver::Py1, Driver::Py1),
];

#[test]
fn the_fixture_hears_the_same_through_the_gateway_as_directly() {
    let direct = Fixture::ts("legacy-only", &[]);
    let http = Fixture::ts("legacy-only", &[]);
    let gateway =
        Gateway::start(&json!({ "http": http.entry(), "pipe": peers::ts_server("legacy-only").entry() }));
    for (driver, itself) in PAIRS {
        let expected = contents(itself, &direct.url, "", FIXTURE);
        assert!(expected[4].to_string().contains("working in file:///peer/root"), "{expected:?}");
        for prefix in ["http__", "pipe__"] {
            let got = contents(driver, &gateway.url(), prefix, FIXTURE);
            assert_eq!(got, expected, "{driver:?} {prefix}");
        }
    }
}

#[test]
fn server_everything_hears_the_same_through_the_gateway_as_directly() {
    let direct = Fixture::everything();
    let http = Fixture::everything();
    // It lists these tools only to clients that declare the capability.
    let (over_http, over_pipe) = (http.entry(), peers::everything().entry());
    let gateway = Gateway::start(&json!({ "http": over_http, "pipe": over_pipe }));
    for (driver, itself) in PAIRS {
        // Its form has fields of a later revision, which the oldest client cannot fill in.
        let calls = if driver == Driver::Py1 { &EVERYTHING[1..3] } else { EVERYTHING };
        let expected = contents(itself, &direct.url, "", calls);
        for prefix in ["http__", "pipe__"] {
            let got = contents(driver, &gateway.url(), prefix, calls);
            assert_eq!(got, expected, "{driver:?} {prefix}");
        }
    }
}

#[test]
fn a_transparent_server_asks_under_its_own_names() {
    let direct = Fixture::ts("legacy-only", &[]);
    let gateway = Gateway::transparent(peers::ts_server("legacy-only").entry());
    for (driver, itself) in PAIRS {
        assert_eq!(
            contents(driver, &gateway.url(), "", FIXTURE),
            contents(itself, &direct.url, "", FIXTURE),
            "{driver:?}"
        );
    }
}

#[test]
fn a_prompt_of_a_legacy_server_may_ask() {
    let gateway = Gateway::start(&json!({ "one": peers::ts_server("legacy-only").entry() }));
    for driver in [Driver::Ts2("modern"), Driver::Ts1] {
        let report = driver.http(
            &gateway.url(),
            &["--no-lists", "--prompt", "one__test_input_required_result_prompt", "{}"],
        );
        assert_ok(&report);
        let text = &report["gets"][0]["result"]["messages"][0]["content"]["text"];
        assert_eq!(text, "Context: peer", "{report:#}");
    }
}

#[test]
fn a_page_that_must_be_visited_first_is_visited_and_the_call_made_again() {
    let entry = peers::everything().entry();
    let gateway = Gateway::start(&json!({ "one": entry }));
    let arguments = r#"{"url":"https://example.com/x","elicitationId":"e1","errorPath":true}"#;
    let report = Driver::Ts2("modern")
        .http(&gateway.url(), &["--no-lists", "--call", "one__trigger-url-elicitation", arguments]);
    assert_ok(&report);
    let call = &report["calls"][0];
    assert!(call["result"]["content"].to_string().contains("completed the URL elicitation"), "{call:#}");
    // The error, the question that the second attempt asks, the outcome.
    assert_eq!(call["rounds"], 3, "{call:#}");
    let asks: Vec<&Value> = report["asks"].as_array().expect("it was asked").iter().collect();
    assert!(asks.iter().all(|ask| ask["params"]["mode"] == "url"), "{asks:?}");
}

#[test]
fn a_client_that_cannot_be_asked_uses_the_shared_session_and_is_not_promised_to_the_server() {
    let gateway = Gateway::start(&json!({ "one": peers::ts_server("legacy-only").entry() }));
    let name = "one__test_streaming_elicitation";
    for driver in [Driver::Ts2("modern"), Driver::Ts1] {
        let report = driver.http(&gateway.url(), &["--no-lists", "--no-asks", "--call", name, "{}"]);
        assert_ok(&report);
        let text = &report["calls"][0]["result"]["content"][0]["text"];
        assert_eq!(text, "Done; there was nobody to ask.", "{report:#}");
    }
    assert_eq!(gateway.children("ts-server.mjs").len(), 1);
}
