//! Interactive calls: legacy clients in front of a modern server that asks (`bridging.md` section 6, the ask oracle of
//! `conformance.md` section 6.2, one direction).

use serde_json::{Value, json};
use trunkline_e2e::driver::{Driver, assert_ok};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::{Gateway, binary};
use trunkline_e2e::peers;

/// Every tool of the fixture that asks, with what its result must say in the end.
const CALLS: [(&str, &str, &str); 4] = [
    ("test_elicitation", r#"{"message":"who?"}"#, "action=accept"),
    ("test_input_required_result_multi_round", "{}", "peer likes peer."),
    ("test_input_required_result_multiple_inputs", "{}", "working in file:///peer/root"),
    ("test_sampling", r#"{"prompt":"hi"}"#, "sampled: hi"),
];

pub(crate) fn steps(prefix: &str) -> Vec<String> {
    let mut steps = vec!["--no-lists".to_owned()];
    for (tool, arguments, _) in CALLS {
        steps.extend(["--call".to_owned(), format!("{prefix}{tool}"), arguments.to_owned()]);
    }
    steps
}

fn text(call: &Value) -> &str {
    call["result"]["content"][0]["text"].as_str().unwrap_or_default()
}

pub(crate) fn answered(report: &Value) {
    assert_ok(report);
    for (at, (tool, _, expected)) in CALLS.iter().enumerate() {
        let said = text(&report["calls"][at]);
        assert!(said.contains(expected), "{tool}: {said}\n{report:#}");
    }
    // One each, two rounds, three at once, one.
    assert_eq!(report["asks"].as_array().map(Vec::len), Some(7), "{report:#}");
}

#[test]
fn legacy_clients_answer_what_a_modern_server_asks() {
    let fixture = Fixture::ts("modern-only", &[]);
    let direct = {
        let steps = steps("");
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        Driver::Ts2("modern").http(&fixture.url, &steps)
    };
    let gateway = Gateway::start(&json!({ "one": fixture.entry() }));
    let steps = steps("one__");
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    for driver in [Driver::Ts1, Driver::Ts2("legacy"), Driver::Py1, Driver::Py2("legacy")] {
        let report = driver.http(&gateway.url(), &steps);
        answered(&report);
    }
    // What a legacy client gets in the end is what a modern one gets from the server itself.
    let report = Driver::Ts2("legacy").http(&gateway.url(), &steps);
    for at in 0..CALLS.len() {
        assert_eq!(text(&report["calls"][at]), text(&direct["calls"][at]), "{report:#}");
    }
}

#[test]
fn a_client_that_only_starts_a_command_is_asked_on_its_pipe() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = dir.path().join("trunkline.json");
    let servers = json!({ "one": peers::ts_server("modern-only").entry() });
    let document = json!({ "stateDir": dir.path().join("state"), "mcpServers": servers });
    std::fs::write(&config, document.to_string()).expect("the folder is ours");
    let (binary, config) = (binary(), config.to_str().expect("a plain name").to_owned());
    let steps = steps("one__");
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let binary = binary.to_str().expect("a plain name");
    answered(&Driver::Ts1.stdio(binary, &["stdio", "--config", &config], &steps));
}

#[test]
fn a_user_who_declines_is_heard() {
    let fixture = Fixture::ts("modern-only", &[]);
    let gateway = Gateway::start(&json!({ "one": fixture.entry() }));
    let steps =
        ["--no-lists", "--elicit", "decline", "--call", "one__test_elicitation", r#"{"message":"who?"}"#];
    let report = Driver::Ts1.http(&gateway.url(), &steps);
    assert_ok(&report);
    assert!(text(&report["calls"][0]).contains("action=decline"), "{report:#}");
}

#[test]
fn a_client_that_cannot_be_asked_is_told_so_and_not_given_an_empty_success() {
    let fixture = Fixture::ts("modern-only", &[]);
    let gateway = Gateway::start(&json!({ "one": fixture.entry() }));
    let steps = ["--no-lists", "--no-asks", "--call", "one__test_sampling", r#"{"prompt":"hi"}"#];
    for driver in [Driver::Ts1, Driver::Py1] {
        let report = driver.http(&gateway.url(), &steps);
        let call = &report["calls"][0];
        assert_eq!(call["result"]["isError"], true, "{report:#}");
        assert!(!text(call).is_empty(), "{report:#}");
        assert_eq!(report["asks"].as_array().map(Vec::len), Some(0), "{report:#}");
    }
}
