//! Section 3.2: where a message begins and ends.

use trunkline_e2e::http::Connection;

use crate::bench::{Bench, settle};

/// A second request, which must never run.
fn second(bench: &Bench) -> String {
    let body = bench.good();
    format!("{}{body}", bench.head(&format!("Content-Length: {}\r\n", body.len())))
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

#[test]
fn s_10() {
    let mut bench = Bench::new();
    let body = bench.good();
    let (length, second) = (body.len(), second(&bench));
    for framing in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n".to_owned(),
    ] {
        let before = bench.effects();
        let mut connection = bench.connection();
        let _ = connection.send(format!("{}{}{second}", bench.head(&framing), chunked(&body)).as_bytes());
        let answer = settle(connection.answer()).expect("an answer");
        assert_eq!(answer.head.status, 400, "{framing}");
        assert!(connection.answer().is_err(), "{framing}: the request behind it was answered");
        bench.all_is_well(&framing);
        assert_eq!(bench.effects(), before, "{framing}: one of the two ran");
    }
}

#[test]
fn s_11() {
    let mut bench = Bench::new();
    let body = chunked(&bench.good());
    for coding in [
        "xchunked",
        "chunked, identity",
        "\u{b}chunked",
        "gzip, chunked",
        "\"chunked\"",
        "chunked\r\nTransfer-Encoding: identity",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked, chunked",
    ] {
        let sent = format!("{}{body}", bench.head(&format!("Transfer-Encoding: {coding}\r\n")));
        bench.refuses_raw(coding, sent.as_bytes(), &[400, 501, 415]);
    }
}

#[test]
fn s_12() {
    let mut bench = Bench::new();
    let body = bench.good();
    let length = body.len();
    for lengths in [
        format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length + 1),
        format!("Content-Length: +{length}\r\n"),
        format!("Content-Length: 0x{length:x}\r\n"),
        "Content-Length: -1\r\n".to_owned(),
        format!("Content-Length: {length}, {}\r\n", length + 1),
        format!("Content-Length: {}\r\n", u128::from(u64::MAX) + 1 + length as u128),
        "Content-Length: 1e3\r\n".to_owned(),
        format!("Content-Length: {length} {length}\r\n"),
        "Content-Length: \r\n".to_owned(),
    ] {
        let sent = format!("{}{body}", bench.head(&lengths));
        bench.refuses_raw(&lengths, sent.as_bytes(), &[400, 413]);
    }
}

#[test]
fn s_13() {
    let mut bench = Bench::new();
    let body = bench.good();
    let length = body.len();
    for field in [
        "X-A : b",
        "X-A\0: b",
        "X-A: b\0",
        "X-A",
        "X-A: b\rX-B: c",
        "X-\u{1}: b",
        ": b",
        " X-A: b",
        "X-A:\u{1}",
    ] {
        let sent = format!("{}{body}", bench.head(&format!("{field}\r\nContent-Length: {length}\r\n")));
        bench.refuses_raw(field, sent.as_bytes(), &[400]);
    }
}

#[test]
fn s_14() {
    let mut bench = Bench::new();
    for host in ["user@localhost", ""] {
        let sent = bench.call().set("Host", host);
        bench.refuses(&format!("Host {host}"), &sent, &[400, 403, 421], &[]);
    }
    let sent = bench.call().without("Host");
    bench.refuses("no Host", &sent, &[400], &[]);
    for target in ["http://evil.example/mcp", "http://user@localhost/mcp", "https://evil.example/mcp"] {
        let sent = bench.call().target(target);
        bench.refuses(&format!("the target {target}"), &sent, &[400, 403, 421], &[]);
    }
}

