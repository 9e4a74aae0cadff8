//! HTTP+SSE, WebSocket and broken connections, with real clients and with ones that misbehave.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline_e2e::client::Era;
use trunkline_e2e::driver::{Driver, assert_ok};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::http::{Connection, Events};
use trunkline_e2e::json::parse;
use trunkline_e2e::{process, wait};

use super::asks;

/// The transports that keep a client on one connection, and who speaks them.
const KEPT: [(Driver, &str); 4] =
    [(Driver::Ts1, "sse"), (Driver::Ts1, "ws"), (Driver::Py1, "sse"), (Driver::Py1, "ws")];

fn url(gateway: &Gateway, transport: &str) -> String {
    let scheme = if transport == "ws" { "ws" } else { "http" };
    format!("{scheme}://{}/mcp", gateway.address())
}

#[test]
fn every_transport_shows_the_same_and_serves_everything() {
    for back in ["legacy-only", "modern-only"] {
        let fixture = Fixture::ts(back, &[]);
        let gateway = Gateway::start(&json!({ "one": fixture.entry() }));
        let steps = [
            "--call",
            "one__test_tool_with_progress",
            "{}",
            "--call",
            "one__test_image_content",
            "{}",
            "--prompt",
            "one__test_simple_prompt",
            "{}",
            "--read",
            "test://static-text",
            "--ping",
        ];
        for (driver, transport) in KEPT {
            let report = driver.over(transport, &url(&gateway, transport), &steps);
            assert_ok(&report);
            let expected = driver.http(&gateway.url(), &steps);
            assert_ok(&expected);
            for part in ["tools", "prompts", "resources", "resourceTemplates"] {
                assert_eq!(report[part], expected[part], "{driver:?} over {transport}: {part}");
            }
            for part in ["calls", "reads", "gets"] {
                let results = |report: &Value| -> Vec<Value> {
                    report[part].as_array().expect(part).iter().map(|one| one["result"].clone()).collect()
                };
                assert_eq!(results(&report), results(&expected), "{driver:?} over {transport}: {part}");
            }
            let steps: Vec<f64> = report["calls"][0]["progress"]
                .as_array()
                .expect("progress")
                .iter()
                .filter_map(|update| update["progress"].as_f64())
                .collect();
            assert_eq!(steps, [0.0, 50.0, 100.0], "{driver:?} over {transport}");
        }
    }
}

#[test]
fn the_old_path_leads_to_http_with_sse_too() {
    let fixture = Fixture::ts("modern-only", &[]);
    let gateway = Gateway::start(&json!({ "one": fixture.entry() }));
    let url = format!("http://{}/sse", gateway.address());
    for driver in [Driver::Ts1, Driver::Py1] {
        assert_ok(&driver.over("sse", &url, &["--call", "one__test_simple_text", "{}"]));
    }
}

#[test]
fn clients_are_asked_on_every_transport() {
    let fixture = Fixture::ts("modern-only", &[]);
    let gateway = Gateway::start(&json!({ "one": fixture.entry() }));
    let steps = asks::steps("one__");
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    for (driver, transport) in KEPT {
        asks::answered(&driver.over(transport, &url(&gateway, transport), &steps));
    }
}

