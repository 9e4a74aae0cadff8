//! Bad input: each gets its status and error, the process stays up, and nobody else notices.
//!
//! The ids are those of `security-reliability.md` 3.1 to 3.3; 3.4 is in `modern_metadata.rs`.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde_json::json;
use trunkline_e2e::client::{Client, Era, modern_meta};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::http::{Answer, Connection};
use trunkline_e2e::process;

/// Refusals must not take longer, whatever is refused.
const REFUSAL: Duration = Duration::from_secs(5);

/// A gateway, and a client on a connection of its own that must never notice anything.
pub(crate) struct Bench {
    pub(crate) gateway: Gateway,
    bystanders: [Client; 2],
}

/// What a case sends.
pub(crate) struct Sent {
    verb: &'static str,
    target: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let gateway = Gateway::start(
            &json!({ "one": { "command": env!("CARGO_BIN_EXE_scripted-stdio"), "args": ["polite"] } }),
        );
        let bystanders = [gateway.client(Era::Legacy), gateway.client(Era::Modern)];
        Self { gateway, bystanders }
    }

    /// A good modern call, for a case to spoil.
    pub(crate) fn call(&self) -> Sent {
        self.sending(CALL_PARAMS, "tools/call", Some("one__echo"))
    }

    /// A modern request with these params (without `_meta`).
    pub(crate) fn sending(&self, params: &str, method: &str, name: Option<&str>) -> Sent {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"_meta":{},{}}}"#,
            modern_meta(""),
            params.trim_start_matches('{')
        );
        let mut sent =
            Sent { verb: "POST", target: "/mcp".into(), fields: Vec::new(), body: body.into_bytes() };
        let host = self.gateway.address().to_string();
        for (name, value) in [
            ("Host", host.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", method),
        ] {
            sent = sent.set(name, value);
        }
        match name {
            Some(name) => sent.set("Mcp-Name", name),
            None => sent,
        }
    }

    /// Sends a case and returns what came; `None` when the connection was closed without an answer.
    pub(crate) fn try_send(&self, sent: &Sent) -> Option<Answer> {
        let mut connection = self.gateway.connection();
        connection.set_patience(REFUSAL);
        let fields: Vec<(&str, &str)> =
            sent.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // The gateway may answer and close before it has read everything.
        let _ = connection.request(sent.verb, &sent.target, &fields, &sent.body);
        settle(connection.answer())
    }

    /// Sends raw bytes and returns what came.
    fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        let mut connection = self.gateway.connection();
        connection.set_patience(REFUSAL);
        let _ = connection.send(bytes);
        settle(connection.answer())
    }

    /// Sends a case that must be refused with this status, and this code if there is one; then all must be well.
    pub(crate) fn refuses(&mut self, about: &str, sent: &Sent, statuses: &[u16], codes: &[i64]) -> Answer {
        let start = Instant::now();
        let answer = self.try_send(sent).unwrap_or_else(|| panic!("{about}: closed without an answer"));
        assert!(start.elapsed() < REFUSAL, "{about}: took {:?}", start.elapsed());
        let text = answer.text();
        assert!(
            statuses.contains(&answer.head.status),
            "{about}: {} instead of {statuses:?}: {text:.300}",
            answer.head.status
        );
        if !codes.is_empty() {
            let body: serde_json::Value =
                serde_json::from_str(&text).unwrap_or_else(|_| panic!("{about}: not JSON: {text:.300}"));
            let code = body["error"]["code"].as_i64().unwrap_or_default();
            assert!(codes.contains(&code), "{about}: {code} instead of {codes:?}: {text:.300}");
        }
        self.all_is_well(about);
        answer
    }

    /// Calls go through on the connections that were open all the time.
    pub(crate) fn all_is_well(&mut self, after: &str) {
        for client in &mut self.bystanders {
            let reply =
                client.try_request("tools/call", r#"{"name":"one__echo","arguments":{"still":"here"}}"#);
            let reply =
                reply.unwrap_or_else(|error| panic!("after {after}: a bystander got no answer: {error}"));
            assert_eq!(reply.text(), r#"{"still":"here"}"#, "after {after}");
        }
        assert!(self.gateway.runs(), "after {after}: the gateway has ended");
    }
}

const CALL_PARAMS: &str = r#"{"name":"one__echo","arguments":{}}"#;

impl Sent {
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self.add(name, value)
    }

    pub(crate) fn add(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn verb(mut self, verb: &'static str) -> Self {
        self.verb = verb;
        self
    }

    fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// The body with one piece of text replaced.
    pub(crate) fn replace(mut self, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.body).expect("the good body is text");
        assert!(text.contains(from), "{from} is not in {text}");
        self.body = text.replacen(from, to, 1).into_bytes();
        self
    }
}

