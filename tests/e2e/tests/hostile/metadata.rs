//! Section 3.4: the metadata of the modern wire.

use serde_json::{Value, json};
use trunkline_e2e::client::{Era, modern_meta};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::Gateway;

use crate::bench::Bench;

const HEADER: &[i64] = &[-32020];

#[test]
fn s_37() {
    let mut bench = Bench::new();
    for name in ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"] {
        let sent = bench.call().without(name);
        bench.refuses(&format!("without {name}"), &sent, &[400], HEADER);
    }
}

#[test]
fn s_38() {
    let mut bench = Bench::new();
    for (name, value) in [
        ("Mcp-Method", "tools/list"),
        ("Mcp-Method", "Tools/Call"),
        ("Mcp-Method", ""),
        ("Mcp-Name", "one__other"),
        ("Mcp-Name", "ONE__ECHO"),
        ("Mcp-Name", ""),
        ("MCP-Protocol-Version", "2025-11-25"),
    ] {
        let sent = bench.call().set(name, value);
        bench.refuses(&format!("{name}: {value}"), &sent, &[400], HEADER);
    }
    for (name, value) in
        [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "one__echo")]
    {
        let sent = bench.call().add(name, value);
        bench.refuses(&format!("{name} twice"), &sent, &[400], HEADER);
    }
}

#[test]
fn s_40() {
    let mut bench = Bench::new();
    let sent = bench.call().set("Mcp-Name", "=?base64?b25lX19lY2hv?=");
    bench.refuses("the base64 form", &sent, &[200], &[]);
    for value in [
        "=?base64?b25lX19lY2h?=",
        "=?base64?b25l*19lY2hv?=",
        "=?BASE64?b25lX19lY2hv?=",
        "=?base64?b3RoZXI=?=",
        "=?base64?b25lX19lY2hv",
    ] {
        let sent = bench.call().set("Mcp-Name", value);
        bench.refuses(value, &sent, &[400], HEADER);
    }
    let sent = bench.call().set("Mcp-Name", "  one__echo \t");
    bench.refuses("space around a value", &sent, &[200], &[]);
}

#[test]
fn s_42() {
    let mut bench = Bench::new();
    for version in ["1900-01-01", "latest", "9999-12-31", "2026-7-28"] {
        let sent = bench.call().replace("2026-07-28", version).set("MCP-Protocol-Version", version);
        let answer = bench.refuses(version, &sent, &[400], &[-32022]);
        let body: Value = serde_json::from_str(&answer.text()).expect("JSON");
        assert_eq!(body["error"]["data"], json!({ "supported": ["2026-07-28"], "requested": version }));
    }
}

#[test]
fn s_43() {
    let mut bench = Bench::new();
    let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#;
    let sent = bench.call().replace(version, "");
    bench.refuses("no version in _meta", &sent, &[400], &[-32602, -32020]);
    let sent = bench.call().replace(r#","io.modelcontextprotocol/clientCapabilities":{}"#, "");
    bench.refuses("no capabilities", &sent, &[400], &[-32602]);
    for wrong in ["7", "null", "[]", "\"x\""] {
        let sent = bench.call().replace(
            r#""io.modelcontextprotocol/clientCapabilities":{}"#,
            &format!(r#""io.modelcontextprotocol/clientCapabilities":{wrong}"#),
        );
        bench.refuses(&format!("capabilities {wrong}"), &sent, &[400], &[-32602]);
    }
    let sent = bench.call().replace(
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#,
        r#""io.modelcontextprotocol/protocolVersion":20260728"#,
    );
    bench.refuses("a version that is a number", &sent, &[400], &[-32602, -32020, -32022]);
    let info = r#""io.modelcontextprotocol/clientInfo":{"name":"e2e","version":"1.0.0"},"#;
    let sent = bench.call().replace(info, "");
    bench.refuses("no client information", &sent, &[200], &[]);
    let sent =
        bench.call().body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one__echo"}}"#);
    bench.refuses("no _meta", &sent, &[400], &[-32602, -32020]);
}

#[test]
fn s_44() {
    let mut bench = Bench::new();
    for method in [
        "no/such",
        "Tools/Call",
        "logging/setLevel",
        "ping",
        "initialize",
        "resources/subscribe",
        "tools",
        "tools/call/",
        "rpc.discover",
    ] {
        let sent = bench.sending(r#"{"x":1}"#, method, None);
        bench.refuses(method, &sent, &[404], &[-32601]);
    }
}

#[test]
fn s_45() {
    let mut bench = Bench::new();
    let sent = bench.call().add("Mcp-Session-Id", "x").add("Last-Event-ID", "1");
    let answer = bench.refuses("a session header", &sent, &[200], &[]);
    assert_eq!(answer.head.field("mcp-session-id"), None, "no session is minted");
}

#[test]
fn s_47() {
    let fixture = Fixture::ts("modern-only", &[]);
    let gateway = Gateway::transparent(fixture.entry());
    let call = |fields: &[(&str, &str)]| {
        let mut client = gateway.client(Era::Modern);
        let params = format!(
            r#"{{"_meta":{},"name":"test_mirrored_header","arguments":{{"region":"eu"}}}}"#,
            modern_meta("")
        );
        let mut all = client.fields("tools/call", &params);
        all.extend(fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let all: Vec<(&str, &str)> =
            all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        client.connection().request("POST", "/mcp", &all, body.as_bytes()).expect("it reads");
        client.finish().expect("it answers")
    };
    assert_eq!(call(&[("Mcp-Param-Region", "eu")]).text(), "region: eu");
    assert_eq!(call(&[("Mcp-Param-Region", "=?base64?ZXU=?=")]).text(), "region: eu");
    for fields in [
        &[][..],
        &[("Mcp-Param-Region", "us")],
        &[("Mcp-Param-Region", "eu"), ("Mcp-Param-Region", "eu")],
        &[("Mcp-Param-Region", "=?base64?!?=")],
    ] {
        let reply = call(fields);
        assert_eq!((reply.head.status, reply.code()), (400, Some(-32020)), "{fields:?}: {}", reply.raw);
    }
    // A legacy client knows nothing of such headers; the gateway writes them.
    assert_eq!(
        gateway.client(Era::Legacy).call("test_mirrored_header", r#"{"region":"eu"}"#).text(),
        "region: eu"
    );
}
