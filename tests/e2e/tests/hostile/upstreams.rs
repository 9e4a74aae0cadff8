//! Section 3.8: servers that are hostile.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline_e2e::client::{ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::process;
use trunkline_e2e::scripted::{self, Scripted};

use crate::bench::{Bench, SCRIPTED};

/// A server of the modern era whose lists are these, and whose tools answer nothing in particular.
fn listing(method: &'static str, result: String) -> Scripted {
    Scripted::start(move |seen, to| {
        if scripted::introduce(true, seen, to) {
            return;
        }
        if seen.method() == method {
            return to.result(&seen.id(), &result);
        }
        if !scripted::list(true, r#"[{"name":"echo","inputSchema":{"type":"object"}}]"#, seen, to) {
            let answer =
                r#"{"resultType":"complete","content":[{"type":"text","text":"done"}],"contents":[]}"#;
            to.result(&seen.id(), answer);
        }
    })
}

fn beside(server: &Scripted) -> Bench {
    Bench::with(json!({ "mcpServers": { "bad": server.entry() } }))
}

#[test]
fn s_95() {
    let exploded = "{a}".repeat(60);
    let templates = listing(
        "resources/templates/list",
        format!(
            r#"{{"resultType":"complete","ttlMs":60000,"cacheScope":"private","resourceTemplates":[{{"name":"t","uriTemplate":"x:{exploded}"}},{{"name":"u","uriTemplate":"y:{}{{+b}}/z"}}]}}"#,
            "{+a}".repeat(2000)
        ),
    );
    let mut bench = beside(&templates);
    for scheme in ["x", "y"] {
        let uri = format!("{scheme}:{}/", "a".repeat(60_000));
        let start = Instant::now();
        // A name of this length does not fit into a header; a legacy client needs none.
        let reply = bench.bystanders[0].request("resources/read", &json!({ "uri": uri }).to_string());
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(reply.head.status < 500, "{}", reply.raw);
        bench.all_is_well("an exploded template");
    }
    let pattern = listing(
        "tools/list",
        r#"{"resultType":"complete","ttlMs":60000,"cacheScope":"private","tools":[{"name":"echo","inputSchema":{"type":"object","properties":{"a":{"type":"string","pattern":"^(a+)+$"}}}}]}"#.to_owned(),
    );
    let mut bench = beside(&pattern);
    let start = Instant::now();
    let arguments = json!({ "a": format!("{}b", "a".repeat(60_000)) }).to_string();
    bench.bystanders[0].call("bad__echo", &arguments).result();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    bench.all_is_well("a catastrophic pattern");
}

/// What a server says on a call's stream besides its answer: a question to a client that cannot be asked, a log line of
/// a client that wants none, an answer to another request, and progress of nobody's call.
#[test]
fn s_97() {
    for modern in [true, false] {
        let server = Scripted::start(move |seen, to| {
            let tools = r#"[{"name":"echo","inputSchema":{"type":"object"}}]"#;
            if scripted::introduce(modern, seen, to) || scripted::list(modern, tools, seen, to) {
                return;
            }
            let kind = if modern { r#""resultType":"complete","# } else { "" };
            to.events(&[
                r#"{"jsonrpc":"2.0","id":"ask","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1,"canary":"4711"}}"#.to_owned(),
                r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"debug","data":"canary 4711"}}"#.to_owned(),
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":424242,"progress":1,"message":"canary 4711"}}"#.to_owned(),
                r#"{"jsonrpc":"2.0","id":987654321,"result":{"content":[{"type":"text","text":"canary 4711"}]}}"#.to_owned(),
                format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{{kind}"content":[{{"type":"text","text":"done"}}]}}}}"#, seen.id()),
            ]);
        });
        let mut bench = beside(&server);
        for era in ERAS {
            let mut client = bench.gateway.client(era);
            if era == Era::Legacy {
                client.request("logging/setLevel", r#"{"level":"emergency"}"#).result();
            }
            let reply = client.call("bad__echo", "{}");
            assert_eq!(reply.text(), "done", "{era:?}: {}", reply.raw);
            assert!(reply.notes.is_empty(), "{era:?} in front of modern {modern}: {:?}", reply.notes);
        }
        bench.all_is_well("unasked words");
    }
}

#[test]
fn s_99() {
    let many: Vec<String> =
        (0..100_000).map(|n| format!(r#"{{"name":"tool_{n}","inputSchema":{{"type":"object"}}}}"#)).collect();
    let listed = |tools: &str| {
        format!(r#"{{"resultType":"complete","ttlMs":60000,"cacheScope":"private","tools":[{tools}]}}"#)
    };
    let many = listing("tools/list", listed(&many.join(",")));
    let endless = json!({ "command": SCRIPTED, "args": ["endless-pages"], "timeouts": { "list": "5s", "probe": "1s" } });
    let huge = Scripted::start(|seen, to| {
        if scripted::introduce(true, seen, to) {
            return;
        }
        to.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        let part = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
        to.raw(b"2\r\n{\"\r\n");
        for _ in 0..300 {
            to.raw(part.as_bytes());
        }
    });
    let start = Instant::now();
    let mut bench = Bench::with(json!({ "mcpServers": {
        "many": many.entry(), "endless": endless, "huge": huge.entry(),
    } }));
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let names = bench.bystanders[1].tool_names();
    let of = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    assert!(of("one__") == 1, "the good one is listed");
    assert!(of("many__") <= 10_000 && of("endless__") <= 10_000, "{} and {}", of("many__"), of("endless__"));
    assert_eq!(of("huge__"), 0);
    let resident = process::resident_kib(bench.gateway.pid());
    assert!(resident < 256 << 10, "{resident} KiB");
    bench.all_is_well("lists without measure");
}

/// What a child finds: variables, descriptors, folder and user.
#[test]
fn s_100() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let told = dir.path().join("told.txt");
    let script = format!(
        "(env; ls -l /proc/self/fd; pwd; id -u; umask) > {} 2>&1; exec {SCRIPTED} polite",
        told.to_str().expect("a plain name")
    );
    let mut gateway = Gateway::start(&json!({ "one": {
        "command": "sh", "args": ["-c", script], "env": { "DECLARED": "yes" }, "cwd": dir.path(),
    } }));
    let mut client = gateway.client(Era::Modern);
    client.call("one__echo", "{}").result();
    let told = std::fs::read_to_string(told).expect("it ran");
    assert!(told.contains("DECLARED=yes"), "{told}");
    for word in ["CARGO", "TRUNKLINE", "RUST", "socket:", "trunkline.json"] {
        assert!(!told.contains(word), "{word} in {told}");
    }
    assert!(told.contains(dir.path().to_str().expect("a plain name")), "its folder: {told}");
    let _: Value = client.call("one__echo", "{}").value();
    assert!(gateway.runs());
}