/// A close without an answer is an answer of its own; silence is a failure.
fn settle(answer: std::io::Result<Answer>) -> Option<Answer> {
    match answer {
        Ok(answer) => Some(answer),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("no answer in {REFUSAL:?}")
        }
        Err(_) => None,
    }
}

#[test]
fn the_good_request_that_the_cases_spoil_is_good() {
    let mut bench = Bench::new();
    let sent = bench.call();
    bench.refuses("the good request", &sent, &[200], &[]);
}

#[test]
fn foreign_hosts_and_origins_are_refused() {
    let mut bench = Bench::new();
    // S-01, S-03
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://localhost@evil.example",
        "http://evil.example#localhost",
        "http://evil.example?localhost",
        "file://",
        "http://127.0.0.1.evil.example",
        "https://evil.example:8808",
        "http://localhost\tevil",
        "chrome-extension://abc",
        "http://[::1].evil.example",
    ] {
        let sent = bench.call().add("Origin", origin);
        let answer = bench.refuses(&format!("Origin {origin}"), &sent, &[403, 400], &[]);
        assert_eq!(answer.head.field("access-control-allow-origin"), None);
    }
    // S-02, S-14
    for host in
        ["evil.example", "localhost.evil.example", "169.254.169.254", "user@localhost", "", "localhost:1:2"]
    {
        let sent = bench.call().set("Host", host);
        bench.refuses(&format!("Host {host}"), &sent, &[400, 403, 421], &[]);
    }
    let sent = bench.call().without("Host");
    bench.refuses("no Host", &sent, &[400], &[]);
    // S-04
    let good = bench.gateway.address().to_string();
    for (first, second) in [(good.as_str(), "evil.example"), ("evil.example", good.as_str())] {
        let sent = bench.call().without("Host").add("Host", first).add("Host", second);
        bench.refuses("two Hosts", &sent, &[400, 403], &[]);
        let (first, second) = (format!("http://{first}"), format!("http://{second}"));
        let sent = bench.call().add("Origin", &first).add("Origin", &second);
        bench.refuses("two Origins", &sent, &[400, 403], &[]);
    }
    let sent = bench.call().target("http://evil.example/mcp");
    bench.refuses("an absolute target with another host", &sent, &[400, 403, 421], &[]);
    // S-05
    for target in ["/mcp", "/", "/admin", "/api"] {
        let sent = bench
            .call()
            .verb("OPTIONS")
            .target(target)
            .add("Origin", "http://evil.example")
            .add("Access-Control-Request-Method", "POST");
        let answer = bench.refuses(&format!("preflight on {target}"), &sent, &[403, 404, 405, 400], &[]);
        assert_eq!(answer.head.field("access-control-allow-origin"), None);
    }
    let sent = bench.call().add("Origin", &format!("http://localhost:{}", bench.gateway.address().port()));
    bench.refuses("its own origin", &sent, &[200], &[]);
}