#[test]
fn s_15() {
    let mut bench = Bench::new();
    let body = bench.good();
    let length = body.len();
    for (about, extra) in [
        ("64 KiB header", format!("X-A: {}\r\n", "a".repeat(64 * 1024))),
        ("512 KiB header", format!("X-A: {}\r\n", "a".repeat(512 * 1024))),
        ("2000 headers", (0..2000).flat_map(|n| [format!("X-{n}"), ": a\r\n".to_owned()]).collect()),
    ] {
        let sent = format!("{}{body}", bench.head(&format!("{extra}Content-Length: {length}\r\n")));
        bench.refuses_raw(about, sent.as_bytes(), &[400, 431]);
    }
    let target = format!("/mcp?{}", "a".repeat(64 * 1024));
    let sent = bench.head("Content-Length: 0\r\n").replacen("/mcp", &target, 1);
    bench.refuses_raw("64 KiB target", sent.as_bytes(), &[400, 404, 414, 431]);
}

/// A WebSocket is served, to those who ask for one properly; a call that says so besides is none.
#[test]
fn s_16() {
    let mut bench = Bench::new();
    for upgrade in ["h2c", "websocket", "h2c, websocket", "TLS/1.3"] {
        let sent = bench
            .call()
            .add("Connection", "Upgrade, HTTP2-Settings")
            .add("Upgrade", upgrade)
            .add("HTTP2-Settings", "AAMAAABkAAQAAP__");
        let answer = bench.try_send(&sent).expect("an answer");
        assert_ne!(answer.head.status, 101, "{upgrade}");
        bench.all_is_well(upgrade);
    }
}

#[test]
fn s_17() {
    let mut bench = Bench::new();
    let body = bench.good();
    for name in ["Mcp-Name: one__echo", "Mcp-Method: tools/call"] {
        let (field, _) = name.split_once(':').expect("a field");
        let head = bench.head("Transfer-Encoding: chunked\r\nTrailer: x\r\n");
        let head: String = head.split_inclusive("\r\n").filter(|line| !line.starts_with(field)).collect();
        let sent = format!("{head}{:x}\r\n{body}\r\n0\r\n{name}\r\n\r\n", body.len());
        bench.refuses_raw(&format!("{name} as a trailer"), sent.as_bytes(), &[400]);
    }
    // A trailer beside the headers changes nothing.
    let head = bench.head("Transfer-Encoding: chunked\r\n");
    let sent =
        format!("{head}{:x}\r\n{body}\r\n0\r\nMcp-Name: other\r\nHost: evil.example\r\n\r\n", body.len());
    assert_eq!(bench.raw(sent.as_bytes()).expect("an answer").head.status, 200);
    bench.all_is_well("trailers");
}

#[test]
fn s_18() {
    let mut bench = Bench::new();
    let body = bench.good();
    for size in ["fffffffffffffffff", "-5", "0x5", "5\nhello", "zz", "", " 5", "5 5"] {
        let sent = format!("{}{size}\r\n{body}\r\n0\r\n\r\n", bench.head("Transfer-Encoding: chunked\r\n"));
        bench.refuses_raw(size, sent.as_bytes(), &[400]);
    }
    let long = "x".repeat(256 * 1024);
    let sent = format!(
        "{}{:x};{long}\r\n{body}\r\n0\r\n\r\n",
        bench.head("Transfer-Encoding: chunked\r\n"),
        body.len()
    );
    bench.refuses_raw("a chunk extension of 256 KiB", sent.as_bytes(), &[400, 413, 431]);
}

/// Answers of one connection come in the order of its requests, whatever becomes of each.
#[test]
fn s_20() {
    let mut bench = Bench::new();
    let request = |id: u64, keep: &str| {
        let body = bench.good().replacen(r#""id":1"#, &format!(r#""id":{id}"#), 1);
        let head = bench.head(&format!("Content-Length: {}\r\n", body.len()));
        let head: String = head.split_inclusive("\r\n").filter(|line| !line.starts_with(keep)).collect();
        format!("{head}{body}")
    };
    let three = [request(7, "-"), request(8, "Mcp-Name"), request(9, "-")].concat();
    let mut connection: Connection = bench.connection();
    connection.send(three.as_bytes()).expect("it reads");
    for (id, status) in [(7, 200), (8, 400), (9, 200)] {
        let answer = connection.answer().expect("an answer");
        assert_eq!(answer.head.status, status, "{id}");
        let body: serde_json::Value = serde_json::from_str(&answer.text()).expect("JSON");
        assert_eq!(body["id"], id);
    }
    bench.all_is_well("three requests at once");
}
