//! Progress, cancellation, logging, completion and pages, in all four cells of front and back era.

use serde_json::{Value, json};
use trunkline_e2e::client::{ERAS, Era};
use trunkline_e2e::driver::{Driver, assert_ok};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::json::{member, parse};
use trunkline_e2e::{peers, wait};

/// Fixture modes that stand for the back's era.
const BACKS: [&str; 2] = ["legacy-only", "modern-only"];

/// Drivers that stand for the front's era.
const FRONTS: [Driver; 2] = [Driver::Ts1, Driver::Ts2("modern")];

#[test]
fn progress_arrives_in_order_and_under_the_client_s_own_token() {
    for back in BACKS {
        let fixture = Fixture::ts(back, &[]);
        let gateway = Gateway::transparent(fixture.entry());
        for era in ERAS {
            let mut client = gateway.client(era);
            let token = "\"canary-7\"";
            client.meta = format!(r#""progressToken":{token}"#);
            let meta = if era == Era::Legacy {
                format!(r#""_meta":{{"progressToken":{token}}},"#)
            } else {
                String::new()
            };
            let reply = client.request(
                "tools/call",
                &format!(r#"{{{meta}"name":"test_tool_with_progress","arguments":{{}}}}"#),
            );
            assert_eq!(reply.text(), "Progress reported.");
            let progress: Vec<Value> = reply
                .notes
                .iter()
                .map(|note| parse(note))
                .filter(|note| note["method"] == "notifications/progress")
                .collect();
            let steps: Vec<_> = progress.iter().map(|note| note["params"]["progress"].to_string()).collect();
            assert_eq!(steps, ["0", "50", "100"], "{era:?} -> {back}: {:?}", reply.notes);
            for note in &progress {
                assert_eq!(note["params"]["progressToken"], "canary-7", "{era:?} -> {back}");
            }
        }
    }
}

#[test]
fn a_cancelled_call_is_cancelled_at_the_server() {
    for back in BACKS {
        for entry in [None, Some(peers::ts_server(back).entry())] {
            let fixture = entry.is_none().then(|| Fixture::ts(back, &[]));
            let wire = if entry.is_some() { "stdio" } else { "http" };
            let entry = entry.unwrap_or_else(|| fixture.as_ref().expect("it was started").entry());
            let gateway = Gateway::transparent(entry);
            for (at, driver) in FRONTS.into_iter().enumerate() {
                let report = driver.http(
                    &gateway.url(),
                    // Without asks: over a pipe a client that can be asked has a process that counts for itself.
                    &[
                        "--no-lists",
                        "--no-asks",
                        "--call-cancel",
                        "slow",
                        r#"{"ms":20000,"steps":200}"#,
                        "400",
                    ],
                );
                assert_eq!(report["calls"][0]["cancelled"], true, "{report:#}");
                let mut client = gateway.client(Era::Modern);
                wait::until(
                    std::time::Duration::from_secs(5),
                    &format!("the cancellation: {driver:?} -> {back} over {wire}"),
                    || {
                        let seen = client.call("count", r#"{"key":"cancelled","peek":true}"#).value();
                        (seen["structuredContent"]["count"] == at + 1).then_some(())
                    },
                );
            }
        }
    }
}

#[test]
fn a_modern_client_that_hangs_up_cancels_and_a_legacy_one_does_not() {
    let fixture = Fixture::ts("legacy-only", &[]);
    let gateway = Gateway::transparent(fixture.entry());
    let mut watcher = gateway.client(Era::Modern);
    let mut cancelled = || {
        watcher.call("count", r#"{"key":"cancelled","peek":true}"#).value()["structuredContent"]["count"]
            .clone()
    };
    let slow = r#"{"name":"slow","arguments":{"ms":1500,"steps":30}}"#;

    let mut legacy = gateway.client(Era::Legacy);
    legacy.start("tools/call", slow).expect("it reads");
    std::thread::sleep(std::time::Duration::from_millis(300));
    drop(legacy);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(cancelled(), 0, "a legacy client may come back");

    let mut modern = gateway.client(Era::Modern);
    modern.start("tools/call", slow).expect("it reads");
    std::thread::sleep(std::time::Duration::from_millis(300));
    drop(modern);
    wait::until(std::time::Duration::from_secs(5), "the cancellation", || (cancelled() == 1).then_some(()));
}

#[test]
fn log_messages_reach_the_client_that_asked_for_them() {
    for back in BACKS {
        let fixture = Fixture::ts(back, &[]);
        let gateway = Gateway::transparent(fixture.entry());
        for era in ERAS {
            let mut client = gateway.client(era);
            let logged = |client: &mut trunkline_e2e::client::Client| {
                let reply = client.call("test_tool_with_logging", "{}");
                let of = |note: &&String| parse(note)["method"] == "notifications/message";
                reply.notes.iter().filter(of).filter_map(|note| member(note, "params")).collect::<Vec<_>>()
            };
            if era == Era::Modern {
                assert_eq!(logged(&mut client), [""; 0], "no level, no logs: {back}");
                client.meta = r#""io.modelcontextprotocol/logLevel":"debug""#.to_owned();
            } else {
                client.request("logging/setLevel", r#"{"level":"debug"}"#).result();
            }
            let lines = logged(&mut client);
            assert_eq!(lines.len(), 3, "{era:?} -> {back}: {lines:?}");
            assert!(lines[0].contains("Tool execution started"), "{lines:?}");
            if era == Era::Modern {
                client.meta = r#""io.modelcontextprotocol/logLevel":"error""#.to_owned();
                assert_eq!(logged(&mut client), [""; 0], "below the level asked for: {back}");
            }
        }
    }
}

#[test]
fn completion_crosses_eras_and_knows_exposed_names() {
    for back in BACKS {
        let fixture = Fixture::ts(back, &[]);
        let gateway = Gateway::start(&json!({ "one": fixture.entry() }));
        for era in ERAS {
            let mut client = gateway.client(era);
            let reference = r#"{"type":"ref/prompt","name":"one__test_prompt_with_arguments"}"#;
            let reply = client.request(
                "completion/complete",
                &format!(r#"{{"ref":{reference},"argument":{{"name":"arg1","value":"par"}}}}"#),
            );
            assert_eq!(
                reply.value()["completion"]["values"],
                json!(["paris", "park", "party"]),
                "{era:?} -> {back}"
            );
            let reference = r#"{"type":"ref/resource","uri":"test://template/{id}/data"}"#;
            let reply = client.request(
                "completion/complete",
                &format!(r#"{{"ref":{reference},"argument":{{"name":"id","value":"1"}}}}"#),
            );
            assert_eq!(reply.value()["completion"]["values"], json!(["1", "12", "123"]), "{era:?} -> {back}");
        }
    }
}

#[test]
fn paged_upstreams_are_read_to_the_end_and_served_in_pages_of_our_own() {
    for back in BACKS {
        let fixture = Fixture::ts(back, &["--page-size", "5"]);
        let gateway = Gateway::with(json!({
            "naming": { "pageItems": 7 },
            "mcpServers": { "one": fixture.entry(), "time": peers::time().entry() },
        }));
        let whole = gateway.client(Era::Modern).tool_names();
        assert!(whole.len() > 30, "{whole:?}");
        assert_eq!(whole.iter().filter(|name| name.starts_with("time__")).count(), 2);
        for era in ERAS {
            let mut client = gateway.client(era);
            assert_eq!(client.tool_names(), whole, "{era:?} -> {back}");
            let first = client.request("tools/list", "{}").value();
            assert_eq!(first["tools"].as_array().map(Vec::len), Some(7));
            let foreign =
                client.request("prompts/list", &json!({ "cursor": first["nextCursor"] }).to_string());
            assert_eq!(foreign.code(), Some(-32602), "a cursor belongs to its list: {}", foreign.raw);
            let forged = client.request("tools/list", r#"{"cursor":"bm9wZQ"}"#);
            assert_eq!(forged.code(), Some(-32602), "{}", forged.raw);
            assert!(client.tool_names().len() > 30, "the client goes on");
        }
        for driver in FRONTS {
            let report = driver.http(&gateway.url(), &[]);
            assert_ok(&report);
            assert_eq!(report["tools"]["items"].as_array().map(Vec::len), Some(whole.len()));
        }
    }
}

#[test]
fn a_call_that_makes_progress_outlives_the_idle_deadline_and_a_silent_one_does_not() {
    let fixture = Fixture::ts("dual", &[]);
    let mut entry = fixture.entry();
    entry["timeouts"] = json!({ "idle": "700ms", "total": "20s" });
    let gateway = Gateway::transparent(entry);
    for era in ERAS {
        let mut client = gateway.client(era);
        client.meta = r#""progressToken":1"#.to_owned();
        let meta = if era == Era::Legacy { r#""_meta":{"progressToken":1},"# } else { "" };
        let reply = client.request(
            "tools/call",
            &format!(r#"{{{meta}"name":"slow","arguments":{{"ms":2000,"steps":10}}}}"#),
        );
        assert_eq!(reply.text(), "slept 2000 ms in 10 steps", "{era:?}");
        let reply = client.request("tools/call", r#"{"name":"slow","arguments":{"ms":5000,"steps":1}}"#);
        assert_eq!(reply.reason().as_deref(), Some("upstream_timeout"), "{era:?}: {}", reply.raw);
    }
}
