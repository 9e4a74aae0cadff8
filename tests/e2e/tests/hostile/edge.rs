//! Section 3.1: the HTTP edge, and browsers.

use crate::bench::Bench;

#[test]
fn s_01() {
    let mut bench = Bench::new();
    let sent = bench.call().add("Origin", "http://evil.example");
    let answer = bench.refuses("a foreign origin", &sent, &[403], &[]);
    assert_eq!(answer.head.field("access-control-allow-origin"), None);
    let own = format!("http://localhost:{}", bench.gateway.address().port());
    let sent = bench.call().add("Origin", &own);
    bench.refuses("its own origin", &sent, &[200], &[]);
}

#[test]
fn s_02() {
    let mut bench = Bench::new();
    for host in [
        "evil.example",
        "localhost.evil.example",
        "169.254.169.254",
        "127.0.0.1.evil.example",
        "localhost:1:2",
        "0.0.0.0",
        "2130706433",
        "127.1",
        "[::ffff:127.0.0.1]",
    ] {
        let sent = bench.call().set("Host", host);
        bench.refuses(&format!("Host {host}"), &sent, &[400, 403, 421], &[]);
    }
}

#[test]
fn s_03() {
    let mut bench = Bench::new();
    for origin in [
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
        "http://localhost/",
        "//localhost",
        "localhost",
    ] {
        let sent = bench.call().add("Origin", origin);
        let answer = bench.refuses(&format!("Origin {origin}"), &sent, &[403, 400], &[]);
        assert_eq!(answer.head.field("access-control-allow-origin"), None);
    }
}

#[test]
fn s_04() {
    let mut bench = Bench::new();
    let good = bench.gateway.address().to_string();
    for (first, second) in
        [(good.as_str(), "evil.example"), ("evil.example", good.as_str()), (good.as_str(), good.as_str())]
    {
        let sent = bench.call().without("Host").add("Host", first).add("Host", second);
        bench.refuses("two Hosts", &sent, &[400, 403], &[]);
        let (first, second) = (format!("http://{first}"), format!("http://{second}"));
        let sent = bench.call().add("Origin", &first).add("Origin", &second);
        bench.refuses("two Origins", &sent, &[400, 403], &[]);
    }
}

#[test]
fn s_05() {
    let mut bench = Bench::new();
    for target in ["/mcp", "/", "/admin", "/api"] {
        for verb in ["OPTIONS", "POST", "GET"] {
            let sent = bench
                .call()
                .verb(verb)
                .target(target)
                .add("Origin", "http://evil.example")
                .add("Access-Control-Request-Method", "POST");
            let answer = bench.refuses(&format!("{verb} {target}"), &sent, &[400, 403, 404, 405], &[]);
            assert_eq!(answer.head.field("access-control-allow-origin"), None);
        }
    }
}

#[test]
fn s_06() {
    let mut bench = Bench::new();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/html",
        "",
    ] {
        for bare in [false, true] {
            let sent = bench.call().set("Content-Type", kind);
            let sent = if kind.is_empty() { sent.without("Content-Type") } else { sent };
            let sent = if bare { sent.bare() } else { sent };
            bench.refuses(kind, &sent, &[415], &[]);
        }
    }
}

#[test]
fn s_07() {
    let mut bench = Bench::new();
    for kind in [
        "application/jsonp",
        "application/json-patch+json",
        "application/json; charset=utf-16",
        "text/plain; application/json",
        "application/json, text/plain",
        "application/json5",
    ] {
        let sent = bench.call().set("Content-Type", kind);
        bench.refuses(kind, &sent, &[415], &[]);
    }
    let sent = bench.call().add("Content-Type", "application/json");
    bench.refuses("two content types", &sent, &[415], &[]);
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        let sent = bench.call().set("Content-Type", kind);
        bench.refuses(kind, &sent, &[200], &[]);
    }
    for accept in ["text/html", "image/*"] {
        let sent = bench.call().set("Accept", accept);
        bench.refuses(accept, &sent, &[406], &[]);
    }
}

#[test]
fn s_08() {
    let mut bench = Bench::new();
    for verb in ["GET", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "post", "FOO"] {
        let sent = bench.call().verb(verb).add("X-Canary", "canary-4711");
        let answer = bench.refuses(verb, &sent, &[400, 401, 404, 405, 501], &[]);
        assert!(!answer.text().contains("canary-4711"), "{verb} echoes");
    }
}

/// There is no HTTP/2 here to attack: its preface is answered as the bad HTTP/1 request that it is.
#[test]
fn s_09() {
    let mut bench = Bench::new();
    let frames =
        [&b"\0\0\0\x04\0\0\0\0\0"[..], &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]].concat();
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frames.repeat(2000)[..]].concat();
    bench.refuses_raw("the preface of HTTP/2", &preface, &[400, 404, 405, 501, 505]);
}
