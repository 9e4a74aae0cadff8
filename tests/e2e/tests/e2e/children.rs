//! Child processes: one per server, whatever happens; none left behind.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use trunkline_e2e::client::Era;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::{peers, process, wait};

/// For the helper to see that the gateway has gone, and to end what is left.
const SWEEP: Duration = Duration::from_secs(10);

#[test]
fn ten_thousand_calls_start_no_further_process() {
    let gateway = Gateway::start(&json!({ "one": { "command": SCRIPTED, "args": ["polite"] } }));
    let before = process::descendants(gateway.pid());
    assert_eq!(gateway.children("scripted-stdio").len(), 1);
    assert!((gateway.metric("trunkline_child_starts_total", &["upstream=\"one\""]) - 1.0).abs() < 0.5);
    let mut client = gateway.client(Era::Modern);
    for number in 0..10_000 {
        let arguments = format!(r#"{{"n":{number}}}"#);
        assert_eq!(client.call("one__echo", &arguments).text(), arguments);
    }
    assert_eq!(process::descendants(gateway.pid()), before, "the same processes as before");
    assert!((gateway.metric("trunkline_child_starts_total", &["upstream=\"one\""]) - 1.0).abs() < 0.5);
    let counted =
        gateway.metric("mcp_http_request_duration_seconds_count", &["method=\"POST\"", "status=\"200\""]);
    assert!(counted >= 10_000.0, "every request is in the seed's metric: {counted}");
}

#[test]
fn two_clients_share_one_process_that_ends_with_the_gateway() {
    let gateway = Gateway::start(&json!({ "one": peers::everything_0_6().entry() }));
    let children = gateway.children("server-everything-0.6");
    for _ in 0..3 {
        for era in [Era::Legacy, Era::Modern] {
            gateway.client(era).call("one__echo", r#"{"message":"a"}"#).result();
        }
    }
    assert_eq!(gateway.children("server-everything-0.6"), children);
    drop(gateway);
    process::wait_until_gone(&children, SWEEP);
}

#[test]
fn nothing_is_left_when_the_gateway_is_killed() {
    let wrapped = peers::everything_0_6();
    let line = format!("{} {} & wait", wrapped.command, wrapped.args.join(" "));
    let mut gateway = Gateway::start(&json!({
        "plain": peers::time().entry(),
        // As npx does it: what was started is not the server itself. Stdin is handed on by hand, as shells close it for `&`.
        "wrapped": { "command": "sh", "args": ["-c", format!("exec 3<&0; {} <&3", line.replace(" & wait", "")) + " & wait"] },
    }));
    let mut all = process::descendants(gateway.pid());
    assert_eq!(gateway.children("server-everything-0.6/dist/index.js").len(), 2, "the shell and the server");
    // The helper that ends children may live outside of the gateway's own tree.
    all.extend(process::with_command(gateway.dir().to_str().expect("a plain folder name")));
    gateway.kill();
    process::wait_until_gone(&all, SWEEP);
}

#[test]
fn a_server_that_died_is_noticed_even_when_something_holds_its_pipe_open() {
    // The sleeper leaves the process group, so nobody ends it with the server.
    let sleeper = format!("sleep {}", 90 + std::process::id() % 10);
    let line = format!("setsid {sleeper} & exec {SCRIPTED} polite");
    let gateway = Gateway::start(&json!({ "one": { "command": "sh", "args": ["-c", line] } }));
    let mut client = gateway.client(Era::Modern);
    assert_eq!(client.call("one__echo", r#"{"n":1}"#).text(), r#"{"n":1}"#);
    let first = gateway.children("scripted-stdio");
    process::signal(first[0], Signal::SIGKILL);
    assert!(!process::with_command(&sleeper).is_empty(), "the pipe is held open");
    wait::until(wait::LONG, "another process to take its place", || {
        let now = gateway.children("scripted-stdio");
        (now.len() == 1 && now != first).then_some(())
    });
    wait::until(wait::LONG, "the new process to answer", || {
        let answer = client.call("one__echo", r#"{"n":2}"#);
        (answer.text() == r#"{"n":2}"#).then_some(())
    });
    drop(gateway);
    for left in process::with_command(&sleeper) {
        process::signal(left, Signal::SIGKILL);
    }
}

#[test]
fn an_idle_server_is_stopped_and_the_next_call_starts_it() {
    let mut entry = peers::everything_0_6().entry();
    entry["idleStop"] = json!("1s");
    let gateway = Gateway::start(&json!({ "one": entry }));
    let mut client = gateway.client(Era::Legacy);
    client.call("one__echo", r#"{"message":"a"}"#).result();
    wait::until(wait::LONG, "the idle stop", || {
        gateway.children("server-everything-0.6").is_empty().then_some(())
    });
    assert!(!client.tool_names().is_empty(), "its tools stay listed");
    assert_eq!(client.call("one__echo", r#"{"message":"b"}"#).text(), "Echo: b");
    assert_eq!(gateway.children("server-everything-0.6").len(), 1);
}

#[test]
fn a_server_sees_only_the_variables_that_were_declared_for_it() {
    let mut entry = peers::everything().entry();
    entry["env"] = json!({ "DECLARED": "yes" });
    let gateway = Gateway::transparent(entry);
    let mut client = gateway.client(Era::Modern);
    let env = client.call("get-env", "{}").text();
    assert!(env.contains("\"DECLARED\": \"yes\""), "{env}");
    assert!(!env.contains("CARGO") && !env.contains("TRUNKLINE"), "{env}");
}

const SCRIPTED: &str = env!("CARGO_BIN_EXE_scripted-stdio");