#[test]
fn only_json_posts_are_taken() {
    let mut bench = Bench::new();
    // S-06, S-07
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json-patch+json",
        "application/json; charset=utf-16",
        "text/plain; application/json",
        "application/json, text/plain",
    ] {
        let sent = bench.call().set("Content-Type", kind);
        bench.refuses(kind, &sent, &[415], &[]);
        let bare = bench
            .call()
            .set("Content-Type", kind)
            .without("MCP-Protocol-Version")
            .without("Mcp-Method")
            .without("Mcp-Name");
        bench.refuses(kind, &bare, &[415], &[]);
    }
    let sent = bench.call().without("Content-Type");
    bench.refuses("no content type", &sent, &[415], &[]);
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        let sent = bench.call().set("Content-Type", kind);
        bench.refuses(kind, &sent, &[200], &[]);
    }
    for accept in ["text/html", "image/*"] {
        let sent = bench.call().set("Accept", accept);
        bench.refuses(accept, &sent, &[406], &[]);
    }
    // S-08
    for verb in ["GET", "PUT", "PATCH", "DELETE", "TRACE", "post", "FOO", "HEAD"] {
        let sent = bench.call().verb(verb).add("X-Canary", "canary-4711");
        if verb == "HEAD" {
            continue;
        }
        let answer = bench.refuses(verb, &sent, &[400, 404, 405, 501], &[]);
        assert!(!answer.text().contains("canary-4711"), "{verb} echoes");
    }
    // S-16
    for upgrade in ["h2c", "websocket"] {
        let sent = bench
            .call()
            .add("Connection", "Upgrade, HTTP2-Settings")
            .add("Upgrade", upgrade)
            .add("HTTP2-Settings", "AAMAAABkAAQAAP__");
        let answer = bench.try_send(&sent).expect("an answer");
        assert_ne!(answer.head.status, 101);
    }
    // S-34
    for coding in ["gzip", "gzip, gzip", "br", "nonsense"] {
        let sent = bench.call().add("Content-Encoding", coding);
        bench.refuses(coding, &sent, &[415, 400], &[]);
    }
    for path in [
        "/",
        "/MCP",
        "/mcp/../mcp",
        "//mcp",
        "/mcp%00",
        "/mcp;x",
        "/metrics",
        "/readyz",
        "/admin",
        "/debug/pprof",
    ] {
        let sent = bench.call().target(path);
        bench.refuses(path, &sent, &[400, 404], &[]);
    }
}

#[test]
fn framing_that_two_parsers_read_in_two_ways_is_refused() {
    let mut bench = Bench::new();
    let host = bench.gateway.address().to_string();
    let body = String::from_utf8(bench.call().body).expect("text");
    let second = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    let head = |framing: &str| {
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: one__echo\r\n{framing}\r\n"
        )
    };
    let length = body.len();
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    // S-10: refused, and nothing behind the last chunk is a request.
    let framings = [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n".to_owned(),
    ];
    for framing in framings {
        let mut connection = bench.gateway.connection();
        let _ = connection.send(format!("{}{chunked}{second}", head(&framing)).as_bytes());
        let answer = settle(connection.answer()).expect("an answer");
        assert_eq!(answer.head.status, 400, "{framing}");
        assert!(connection.answer().is_err(), "{framing}: the request behind it was answered");
        bench.all_is_well(&framing);
    }
    // S-11
    for coding in [
        "xchunked",
        "chunked, identity",
        "\u{b}chunked",
        "gzip, chunked",
        "\"chunked\"",
        "chunked\r\nTransfer-Encoding: identity",
    ] {
        let sent = format!("{}{chunked}", head(&format!("Transfer-Encoding: {coding}\r\n")));
        expect(&bench, coding, sent.as_bytes(), &[400, 501, 415]);
        bench.all_is_well(coding);
    }
    // S-12
    for lengths in [
        format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length + 1),
        format!("Content-Length: +{length}\r\n"),
        format!("Content-Length: 0x{length:x}\r\n"),
        "Content-Length: -1\r\n".to_owned(),
        format!("Content-Length: {length}, {}\r\n", length + 1),
        format!("Content-Length: {}\r\n", u128::from(u64::MAX) + 1 + length as u128),
        "Content-Length: 1e3\r\n".to_owned(),
    ] {
        let sent = format!("{}{body}", head(&lengths));
        expect(&bench, &lengths, sent.as_bytes(), &[400, 413]);
        bench.all_is_well(&lengths);
    }
    // S-13
    for field in ["X-A : b", "X-A\0: b", "X-A", "X-A: b\rX-B: c", "X-\u{1}: b", ": b"] {
        let sent = format!("{}{body}", head(&format!("{field}\r\nContent-Length: {length}\r\n")));
        expect(&bench, field, sent.as_bytes(), &[400]);
        bench.all_is_well(field);
    }
    // S-18
    for size in ["fffffffffffffffff", "-5", "0x5", "5\nhello", "zz"] {
        let sent = format!("{}{size}\r\n{body}\r\n0\r\n\r\n", head("Transfer-Encoding: chunked\r\n"));
        expect(&bench, size, sent.as_bytes(), &[400]);
        bench.all_is_well(size);
    }
    let sent = format!(
        "{}{length:x};{}\r\n{body}\r\n0\r\n\r\n",
        head("Transfer-Encoding: chunked\r\n"),
        "x".repeat(256 * 1024)
    );
    expect(&bench, "a chunk extension of 256 KiB", sent.as_bytes(), &[400, 413, 431]);
    bench.all_is_well("a chunk extension of 256 KiB");
    // S-15
    for (about, extra) in [
        ("64 KiB header", format!("X-A: {}\r\n", "a".repeat(64 * 1024))),
        ("512 KiB header", format!("X-A: {}\r\n", "a".repeat(512 * 1024))),
        ("2000 headers", (0..2000).flat_map(|n| [format!("X-{n}"), ": a\r\n".to_owned()]).collect()),
    ] {
        let sent = format!("{}{body}", head(&format!("{extra}Content-Length: {length}\r\n")));
        expect(&bench, about, sent.as_bytes(), &[400, 431]);
        bench.all_is_well(about);
    }
    let sent = head("Content-Length: 0\r\n").replacen("/mcp", &format!("/mcp?{}", "a".repeat(64 * 1024)), 1);
    expect(&bench, "64 KiB target", sent.as_bytes(), &[400, 404, 414, 431]);
    bench.all_is_well("64 KiB target");
    // S-20, as far as there are no tokens yet: two requests at once, answered in order.
    let pair = format!("{0}{body}{0}{body}", head(&format!("Content-Length: {length}\r\n")));
    let mut connection = bench.gateway.connection();
    connection.send(pair.as_bytes()).expect("it reads");
    for _ in 0..2 {
        assert_eq!(connection.answer().expect("an answer").head.status, 200);
    }
}

