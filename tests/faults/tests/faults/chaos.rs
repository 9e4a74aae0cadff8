//! `trunkline chaos` against a gateway that runs.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline_e2e::client::Era;
use trunkline_e2e::gateway::{Gateway, binary};
use trunkline_e2e::process::Guarded;
use trunkline_e2e::wait;
use trunkline_faults::row::impatient;
use trunkline_faults::server::Server;

fn gateway(server: &Server, control: bool) -> Gateway {
    let entry = impatient(json!({ "url": server.url() }));
    Gateway::with(json!({ "mcpServers": { "hit": entry }, "faults": { "control": control } }))
}

fn command(gateway: &Gateway, scenario: &str) -> Command {
    let file = gateway.dir().join("scenario.yaml");
    std::fs::write(&file, scenario).expect("the folder is ours");
    let mut command = Command::new(binary());
    command.arg("chaos").arg(file);
    command.args(["--url", &gateway.url(), "--admin", &gateway.admin_url(), "--output", "json"]);
    command
}

fn play(gateway: &Gateway, scenario: &str) -> Output {
    command(gateway, scenario).output().expect("it runs")
}

const SCENARIO: &str = "
name: a try
load: { tool: hit__echo, arguments: { n: 1 }, rate: 40 }
phases:
  - name: healthy
    for: 2s
    expect: { success: 100, p99: 1s, reasons: [] }
  - name: broken
    for: 2s
    faults: [{ kind: garbage, tool: echo, percentage: 50, seed: 1 }]
    expect: { success: 20, reasons: [bad_answer] }
  - name: recovered
    for: 2s
    expect: { success: 100 }
";

#[test]
fn a_scenario_is_played_and_what_users_saw_is_reported() {
    let server = Server::polite();
    let gateway = gateway(&server, true);
    let output = play(&gateway, SCENARIO);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let phases = report["phases"].as_array().expect("phases");
    for phase in phases {
        let calls = phase["calls"].as_u64().expect("a number");
        assert!((70..=81).contains(&calls), "40 calls a second for 2 s: {phase}");
    }
    let answered = phases[1]["successPercent"].as_f64().expect("a number");
    assert!((25.0..=75.0).contains(&answered), "{}", phases[1]);
    let lost: u64 = phases[1]["calls"].as_u64().unwrap_or(0) - phases[1]["answered"].as_u64().unwrap_or(0);
    assert_eq!(phases[1]["reasons"], json!({ "bad_answer": lost }));
    assert_eq!(gateway.admin("/faults").text().trim(), r#"{"configured":0,"leased":0}"#, "nothing is left");
    // What users saw is what was injected: each call of both eras has reached the server once.
    let made: u64 = phases.iter().filter_map(|phase| phase["calls"].as_u64()).sum();
    assert_eq!(server.calls() as u64, made);
}

#[test]
fn an_expectation_that_fails_is_named_and_fails_the_run() {
    let server = Server::polite();
    let gateway = gateway(&server, true);
    let output =
        play(&gateway, &SCENARIO.replace("success: 20", "success: 99").replace("for: 2s", "for: 1s"));
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let ok: Vec<_> = report["phases"].as_array().expect("phases").iter().map(|phase| &phase["ok"]).collect();
    assert_eq!(ok, [true, false, true]);
    assert!(report["phases"][1]["broken"][0].as_str().is_some_and(|text| text.starts_with("success ")));
}

#[test]
fn a_run_that_dies_leaves_its_faults_behind_for_ten_seconds_at_most() {
    let server = Server::polite();
    let gateway = gateway(&server, true);
    let scenario = "
phases:
  - { for: 5m, load: { tool: hit__echo, rate: 1 }, faults: [{ kind: garbage }] }
";
    let reason = || gateway.client(Era::Modern).call("hit__echo", "{}").reason();
    let mut command = command(&gateway, scenario);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let run = Guarded(command.spawn().expect("it starts"));
    wait::until(Duration::from_secs(20), "the faults", || {
        (reason().as_deref() == Some("bad_answer")).then_some(())
    });
    // By SIGKILL.
    drop(run);
    let died = Instant::now();
    wait::until(Duration::from_secs(20), "the end of the lease", || reason().is_none().then_some(()));
    assert!(died.elapsed() < Duration::from_secs(12), "{:?}", died.elapsed());
}

#[test]
fn a_gateway_that_does_not_let_itself_be_broken_is_left_alone() {
    let server = Server::polite();
    let gateway = gateway(&server, false);
    let output = play(&gateway, SCENARIO);
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("faults.control: true"), "{said}");
    assert_eq!(server.calls(), 0);
    // A scenario that breaks nothing needs no leave.
    let output = play(
        &gateway,
        "load: { tool: hit__echo, rate: 20 }\nphases: [{ for: 1s, expect: { success: 100 } }]",
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn mistakes_are_told_before_anything_happens() {
    let server = Server::polite();
    let gateway = gateway(&server, true);
    let output = play(&gateway, "load: { tool: t }\nphases: [{ for: 1s, faults: [{ kind: dely, by: 1s }] }]");
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean `delay`"), "{output:?}");
    let scenario = gateway.dir().join("scenario.yaml");
    let to_nobody = || {
        let mut command = Command::new(binary());
        command.arg("chaos").arg(&scenario).args(["--url", "http://127.0.0.1:9/mcp"]);
        command.output().expect("it runs")
    };
    let nobody = to_nobody();
    assert_eq!(nobody.status.code(), Some(78), "the script is read first: {nobody:?}");
    std::fs::write(&scenario, "load: { tool: t }\nphases: [{ for: 1s }]").expect("ours");
    let nobody = to_nobody();
    assert_eq!(nobody.status.code(), Some(69), "{nobody:?}");
}
