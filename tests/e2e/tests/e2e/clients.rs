//! Real client SDKs in front of the gateway.

use serde_json::{Value, json};
use trunkline_e2e::driver::{Driver, assert_ok, rmcp};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::{Gateway, binary};
use trunkline_e2e::peers;

/// Every driver in every mode.
const DRIVERS: [Driver; 8] = [
    Driver::Ts1,
    Driver::Ts2("auto"),
    Driver::Ts2("legacy"),
    Driver::Ts2("modern"),
    Driver::Py1,
    Driver::Py2("auto"),
    Driver::Py2("legacy"),
    Driver::Py2("modern"),
];

/// What every client must get done in front of `ts-server`.
const STEPS: [&str; 14] = [
    "--call",
    "echo",
    r#"{"word":"ünï","n":1.5}"#,
    "--read",
    "test://static-text",
    "--prompt",
    "test_prompt_with_arguments",
    r#"{"arg1":"a","arg2":"b"}"#,
    "--complete",
    "prompt:test_prompt_with_arguments",
    "arg1",
    "par",
    "--no-asks",
    "--wire",
];

fn served(report: &Value) {
    assert_ok(report);
    let call = &report["calls"][0]["result"];
    assert_eq!(call["structuredContent"], json!({ "word": "ünï", "n": 1.5 }), "{report:#}");
    assert_eq!(
        report["reads"][0]["result"]["contents"][0]["text"],
        "This is the content of the static text resource."
    );
    assert_eq!(
        report["gets"][0]["result"]["messages"][0]["content"]["text"],
        "Prompt with arguments: arg1='a', arg2='b'"
    );
    assert_eq!(report["completions"][0]["result"]["completion"]["values"], json!(["paris", "park", "party"]));
    assert!(report["tools"]["items"].as_array().is_some_and(|tools| tools.len() > 20));
}

#[test]
fn every_client_works_in_front_of_a_legacy_server() {
    let fixture = Fixture::ts("legacy-only", &[]);
    let gateway = Gateway::transparent(fixture.entry());
    for driver in DRIVERS {
        served(&driver.http(&gateway.url(), &STEPS));
    }
}

#[test]
fn every_client_works_in_front_of_a_modern_server() {
    let fixture = Fixture::ts("modern-only", &[]);
    let gateway = Gateway::transparent(fixture.entry());
    for driver in DRIVERS {
        served(&driver.http(&gateway.url(), &STEPS));
    }
}

#[test]
fn the_era_of_a_client_is_its_own_choice() {
    let fixture = Fixture::ts("legacy-only", &[]);
    let gateway = Gateway::transparent(fixture.entry());
    let revision = |driver: Driver| {
        let report = driver.http(&gateway.url(), &["--no-lists"]);
        assert_ok(&report);
        report["connected"]["protocolVersion"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(revision(Driver::Ts1), "2025-11-25");
    assert_eq!(revision(Driver::Py1), "2025-06-18");
    assert_eq!(revision(Driver::Ts2("auto")), "2026-07-28");
    assert_eq!(revision(Driver::Py2("auto")), "2026-07-28");
}

#[test]
fn rmcp_works_on_both_sides() {
    let back = Fixture::rmcp();
    for entry in [back.entry(), peers::rmcp_server().entry()] {
        let gateway = Gateway::start(&json!({ "one": entry }));
        for mode in ["--auto", "--legacy", "--modern"] {
            let report = rmcp(&gateway.url(), &[mode, "--call", "one__add", r#"{"a":2,"b":3}"#]);
            assert_eq!(report["ok"], true, "{report:#}");
            assert_eq!(
                report["call"]["result"]["content"][0]["text"]
                    .as_str()
                    .or(report["call"]["content"][0]["text"].as_str()),
                Some("5"),
                "{report:#}"
            );
        }
        let report = Driver::Ts2("modern")
            .http(&gateway.url(), &["--prompt", "one__greet", r#"{"name":"Ada"}"#, "--read", "rmcp://about"]);
        assert_ok(&report);
    }
}

#[test]
fn the_gateway_over_stdio_serves_both_eras() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = dir.path().join("trunkline.json");
    let document = json!({
        "stateDir": dir.path().join("state"),
        "mcpServers": { "old": peers::everything_0_6().entry(), "new": peers::ts_server("modern-only").entry() },
    });
    std::fs::write(&config, document.to_string()).expect("the folder is ours");
    let (binary, config) = (binary(), config.to_str().expect("a plain name").to_owned());
    let binary = binary.to_str().expect("a plain name");
    for driver in [Driver::Ts1, Driver::Ts2("legacy"), Driver::Ts2("modern")] {
        let steps =
            ["--call", "old__echo", r#"{"message":"over a pipe"}"#, "--call", "new__echo", r#"{"a":1}"#];
        let report = driver.stdio(binary, &["stdio", "--config", &config], &steps);
        assert_ok(&report);
        assert_eq!(report["calls"][0]["result"]["content"][0]["text"], "Echo: over a pipe");
        assert_eq!(report["calls"][1]["result"]["structuredContent"], json!({ "a": 1 }));
    }
}

#[test]
fn the_gateway_over_stdio_ends_with_its_input_and_leaves_no_child() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = dir.path().join("trunkline.json");
    let document = json!({ "stateDir": dir.path().join("state"), "mcpServers": { "old": peers::everything_0_6().entry() } });
    std::fs::write(&config, document.to_string()).expect("the folder is ours");
    let mut command = std::process::Command::new(binary());
    command.arg("stdio").arg("--config").arg(&config);
    let mut pipe = trunkline_e2e::pipe::Pipe::spawn(command);
    pipe.initialize("2025-06-18");
    pipe.result("tools/call", r#"{"name":"old__echo","arguments":{"message":"a"}}"#);
    let below = trunkline_e2e::process::descendants(pipe.pid());
    assert!(!below.is_empty());
    assert_eq!(pipe.close(), Some(0));
    trunkline_e2e::process::wait_until_gone(&below, std::time::Duration::from_secs(10));
}
