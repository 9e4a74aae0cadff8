//! Section 3.3: JSON and JSON-RPC.

use std::time::{Duration, Instant};

use serde_json::Value;
use trunkline_e2e::{json, process};

use crate::bench::Bench;

#[test]
fn s_21() {
    let mut bench = Bench::new();
    let good = bench.good();
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
        ("two byte order marks", "\u{feff}\u{feff}".to_owned() + &good),
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
}

#[test]
fn s_22() {
    let mut bench = Bench::new();
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
    let nested = format!(r#""arguments":{{"d":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    let sent = bench.call().replace(r#""arguments":{}"#, &nested);
    bench.refuses("100 deep", &sent, &[200], &[]);
}

#[test]
fn s_23() {
    let mut bench = Bench::new();
    for (about, from, to) in [
        ("id twice", r#""id":1"#, r#""id":1,"id":2"#),
        ("method twice", r#""method":"tools/call""#, r#""method":"tools/call","method":"tools/list""#),
        (
            "method twice, other order",
            r#""method":"tools/call""#,
            r#""method":"tools/list","method":"tools/call""#,
        ),
        ("name twice", r#""name":"one__echo""#, r#""name":"one__echo","name":"one__other""#),
        ("name twice, other order", r#""name":"one__echo""#, r#""name":"one__other","name":"one__echo""#),
        ("name twice, escaped", r#""name":"one__echo""#, r#""name":"one__echo","n\u0061me":"one__other""#),
        ("jsonrpc twice", r#""jsonrpc":"2.0""#, r#""jsonrpc":"2.0","jsonrpc":"2.0""#),
        ("params twice", r#""params":"#, r#""params":{},"params":"#),
        ("an argument twice", r#""arguments":{}"#, r#""arguments":{"a":1,"a":2}"#),
    ] {
        let sent = bench.call().replace(from, to);
        bench.refuses(about, &sent, &[400], &[-32700, -32600]);
    }
}

#[test]
fn s_25() {
    let mut bench = Bench::new();
    let good = bench.good();
    for place in ["one__echo", "tools/call", "arguments"] {
        let at = good.find(place).expect("it is there");
        for (about, bad) in [
            ("0xFF", &[0xff_u8][..]),
            ("overlong", &[0xc0, 0xaf]),
            ("a surrogate", &[0xed, 0xa0, 0x80]),
            ("a cut sequence", &[0xe2, 0x82]),
        ] {
            let mut body = good.clone().into_bytes();
            body.splice(at..at, bad.iter().copied());
            let sent = bench.call().body(body);
            bench.refuses(&format!("{about} in {place}"), &sent, &[400], &[-32700, -32600]);
        }
    }
    for (about, wide) in [
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
        ("UTF-16 BE", good.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("UTF-32", good.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()),
    ] {
        let sent = bench.call().body(wide);
        bench.refuses(about, &sent, &[400], &[-32700, -32600]);
    }
}

/// What comes back is what was sent, or nothing.
fn exact_or_refused(values: &[&str]) {
    let mut bench = Bench::new();
    for value in values {
        let arguments = format!(r#"{{"v":{value}}}"#);
        let sent = bench.call().replace(r#""arguments":{}"#, &format!(r#""arguments":{arguments}"#));
        let answer = bench.refuses(value, &sent, &[200, 400], &[]);
        if answer.head.status == 200 {
            let body: Value = serde_json::from_str(&answer.text()).expect("JSON");
            assert_eq!(body["result"]["content"][0]["text"], arguments, "{value}");
        }
    }
}

#[test]
fn s_26() {
    exact_or_refused(&[r#""\ud800""#, r#""\udc00 \ud83d""#, r#""\u0000""#, r#""\ud83d\ude00""#]);
}

#[test]
fn s_27() {
    exact_or_refused(&[
        "9007199254740993",
        "9223372036854775808",
        "18446744073709551617",
        "-9223372036854775809",
        "10000000000000000000000000000000000000000",
        "1.10",
        "-0",
        "1E+2",
    ]);
}

#[test]
fn s_28() {
    let mut bench = Bench::new();
    for id in ["null", "true", "1.5", "{}", "[]"] {
        let sent = bench.call().replace(r#""id":1"#, &format!(r#""id":{id}"#));
        bench.refuses(&format!("id {id}"), &sent, &[400], &[-32600]);
    }
    for id in [r#""1""#, r#""""#, "-1", "0", "9007199254740991", r#""漢字""#] {
        let sent = bench.call().replace(r#""id":1"#, &format!(r#""id":{id}"#));
        let answer = bench.refuses(&format!("id {id}"), &sent, &[200], &[]);
        assert_eq!(json::member(&answer.text(), "id").as_deref(), Some(id), "value and type are kept");
    }
}

#[test]
fn s_29() {
    let mut bench = Bench::new();
    for id in [
        "1e999".to_owned(),
        format!("1{}", "0".repeat(400)),
        format!("\"{}\"", "i".repeat(256 * 1024)),
        "-0".to_owned(),
        "18446744073709551616".to_owned(),
    ] {
        let sent = bench.call().replace(r#""id":1"#, &format!(r#""id":{id}"#));
        let answer = bench.refuses(&format!("id {id:.20}"), &sent, &[200, 400], &[]);
        if answer.head.status == 200 {
            assert_eq!(json::member(&answer.text(), "id"), Some(id));
        }
    }
    let longest = bench.gateway.log().iter().map(String::len).max().unwrap_or_default();
    assert!(longest < 8 << 10, "a log line of {longest} bytes");
}

#[test]
fn s_30() {
    let mut bench = Bench::new();
    let good = bench.good();
    for (about, body) in [
        ("batch of 1", format!("[{good}]")),
        ("batch of 2", format!("[{good},{good}]")),
        ("empty batch", "[]".to_owned()),
        ("nested", format!("[[{good}]]")),
        ("3000", format!("[{}]", vec![good.as_str(); 3000].join(","))),
    ] {
        let sent = bench.call().body(body);
        bench.refuses(about, &sent, &[400], &[-32600, -32700]);
    }
}

#[test]
fn s_31() {
    let mut bench = Bench::new();
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
    let asked = bench.seen().len();
    for method in ["sampling/createMessage", "roots/list", "elicitation/create"] {
        let sent = bench.sending(r#"{"x":1}"#, method, None);
        bench.refuses(method, &sent, &[404], &[-32601]);
    }
    let seen = bench.seen();
    assert!(
        !seen[asked..].iter().any(|line| line.contains("createMessage") || line.contains("roots")),
        "relayed"
    );
}

#[test]
fn s_33() {
    let mut bench = Bench::new();
    let long = "x".repeat(8 << 20);
    let sent = bench.call().replace(r#""arguments":{}"#, &format!(r#""arguments":{{"x":"{long}"}}"#));
    let before = bench.effects();
    assert!(bench.try_send(&sent).is_none_or(|answer| answer.head.status == 413), "8 MiB");
    bench.all_is_well("8 MiB");
    let head = bench.head("Content-Length: 10737418240\r\n");
    let start = Instant::now();
    let answer = bench.raw(head.as_bytes()).expect("an answer without waiting for the body");
    assert_eq!(answer.head.status, 413);
    assert!(start.elapsed() < Duration::from_secs(2));
    bench.all_is_well("10 GiB declared");
    let mut connection = bench.connection();
    let _ = connection.send(bench.head("Transfer-Encoding: chunked\r\n").as_bytes());
    let resident = process::resident_kib(bench.gateway.pid());
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    let mut written = 0;
    while written < 64 && connection.send(chunk.as_bytes()).is_ok() {
        written += 1;
    }
    assert!(written < 64, "64 MiB in chunks were taken");
    let grown = process::resident_kib(bench.gateway.pid()).saturating_sub(resident);
    assert!(grown < 4 * 4096 + 4096, "memory grew by {grown} KiB");
    bench.all_is_well("64 MiB in chunks");
    assert_eq!(bench.effects(), before);
}

/// Bodies are taken as they are, or not at all: nothing here could unpack one.
#[test]
fn s_34() {
    let mut bench = Bench::new();
    let resident = process::resident_kib(bench.gateway.pid());
    // The beginning of a packed text that says of itself that it has 48 MiB, and then zeros.
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255, 0xec, 0xc0];
    bomb.resize(48 << 10, 0);
    for coding in ["gzip", "gzip, gzip", "br", "deflate", "zstd", "nonsense", "identity, gzip"] {
        for body in [bomb.clone(), bench.call().body] {
            let sent = bench.call().add("Content-Encoding", coding).body(body);
            bench.refuses(coding, &sent, &[415, 400], &[]);
        }
    }
    let grown = process::resident_kib(bench.gateway.pid()).saturating_sub(resident);
    assert!(grown < 4096, "memory grew by {grown} KiB");
}

#[test]
fn s_35() {
    let mut bench = Bench::new();
    let start = Instant::now();
    let keys: Vec<String> = (0..150_000).map(|n| format!(r#""k{n}":{n}"#)).collect();
    let sent = bench.call().replace(r#""arguments":{}"#, &format!(r#""arguments":{{{}}}"#, keys.join(",")));
    bench.refuses("150,000 keys", &sent, &[200, 400], &[]);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[test]
fn s_36() {
    let mut bench = Bench::new();
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
        let sent = bench.call().bare().body(body);
        let sent = sent.add("MCP-Protocol-Version", "2025-11-25").add("Mcp-Session-Id", &bench.session());
        let answer = bench.refuses(&format!("name {name:.20}"), &sent, &[200, 400], &[-32602, -32600]);
        assert_eq!(answer.head.field("x-injected"), None);
    }
    assert_eq!(bench.effects(), 0, "none of them is a tool");
    let log = bench.gateway.log().join("\n");
    assert!(!log.contains('\u{1b}') && !log.contains('\u{202e}'), "hidden characters are escaped");
    assert!(!log.contains("\nX-Injected"));
}

/// Ten thousand refusals of six kinds; not a case of its own, but what all of them rely on.
#[test]
fn ten_thousand_bad_requests_leave_memory_flat() {
    let mut bench = Bench::new();
    let host = bench.gateway.address().to_string();
    let fields = [
        ("Host", host.as_str()),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "one__echo"),
    ];
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