#[test]
fn a_call_is_cancelled_at_the_server_from_every_transport() {
    let fixture = Fixture::ts("legacy-only", &[]);
    let gateway = Gateway::transparent(fixture.entry());
    for (at, transport) in ["sse", "ws"].into_iter().enumerate() {
        let steps = ["--no-lists", "--call-cancel", "slow", r#"{"ms":20000,"steps":200}"#, "1500"];
        let report = Driver::Ts1.over(transport, &url(&gateway, transport), &steps);
        assert_eq!(report["calls"][0]["cancelled"], true, "{report:#}");
        cancelled(&gateway, at + 1);
    }
    // One that hangs up is gone for good, unlike a client of Streamable HTTP.
    let mut client = Old::connect(&gateway);
    client.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow","arguments":{"ms":20000,"steps":200},"_meta":{"progressToken":1}}}"#);
    assert_eq!(client.next()["method"], "notifications/progress");
    drop(client);
    cancelled(&gateway, 3);
}

fn cancelled(gateway: &Gateway, times: usize) {
    let mut client = gateway.client(Era::Modern);
    wait::until(Duration::from_secs(5), "the cancellation at the server", || {
        let seen = client.call("count", r#"{"key":"cancelled","peek":true}"#).value();
        (seen["structuredContent"]["count"] == times).then_some(())
    });
}

#[test]
fn changes_are_heard_on_every_transport() {
    let fixture = Fixture::ts("dual", &[]);
    let gateway = Gateway::start(&json!({ "one": fixture.entry() }));
    for (at, (driver, transport)) in KEPT.into_iter().enumerate() {
        let arguments = json!({ "name": format!("new_{at}") }).to_string();
        let steps = ["--expect-list-changed", "5", "--trigger", "one__add_tool", &arguments];
        let report = driver.over(transport, &url(&gateway, transport), &steps);
        assert_ok(&report);
    }
    let mut client = Old::connect(&gateway);
    client.post(
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"test://watched-resource"}}"#,
    );
    assert_eq!(client.next()["id"], 1);
    // The subscription reaches the server in its own time.
    let mut other = gateway.client(Era::Modern);
    let updated = wait::until(Duration::from_secs(10), "the update", || {
        other.call("one__touch", r#"{"uri":"test://watched-resource"}"#);
        client.next_within(Duration::from_millis(300))
    });
    assert_eq!(updated["method"], "notifications/resources/updated");
    assert_eq!(updated["params"]["uri"], "test://watched-resource");
}

#[test]
fn a_call_whose_connection_breaks_is_picked_up_where_it_broke() {
    for back in ["legacy-only", "modern-only"] {
        let fixture = Fixture::ts(back, &[]);
        let gateway = Gateway::start(&json!({ "one": fixture.entry() }));
        let call = r#"{"ms":3000,"steps":6}"#;
        let report =
            Driver::Ts1.http(&gateway.url(), &["--no-lists", "--break-stream", "--call", "one__slow", call]);
        assert_ok(&report);
        let broken = report["broken"].as_array().expect("the driver breaks");
        let cut = broken.iter().position(|what| what["cut"] == true);
        let resumed: Vec<_> = broken.iter().filter_map(|what| what["resumedAfter"].as_str()).collect();
        assert!(cut.is_some() && resumed.len() == 1, "{broken:?}");
        let steps: Vec<_> = report["calls"][0]["progress"]
            .as_array()
            .expect("progress")
            .iter()
            .map(|update| update["progress"].to_string())
            .collect();
        assert_eq!(steps, ["1", "2", "3", "4", "5", "6"], "nothing twice, nothing lost: {broken:?}");
        assert_eq!(report["calls"][0]["result"]["content"][0]["text"], "slept 3000 ms in 6 steps");
    }
}

#[test]
fn a_client_that_does_not_read_takes_no_memory_and_no_time_of_others() {
    let fixture = Fixture::ts("legacy-only", &[]);
    let gateway = Gateway::transparent(fixture.entry());
    let text = "x".repeat(500_000);
    let call = |id: usize| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{text}"}}}}}}"#
        )
    };
    let mut slow = Old::connect(&gateway);
    let mut other = gateway.client(Era::Modern);
    // What such calls take anyhow is not what this is about.
    for _ in 0..10 {
        other.call("echo", &format!(r#"{{"text":"{text}"}}"#)).result();
    }
    let before = process::resident_kib(gateway.pid());
    // More than every buffer in between holds; from some point on a POST has to wait.
    let mut said = 0;
    for id in 1..=100 {
        if slow.try_post(&call(id), Duration::from_secs(2)) != Some(202) {
            break;
        }
        said += 1;
    }
    assert!(said > 4, "the first ones are taken");
    let began = Instant::now();
    other.call("echo", "{}").result();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let grown = process::resident_kib(gateway.pid()).saturating_sub(before);
    assert!(said < 100 && grown < 64 << 10, "{said} were taken, {grown} KiB for one client");
}

#[test]
fn a_foreign_page_cannot_open_a_socket_or_a_stream() {
    let fixture = Fixture::ts("modern-only", &[]);
    let gateway = Gateway::start(&json!({ "one": fixture.entry() }));
    let host = gateway.address().to_string();
    let socket = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "mcp"),
    ];
    let stream = [("Accept", "text/event-stream")];
    for fields in [&socket[..], &stream[..]] {
        for (origin, expected) in [("https://evil.example", 403), ("http://localhost:3000", 0)] {
            let mut fields = fields.to_vec();
            fields.extend([("Host", host.as_str()), ("Origin", origin)]);
            let mut connection = gateway.connection();
            connection.request("GET", "/mcp", &fields, b"").expect("the gateway reads");
            let status = connection.head().expect("an answer").status;
            assert!(
                if expected == 0 { status == 101 || status == 200 } else { status == expected },
                "{status}"
            );
        }
    }
}

/// A client of HTTP+SSE that writes its messages by hand.
struct Old {
    stream: Connection,
    events: Events,
    address: std::net::SocketAddr,
    to: String,
}

impl Old {
    /// Connects and introduces itself.
    fn connect(gateway: &Gateway) -> Self {
        let address = gateway.address();
        let mut stream = gateway.connection();
        let host = address.to_string();
        let fields = [("Host", host.as_str()), ("Accept", "text/event-stream")];
        stream.request("GET", "/mcp", &fields, b"").expect("the gateway reads");
        assert_eq!(stream.head().expect("a stream").status, 200);
        let mut events = Events::default();
        let to = stream.event(&mut events).expect("the stream lives").expect("it goes on");
        let mut client = Self { stream, events, address, to };
        client.post(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"e2e","version":"1"}}}"#);
        assert_eq!(client.next()["result"]["protocolVersion"], "2024-11-05");
        client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        client
    }

    fn post(&mut self, body: &str) {
        assert_eq!(self.try_post(body, Duration::from_secs(10)), Some(202));
    }

    /// The status; nothing when it does not come in time.
    fn try_post(&mut self, body: &str, limit: Duration) -> Option<u16> {
        let host = self.address.to_string();
        let fields = [("Host", host.as_str()), ("Content-Type", "application/json")];
        let mut connection = Connection::open(self.address);
        connection.set_patience(limit);
        connection.request("POST", &self.to, &fields, body.as_bytes()).ok()?;
        connection.head().ok().map(|head| head.status)
    }

    /// The next message.
    fn next(&mut self) -> Value {
        self.next_within(Duration::from_secs(10)).expect("a message")
    }

    fn next_within(&mut self, limit: Duration) -> Option<Value> {
        self.stream.set_patience(limit);
        self.stream.event(&mut self.events).ok()?.map(|event| parse(&event))
    }
}
