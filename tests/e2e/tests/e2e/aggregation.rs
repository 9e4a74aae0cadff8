//! Many servers behind one endpoint, some of them in trouble.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use trunkline_e2e::client::{Client, ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::json::member;
use trunkline_e2e::{peers, process, wait};

/// Noise of a shared machine: a list that takes this much longer has not been delayed by a sick server.
const NOISE: Duration = Duration::from_millis(20);

/// Lists taken for a median.
const SAMPLES: usize = 31;

/// Five servers; the same one twice, so that every name of it collides.
fn five(dir: &std::path::Path) -> Value {
    let mut sick = peers::time().entry();
    sick["timeouts"] = json!({ "idle": "1s", "list": "2s" });
    let mut mortal = peers::everything_0_6().entry();
    // Long enough for its absence to be seen.
    mortal["restart"] = json!({ "first": "3s" });
    json!({
        "alpha": peers::everything().entry(),
        "beta": peers::everything().entry(),
        "old": mortal,
        "memory": peers::memory(&dir.join("graph.json")).entry(),
        "time": sick,
    })
}

fn median_list(client: &mut Client) -> Duration {
    let mut times: Vec<Duration> = (0..SAMPLES)
        .map(|_| {
            let start = Instant::now();
            client.request("tools/list", "{}").result();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[SAMPLES / 2]
}

fn unwell(client: &mut Client) -> Value {
    client.request("tools/list", "{}").value()["_meta"]["io.trunkline/upstreams"].clone()
}

#[test]
fn a_killed_and_a_frozen_server_do_not_trouble_the_others() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let gateway = Gateway::start(&five(dir.path()));
    let mut clients = ERAS.map(|era| gateway.client(era));
    let names = clients[0].tool_names();
    assert_eq!(names, clients[1].tool_names(), "both eras see the same list in the same order");
    for name in ["alpha__echo", "beta__echo", "old__echo", "memory__read_graph", "time__convert_time"] {
        assert!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
    }
    assert_eq!(unwell(&mut clients[0]), Value::Null, "all are well");
    let healthy = clients.each_mut().map(median_list);

    let victim = only(&gateway.children("server-everything-0.6"));
    let frozen = only(&gateway.children("mcp-server-time"));
    process::signal(frozen, Signal::SIGSTOP);
    let reply = clients[1].call("time__convert_time", CONVERT);
    assert_eq!(reply.value()["isError"], true, "{}", reply.raw);
    assert_eq!(reply.reason().as_deref(), Some("upstream_timeout"), "{}", reply.raw);
    process::signal(victim, Signal::SIGKILL);
    wait::until(Duration::from_secs(1), "the reason in the list's _meta", || {
        unwell(&mut clients[0])["old"]["reason"].as_str().map(str::to_owned)
    });
    let status = clients[1].status().to_string();
    assert!(status.contains("\"old\"") && status.contains("down"), "{status}");

    for (client, healthy) in clients.iter_mut().zip(healthy) {
        for server in ["alpha", "beta"] {
            let reply = client.call(&format!("{server}__echo"), r#"{"message":"still here"}"#);
            assert_eq!(reply.text(), "Echo: still here");
        }
        client.call("memory__read_graph", "{}").result();
        let sick = median_list(client);
        let most = healthy.mul_f64(1.2) + NOISE;
        assert!(sick <= most, "{:?}: a list takes {sick:?}, {healthy:?} when all are well", client.era);
    }
    assert_eq!(clients[0].tool_names(), names, "names do not come and go with the health of their server");

    process::signal(frozen, Signal::SIGCONT);
    let back = wait::until(wait::LONG, "the killed server to come back", || {
        gateway.children("server-everything-0.6").into_iter().find(|&pid| pid != victim)
    });
    assert!(process::lives(back));
    wait::until(wait::LONG, "both to be well again", || unwell(&mut clients[0]).is_null().then_some(()));
    for client in &mut clients {
        assert_eq!(client.call("old__echo", r#"{"message":"back"}"#).text(), "Echo: back");
        assert!(client.call("time__convert_time", CONVERT).text().contains("Tokyo"));
    }
}

const CONVERT: &str = r#"{"source_timezone":"Asia/Tokyo","time":"12:30","target_timezone":"America/Lima"}"#;

#[test]
fn the_reason_of_a_dead_server_is_seen_wherever_one_looks() {
    let scripted = env!("CARGO_BIN_EXE_scripted-stdio");
    let gateway = Gateway::start(&json!({
        "well": peers::everything_0_6().entry(),
        "dead": { "command": scripted, "args": ["die-at-once"] },
    }));
    for era in ERAS {
        let mut client = gateway.client(era);
        let meta = unwell(&mut client);
        let note = &meta["dead"];
        assert!(meta["well"].is_null(), "only the sick one is named: {meta}");
        assert!(note["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{meta}");
        assert!(note["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{meta}");
        let status = client.status().to_string();
        assert!(status.contains("dead") && status.contains("well"), "{status}");
        assert!(status.contains(note["reason"].as_str().unwrap_or("?")), "{status}");
        assert!(!status.contains("no licence found"), "stderr is for the operator alone: {status}");
        assert_eq!(client.call("well__echo", r#"{"message":"a"}"#).text(), "Echo: a");
    }
    let log = gateway.log().join("\n");
    assert!(log.contains("no licence found"), "the operator sees the last words: {log}");
    assert_eq!(gateway.admin("/livez").head.status, 200);
}

#[test]
fn a_tool_of_a_server_that_died_is_unavailable_and_not_unknown() {
    let scripted = env!("CARGO_BIN_EXE_scripted-stdio");
    let mut entry = json!({ "command": scripted, "args": ["die-on-call"] });
    entry["restart"] = json!({ "first": "30s", "max": "60s" });
    let gateway = Gateway::start(&json!({ "mortal": entry, "well": peers::everything_0_6().entry() }));
    let mut client = gateway.client(Era::Modern);
    let first = client.call("mortal__echo", "{}");
    assert_eq!(first.reason().as_deref(), Some("outcome_unknown"), "{}", first.raw);
    assert_eq!(
        first.code(),
        Some(-32603),
        "not a tool result, so that no host tries again by itself: {}",
        first.raw
    );
    for era in ERAS {
        let mut client = gateway.client(era);
        let reply = client.call("mortal__echo", "{}");
        assert_eq!(reply.head.status, 200);
        let fault = reply.value()["_meta"]["io.trunkline/fault"].clone();
        assert_eq!(reply.value()["isError"], true, "{}", reply.raw);
        assert_eq!(fault["reason"], "upstream_unavailable", "{}", reply.raw);
        assert_eq!(fault["server"], "mortal", "{}", reply.raw);
        assert_eq!(fault["retryable"], true, "{}", reply.raw);
        let unknown = client.call("mortal__nothing", "{}");
        assert_eq!(unknown.code(), Some(-32602), "{}", unknown.raw);
    }
}

#[test]
fn a_name_of_one_server_alone_works_without_its_prefix_and_an_ambiguous_one_names_its_owners() {
    let gateway = Gateway::start(&json!({
        "alpha": peers::everything_0_6().entry(),
        "beta": peers::everything_0_6().entry(),
        "time": peers::time().entry(),
    }));
    for era in ERAS {
        let mut client = gateway.client(era);
        assert!(client.call("convert_time", CONVERT).text().contains("Tokyo"));
        let ambiguous = client.call("echo", r#"{"message":"a"}"#);
        assert_eq!(ambiguous.code(), Some(-32602));
        assert_eq!(ambiguous.error()["data"]["candidates"], json!(["alpha__echo", "beta__echo"]));
    }
}

#[test]
fn resources_of_the_same_uri_reach_the_server_they_were_listed_by() {
    let scripted = |word: &'static str| {
        trunkline_e2e::scripted::Scripted::start(move |seen, to| {
            use trunkline_e2e::scripted;
            if scripted::introduce(false, seen, to) {
                return;
            }
            match seen.method().as_str() {
                "resources/list" => {
                    to.result(&seen.id(), r#"{"resources":[{"uri":"note://shared","name":"shared"}]}"#);
                }
                "resources/read" => {
                    assert_eq!(
                        member(&seen.params(), "uri").as_deref(),
                        Some("\"note://shared\""),
                        "its own URI"
                    );
                    let contents =
                        format!(r#"{{"contents":[{{"uri":"note://shared","text":"of {word}"}}]}}"#);
                    to.result(&seen.id(), &contents);
                }
                _ => drop(scripted::list(false, "[]", seen, to)),
            }
        })
    };
    let (first, second) = (scripted("first"), scripted("second"));
    let gateway = Gateway::start(&json!({ "first": first.entry(), "second": second.entry() }));
    for era in ERAS {
        let mut client = gateway.client(era);
        let uris: Vec<String> = client
            .list("resources/list", "resources")
            .iter()
            .filter_map(|item| trunkline_e2e::json::parse(item)["uri"].as_str().map(str::to_owned))
            .filter(|uri| uri.contains("shared"))
            .collect();
        assert_eq!(uris.len(), 2, "{uris:?}");
        assert_ne!(uris[0], uris[1]);
        for (uri, word) in uris.iter().zip(["of first", "of second"]) {
            let read = client.request("resources/read", &json!({ "uri": uri }).to_string()).value();
            assert_eq!(read["contents"][0]["text"], word);
            assert_eq!(read["contents"][0]["uri"], **uri, "the client sees the name that it asked for");
        }
    }
}

#[test]
fn a_profile_shows_its_servers_and_no_others() {
    let gateway = Gateway::with(json!({
        "mcpServers": { "alpha": peers::everything_0_6().entry(), "time": peers::time().entry() },
        "profiles": { "clock": { "servers": ["time"] } },
    }));
    for era in ERAS {
        let mut client = Client::connect(gateway.address(), "/mcp/clock", era);
        let names = client.tool_names();
        assert_eq!(names, ["time__get_current_time", "time__convert_time"]);
        let hidden = client.call("alpha__echo", r#"{"message":"a"}"#);
        assert_eq!(hidden.code(), Some(-32602), "what is not shown cannot be called: {}", hidden.raw);
    }
    let mut connection = gateway.connection();
    let host = gateway.address().to_string();
    let fields = [
        ("Host", host.as_str()),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
    ];
    connection.request("POST", "/mcp/none", &fields, b"{}").expect("it reads");
    assert_eq!(connection.answer().expect("it answers").head.status, 404);
}

fn only(pids: &[u32]) -> u32 {
    assert_eq!(pids.len(), 1, "one process: {pids:?}");
    pids[0]
}