/// A refusal: one of these statuses, or a closed connection; never a success and never a 5xx but 501.
fn expect(bench: &Bench, about: &str, bytes: &[u8], statuses: &[u16]) {
    if let Some(answer) = bench.raw(bytes) {
        assert!(
            statuses.contains(&answer.head.status),
            "{about:.60}: {} instead of {statuses:?}",
            answer.head.status
        );
    }
}

#[test]
fn bodies_that_are_no_json_rpc_are_refused() {
    let mut bench = Bench::new();
    let good = String::from_utf8(bench.call().body).expect("text");
    let bom = "\u{feff}\u{feff}".to_owned() + &good;
    // S-21
    for (about, body) in [
        ("truncated", good[..good.len() - 1].to_owned()),
        ("cut in a string", good[..20].to_owned()),
        ("two documents", format!("{good}{good}")),
        ("NaN", good.replacen(r#""id":1"#, r#""id":NaN"#, 1)),
        ("Infinity", good.replacen(r#""arguments":{}"#, r#""arguments":{"a":Infinity}"#, 1)),
        ("a comment", format!("/* hi */{good}")),
        ("a trailing comma", format!("{},}}", &good[..good.len() - 1])),
        ("empty", String::new()),
        ("a scalar", "42".to_owned()),
        ("a string", "\"tools/call\"".to_owned()),
        ("two byte order marks", bom),
        ("single quotes", good.replace('"', "'")),
        ("a control in a string", good.replacen("one__echo", "one\u{1}echo", 1)),
        ("a bad escape", good.replacen("one__echo", r"one\x41", 1)),
        ("jsonrpc 1.0", good.replacen(r#""jsonrpc":"2.0""#, r#""jsonrpc":"1.0""#, 1)),
        ("no jsonrpc", good.replacen(r#""jsonrpc":"2.0","#, "", 1)),
        ("a number that is none", good.replacen(r#""id":1"#, r#""id":01"#, 1)),
    ] {
        let sent = bench.call().body(body);
        bench.refuses(about, &sent, &[400], &[-32700, -32600]);
    }
    // S-23
    for (about, from, to) in [
        ("id twice", r#""id":1"#, r#""id":1,"id":2"#),
        ("method twice", r#""method":"tools/call""#, r#""method":"tools/call","method":"tools/list""#),
        (
            "method twice, other order",
            r#""method":"tools/call""#,
            r#""method":"tools/list","method":"tools/call""#,
        ),
        ("name twice", r#""name":"one__echo""#, r#""name":"one__echo","name":"one__other""#),
        ("name twice, escaped", r#""name":"one__echo""#, r#""name":"one__echo","n\u0061me":"one__other""#),
        ("jsonrpc twice", r#""jsonrpc":"2.0""#, r#""jsonrpc":"2.0","jsonrpc":"2.0""#),
        ("params twice", r#""params":"#, r#""params":{},"params":"#),
    ] {
        let sent = bench.call().replace(from, to);
        bench.refuses(about, &sent, &[400], &[-32700, -32600]);
    }
    // S-25
    let at = good.find("one__echo").expect("it is there");
    for (about, bad) in [
        ("0xFF", &[0xff_u8][..]),
        ("overlong", &[0xc0, 0xaf]),
        ("a surrogate", &[0xed, 0xa0, 0x80]),
        ("a cut sequence", &[0xe2, 0x82]),
    ] {
        let mut body = good.clone().into_bytes();
        body.splice(at..at, bad.iter().copied());
        let sent = bench.call().body(body);
        bench.refuses(about, &sent, &[400], &[-32700, -32600]);
    }
    for (about, wide) in [
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
        ("UTF-32", good.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()),
    ] {
        let sent = bench.call().body(wide);
        bench.refuses(about, &sent, &[400], &[-32700, -32600]);
    }
    // S-28
    for id in ["null", "true", "1.5", "{}", "[]"] {
        let sent = bench.call().replace(r#""id":1"#, &format!(r#""id":{id}"#));
        bench.refuses(&format!("id {id}"), &sent, &[400], &[-32600]);
    }
    // S-30
    let nested = format!("[[{good}]]");
    let many = format!("[{}]", vec![good.as_str(); 3000].join(","));
    for (about, body) in [
        ("batch of 1", format!("[{good}]")),
        ("batch of 2", format!("[{good},{good}]")),
        ("empty batch", "[]".to_owned()),
        ("nested", nested),
        ("3000", many),
    ] {
        let sent = bench.call().body(body);
        bench.refuses(about, &sent, &[400], &[-32600, -32700]);
    }
    // S-31
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
    ] {
        let sent = bench.call().body(body);
        bench.refuses(body, &sent, &[400], &[]);
    }
}

#[test]
fn deep_wide_and_long_input_costs_little() {
    let mut bench = Bench::new();
    // S-22
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        for depth in [5_000, 100_000] {
            let (inner, filler) = (open.repeat(depth), if close == "}" { "1" } else { "" });
            let deep = format!("{inner}{filler}{}", close.repeat(depth));
            for (about, from, to) in [
                ("arguments", r#""arguments":{}"#, format!(r#""arguments":{{"d":{deep}}}"#)),
                ("id", r#""id":1"#, format!(r#""id":{deep}"#)),
                ("_meta", r#""_meta":{"#, format!(r#""_meta":{{"d":{deep},"#)),
                ("unclosed", r#""arguments":{}"#, format!(r#""arguments":{inner}"#)),
            ] {
                let sent = bench.call().replace(from, &to);
                bench.refuses(&format!("{depth} deep in {about}"), &sent, &[400], &[-32700, -32600]);
            }
        }
    }
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let sent = bench.call().replace(r#""arguments":{}"#, &format!(r#""arguments":{{"d":{}}}"#, nested(100)));
    bench.refuses("100 deep", &sent, &[200], &[]);
    // S-35
    let keys: Vec<String> = (0..150_000).map(|n| format!(r#""k{n}":{n}"#)).collect();
    let sent = bench.call().replace(r#""arguments":{}"#, &format!(r#""arguments":{{{}}}"#, keys.join(",")));
    bench.refuses("150,000 keys", &sent, &[200, 400], &[]);
    // S-29
    for id in [
        "1e999".to_owned(),
        format!("1{}", "0".repeat(400)),
        format!("\"{}\"", "i".repeat(256 * 1024)),
        "-0".to_owned(),
    ] {
        let sent = bench.call().replace(r#""id":1"#, &format!(r#""id":{id}"#));
        bench.refuses(&format!("id {id:.20}"), &sent, &[200, 400], &[]);
    }
    // S-33
    let long = "x".repeat(5 << 20);
    let sent = bench.call().replace(r#""arguments":{}"#, &format!(r#""arguments":{{"x":"{long}"}}"#));
    assert!(bench.try_send(&sent).is_none_or(|answer| answer.head.status == 413), "5 MiB");
    bench.all_is_well("5 MiB");
    let host = bench.gateway.address().to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: 10737418240\r\n\r\n"
    );
    let start = Instant::now();
    let answer = bench.raw(head.as_bytes()).expect("an answer without waiting for the body");
    assert_eq!(answer.head.status, 413);
    assert!(start.elapsed() < Duration::from_secs(2));
    bench.all_is_well("10 GiB declared");
    let mut connection = bench.gateway.connection();
    connection.set_patience(REFUSAL);
    let _ =
        connection.send(head.replace("Content-Length: 10737418240", "Transfer-Encoding: chunked").as_bytes());
    let before = process::resident_kib(bench.gateway.pid());
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    let mut written = 0;
    while written < 64 && connection.send(chunk.as_bytes()).is_ok() {
        written += 1;
    }
    assert!(written < 64, "64 MiB in chunks were taken");
    let grown = process::resident_kib(bench.gateway.pid()).saturating_sub(before);
    assert!(grown < 4 * 4096 + 4096, "memory grew by {grown} KiB");
    bench.all_is_well("64 MiB in chunks");
}

#[test]
fn numbers_and_escapes_arrive_as_they_were_sent() {
    let mut bench = Bench::new();
    // S-26, S-27
    for value in [
        "9007199254740993",
        "9223372036854775808",
        "18446744073709551617",
        "-9223372036854775809",
        "10000000000000000000000000000000000000000",
        "1.10",
        "-0",
        "1E+2",
        r#""\ud800""#,
        r#""\udc00 \ud83d""#,
        r#""\u0000""#,
    ] {
        let arguments = format!(r#"{{"v":{value}}}"#);
        let sent = bench.call().replace(r#""arguments":{}"#, &format!(r#""arguments":{arguments}"#));
        let answer = bench.refuses(value, &sent, &[200, 400], &[]);
        if answer.head.status == 200 {
            let body: serde_json::Value = serde_json::from_str(&answer.text()).expect("JSON");
            assert_eq!(body["result"]["content"][0]["text"], arguments, "{value}");
        }
    }
}

#[test]
fn names_that_lie_to_terminals_and_headers_are_only_unknown() {
    let mut bench = Bench::new();
    // S-36
    let long = "n".repeat(8 * 1024);
    for name in [
        "a\\r\\nX-Injected: 1",
        "\\u001b[31mred",
        "nul\\u0000",
        "${jndi:ldap://x}",
        "\\u202egnp.exe",
        long.as_str(),
        "",
        "one__",
        "__echo",
        "one__echo ",
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{{}}}}}}"#
        );
        let session = bench.bystanders[0].session.clone().expect("a session");
        let sent = bench
            .call()
            .body(body)
            .set("MCP-Protocol-Version", "2025-11-25")
            .add("Mcp-Session-Id", &session)
            .without("Mcp-Method")
            .without("Mcp-Name");
        let answer = bench.refuses(&format!("name {name:.20}"), &sent, &[200, 400], &[-32602, -32600]);
        assert_eq!(answer.head.field("x-injected"), None);
    }
    let log = bench.gateway.log().join("\n");
    assert!(!log.contains('\u{1b}') && !log.contains('\u{202e}'), "hidden characters are escaped");
    assert!(!log.contains("\nX-Injected"));
}

#[test]
fn sessions_are_not_guessed_shared_or_revived() {
    let bench = Bench::new();
    let legacy = |session: &str, method: &str| {
        let mut client = Client::connect(bench.gateway.address(), "/mcp", Era::Legacy);
        let own = client.session.replace(session.to_owned()).expect("a session");
        let reply = client.request(method, "{}");
        (own, reply.head.status)
    };
    // S-67, S-69
    let (own, status) = legacy("chosen-by-me", "tools/list");
    assert_eq!(status, 404, "an unknown session");
    assert!(own.len() >= 22, "128 random bits: {own}");
    for near in [&own[..own.len() - 1], &own.to_uppercase(), &format!("{own}x")] {
        if *near != *own {
            assert_eq!(legacy(near, "tools/list").1, 404, "{near}");
        }
    }
    assert_eq!(legacy(&own, "tools/list").1, 200, "the session itself");
    let mut connection = bench.gateway.connection();
    let host = bench.gateway.address().to_string();
    let fields = [("Host", host.as_str()), ("Mcp-Session-Id", own.as_str())];
    connection.request("DELETE", "/mcp", &fields, b"").expect("it reads");
    assert!(matches!(connection.answer().expect("an answer").head.status, 200 | 204));
    assert_eq!(legacy(&own, "tools/list").1, 404, "an ended session");
    // Without one, a client of HTTP+SSE begins like this; anything else has nothing to hear.
    for (accept, status) in [("*/*", 405), ("application/json", 405), ("text/event-stream", 200)] {
        let none = [("Host", host.as_str()), ("Accept", accept)];
        let mut connection = bench.gateway.connection();
        connection.request("GET", "/mcp", &none, b"").expect("it reads");
        assert_eq!(connection.head().expect("an answer").status, status, "{accept}");
    }
}

#[test]
fn batches_are_for_the_revision_that_had_them() {
    let bench = Bench::new();
    let pair = r#"[{"jsonrpc":"2.0","id":7,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"one__echo","arguments":{}}}]"#;
    for (revision, status) in [("2025-03-26", 200), ("2025-06-18", 400), ("2025-11-25", 400)] {
        let mut client = Client::connect(bench.gateway.address(), "/mcp", Era::Legacy);
        assert_eq!(client.initialize(revision)["protocolVersion"], revision);
        let mut sent =
            bench.call().body(pair).without("Mcp-Method").without("Mcp-Name").without("MCP-Protocol-Version");
        sent = sent.add("Mcp-Session-Id", client.session.as_deref().expect("a session"));
        let answer = bench.try_send(&sent).expect("an answer");
        assert_eq!(answer.head.status, status, "{revision}: {}", answer.text());
    }
}

#[test]
fn slow_heads_and_bodies_are_given_up_and_idle_connections_cost_nobody() {
    let gateway = Gateway::with(json!({
        "limits": { "headerTimeout": "1s", "bodyTimeout": "1s" },
        "mcpServers": { "one": { "command": env!("CARGO_BIN_EXE_scripted-stdio"), "args": ["polite"] } },
    }));
    let mut slow: Vec<Connection> = (0..50).map(|_| gateway.connection()).collect();
    for connection in &mut slow {
        connection.send(b"POST /mcp HTTP/1.1\r\nHost: ").expect("it reads");
    }
    let mut body = gateway.connection();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: 100\r\n\r\n{{",
        gateway.address()
    );
    body.send(head.as_bytes()).expect("it reads");
    assert_eq!(gateway.client(Era::Modern).call("one__echo", "{}").text(), "{}");
    assert_eq!(body.answer().expect("an answer").head.status, 408);
    for connection in &mut slow {
        assert!(connection.closes_within(Duration::from_secs(5)), "a head that never ends");
    }
}

#[test]
fn ten_thousand_bad_requests_leave_memory_flat() {
    let mut bench = Bench::new();
    let good = bench.call();
    let fields: Vec<(&str, &str)> =
        good.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let bodies: [&[u8]; 6] = [
        b"{",
        b"[]",
        br#"{"jsonrpc":"2.0","id":1,"method":"no/such","params":{}}"#,
        br#"{"jsonrpc":"2.0","id":null,"method":"tools/call"}"#,
        &[b'{', 0xff, b'}'],
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#,
    ];
    let mut connection = bench.gateway.connection();
    let mut storm = |rounds: usize| {
        for round in 0..rounds {
            if connection.request("POST", "/mcp", &fields, bodies[round % bodies.len()]).is_err() {
                connection = bench.gateway.connection();
                continue;
            }
            let Ok(answer) = connection.answer() else {
                connection = bench.gateway.connection();
                continue;
            };
            assert!((400..500).contains(&answer.head.status), "{}", answer.head.status);
            if answer.head.field("connection") == Some("close") {
                connection = bench.gateway.connection();
            }
        }
    };
    storm(1_000);
    let before = process::resident_kib(bench.gateway.pid());
    storm(10_000);
    let after = process::resident_kib(bench.gateway.pid());
    assert!(after <= before + 4096, "memory went from {before} to {after} KiB");
    bench.all_is_well("10,000 bad requests");
}
