//! Sections 3.5 and 3.7, as far as there is something yet: what is not shown, and what nobody may learn.

use serde_json::{Value, json};
use trunkline_e2e::client::{ERAS, Era, modern_meta};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::scripted::{self, Scripted};

use crate::bench::{Bench, SCRIPTED};

const TOOLS: &str = r#"[{"name":"echo","inputSchema":{"type":"object"}},{"name":"forbidden","inputSchema":{"type":"object"}}]"#;
const SECRET: &str = "canary-secret-4711";

#[test]
fn s_63() {
    let upstream = Scripted::start(|seen, to| {
        if !scripted::introduce(true, seen, to) && !scripted::list(true, TOOLS, seen, to) {
            to.result(&seen.id(), r#"{"resultType":"complete","content":[]}"#);
        }
    });
    let mut entry = upstream.entry();
    entry["tools"] = json!({ "exclude": ["forbidden"] });
    let gateway = Gateway::start(&json!({ "one": entry }));
    for era in ERAS {
        let mut client = gateway.client(era);
        assert_eq!(client.tool_names(), ["one__echo"]);
        for name in [
            "one__forbidden",
            "forbidden",
            "FORBIDDEN",
            "one__FORBIDDEN",
            "one__forbidden ",
            " one__forbidden",
            "one__forbidd\u{435}n",
            "\u{ff4f}ne__forbidden",
            "one__forbid\u{200b}den",
            "one__%66orbidden",
            "one__one__forbidden",
            "one__forbidden\u{0}",
            "one/forbidden",
            "one.forbidden",
            "mcp+one:forbidden",
        ] {
            let reply = client.call(name, "{}");
            // A name with white space around it is not what its header says.
            assert!(matches!(reply.code(), Some(-32602 | -32020)), "{era:?} {name:?}: {}", reply.raw);
        }
        client.call("one__echo", "{}").result();
    }
    let called = upstream.seen_of("tools/call");
    assert!(!called.iter().any(|seen| seen.params().contains("orbid")), "it ran");
    assert_eq!(called.len(), 2);
}

#[test]
fn s_80() {
    let mut bench = Bench::new();
    for path in [
        "/",
        "/MCP",
        "/mcp/../mcp",
        "/mcp/./x",
        "//mcp",
        "/mcp//",
        "/mcp%00",
        "/mcp;x",
        "/mcp;/../",
        "/..;/mcp",
        "/%2e%2e/mcp",
        "/x/%2e%2e/mcp",
        "/%6dcp",
        "/mcp%2f",
        "/mcp%2F..%2Fadmin",
        "/mcp\\",
        "\\mcp",
        "/mcp/..%5cadmin",
        "/mcp.json",
        "/mcp~",
        "/.git/config",
        "/etc/passwd",
        "/../../../../etc/passwd",
        "/mcp/nobody",
        "/mcp%0d%0aX-Injected:1",
        "mcp",
        "*",
    ] {
        let sent = bench.call().target(path);
        let answer = bench.refuses(path, &sent, &[400, 404, 405], &[]);
        assert!(!answer.text().contains("root:"), "{path}");
        assert_eq!(answer.head.field("x-injected"), None);
    }
}

#[test]
fn s_81() {
    let mut bench = Bench::new();
    for path in [
        "/admin",
        "/admin/",
        "/api",
        "/api/v1",
        "/metrics",
        "/healthz",
        "/readyz",
        "/livez",
        "/health",
        "/status",
        "/debug",
        "/debug/pprof",
        "/debug/pprof/heap",
        "/debug/vars",
        "/config",
        "/config_dump",
        "/stats",
        "/server_info",
        "/env",
        "/actuator",
        "/actuator/env",
        "/swagger.json",
        "/openapi.json",
        "/docs",
        "/console",
        "/quitquitquit",
        "/reload",
        "/.well-known/security.txt",
    ] {
        for verb in ["GET", "POST"] {
            let sent = bench.call().verb(verb).target(path);
            let answer = bench.refuses(path, &sent, &[400, 403, 404, 405, 406], &[]);
            assert!(!answer.text().contains("trunkline_"), "{path}: metrics");
        }
    }
    // The listener that has them answers only those who ask for it by a name of this machine.
    assert_eq!(bench.gateway.admin("/metrics").head.status, 200);
}

#[test]
fn s_82() {
    let upstream = Scripted::start(|seen, to| {
        if !scripted::introduce(true, seen, to) && !scripted::list(true, TOOLS, seen, to) {
            let page =
                format!("Traceback (most recent call last): postgres://admin:{SECRET}@db.internal/prod");
            to.send(500, &[("Content-Type", "text/plain"), ("X-Debug", SECRET)], &page);
        }
    });
    let mut bench = Bench::with(
        json!({ "mcpServers": { "two": { "url": format!("{}?key={SECRET}", upstream.url()) } } }),
    );
    let port = upstream.url().rsplit_once(':').expect("a port").1.trim_end_matches("/mcp").to_owned();
    let clean = |about: &str, text: &str| {
        for word in
            [SECRET, "Traceback", "db.internal", "panicked", "crates/", ".rs:", "/src/", "RUST_BACKTRACE"]
        {
            assert!(!text.contains(word), "{about}: {word} in {text:.400}");
        }
        assert!(!text.contains(&port), "{about}: the upstream's address in {text:.400}");
    };
    let bad = [
        ("bad JSON", bench.call().body("{")),
        ("an unknown tool", bench.sending(r#"{"name":"no","arguments":{}}"#, "tools/call", Some("no"))),
        ("a bad cursor", bench.sending(r#"{"cursor":"x"}"#, "tools/list", None)),
        (
            "an unknown resource",
            bench.sending(r#"{"uri":"file:///etc/passwd"}"#, "resources/read", Some("file:///etc/passwd")),
        ),
        ("an unknown method", bench.sending(r#"{"x":1}"#, "no/such", None)),
        (
            "a bad state",
            bench.sending(r#"{"name":"one__echo","requestState":"x"}"#, "tools/call", Some("one__echo")),
        ),
        (
            "a failing server",
            bench.sending(r#"{"name":"two__echo","arguments":{}}"#, "tools/call", Some("two__echo")),
        ),
    ];
    for (about, sent) in bad {
        let answer = bench.try_send(&sent).expect("an answer");
        clean(about, &format!("{:?} {}", answer.head.fields, answer.text()));
        bench.all_is_well(about);
    }
    let mut legacy = bench.gateway.client(Era::Legacy);
    clean("a failing server, legacy", &legacy.call("two__echo", "{}").raw);
    clean("the list", &legacy.request("tools/list", "{}").raw);
    let status = legacy.status().to_string();
    assert!(!status.contains(SECRET), "{status:.400}");
}

/// The log and the metrics; there is no audit yet, and traces are not exported.
#[test]
fn s_83() {
    let upstream = Scripted::start(|seen, to| {
        if !scripted::introduce(true, seen, to) && !scripted::list(true, TOOLS, seen, to) {
            to.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{");
            to.close();
        }
    });
    let mut bench = Bench::with(json!({
        "log": { "format": "json", "level": "debug" },
        "mcpServers": { "two": {
            "url": format!("{}?key={SECRET}-url", upstream.url()),
            "headers": { "Authorization": format!("Bearer {SECRET}-header") },
            "maxSessions": 4,
        } },
    }));
    let sent = bench
        .sending(
            &format!(r#"{{"name":"two__echo","arguments":{{"password":"{SECRET}-argument"}}}}"#),
            "tools/call",
            Some("two__echo"),
        )
        .add("Authorization", &format!("Bearer {SECRET}-client"))
        .add("Cookie", &format!("session={SECRET}-cookie"));
    for _ in 0..3 {
        bench.try_send(&sent).expect("an answer");
        let spoiled = bench
            .call()
            .add("Authorization", &format!("Bearer {SECRET}-client"))
            .target(&format!("/mcp?token={SECRET}-query"))
            .body("{");
        bench.try_send(&spoiled).expect("an answer");
    }
    bench.all_is_well("calls with secrets");
    assert!(!upstream.seen_of("tools/call").is_empty(), "the call was made");
    let log = bench.gateway.log().join("\n");
    assert!(!log.contains(SECRET), "in the log: {:?}", log.lines().find(|line| line.contains(SECRET)));
    for path in ["/metrics", "/readyz", "/healthz"] {
        assert!(!bench.gateway.admin(path).text().contains(SECRET), "{path}");
    }
}

#[test]
fn s_88() {
    let upstream = Scripted::start(|seen, to| {
        if !scripted::introduce(true, seen, to) && !scripted::list(true, TOOLS, seen, to) {
            to.result(&seen.id(), r#"{"resultType":"complete","content":[]}"#);
        }
    });
    let gateway = Gateway::start(&json!({ "one": upstream.entry() }));
    let mut client = gateway.client(Era::Modern);
    let params = format!(r#"{{"_meta":{},"name":"one__echo","arguments":{{}}}}"#, modern_meta(""));
    let mut fields = client.fields("tools/call", &params);
    for name in [
        "Cookie",
        "Authorization",
        "X-Api-Key",
        "Proxy-Authorization",
        "X-Upstream-Authorization",
        "X-Forwarded-For",
        "X-Forwarded-User",
        "X-SSL-Client-Verify",
        "X-Original-URL",
        "Forwarded",
        "Baggage",
        "DPoP",
        "Mcp-Session-Id",
        "Last-Event-ID",
        "Mcp-Param-X",
    ] {
        fields.push((name.to_owned(), "canary-4711".to_owned()));
    }
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    client.connection().request("POST", "/mcp", &fields, body.as_bytes()).expect("it reads");
    client.finish().expect("it answers").result();
    let seen = upstream.seen_of("tools/call").pop().expect("it arrived");
    assert!(!format!("{seen:?}").contains("canary-4711"), "{:?}", seen.fields);
    assert_eq!(seen.field("mcp-name"), Some("echo"), "the server's own name");
    assert_eq!(seen.field("mcp-method"), Some("tools/call"));
    assert_eq!(seen.field("mcp-protocol-version"), Some("2026-07-28"));
    // A child gets none of it either: what it reads is the message.
    let bench = Bench::new();
    let sent = bench.call().add("Authorization", "canary-4711").add("Cookie", "canary-4711");
    assert_eq!(bench.try_send(&sent).expect("an answer").head.status, 200);
    assert!(!bench.seen().iter().any(|line| line.contains("canary-4711")), "{SCRIPTED}");
    let _: Value = serde_json::from_str(bench.seen().last().expect("it was asked")).expect("whole lines");
}
