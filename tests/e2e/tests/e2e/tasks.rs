//! Extensions in front of one transparent server: tasks, and methods that the gateway has never heard of.

use serde_json::json;
use trunkline_e2e::client::{Client, Era, modern_meta};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::http::Events;
use trunkline_e2e::json::parse;
use trunkline_e2e::scripted::{Responder, Scripted, Seen, introduce, list};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
const DECLARED: &str =
    r#""io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

/// A modern server with tasks. It tells a listener of each task that it asked for, and of one that it did not.
fn server() -> Scripted {
    Scripted::start(|seen, to| {
        let id = seen.id();
        match seen.method().as_str() {
            "server/discover" => to.result(
                &id,
                r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{},"vendor/x":{"y":1.50}}},"ttlMs":60000,"cacheScope":"private"}"#,
            ),
            "tasks/get" | "vendor/thing" => {
                to.result(&id, r#"{"resultType":"complete","taskId":"t é","status":"working","odd":1.50}"#);
            }
            "subscriptions/listen" => tell(seen, to),
            _ => {
                let _ = list(true, "[]", seen, to) || introduce(true, seen, to);
            }
        }
    })
}

fn tell(seen: &Seen, to: &mut Responder) {
    let (id, params) = (seen.id(), parse(&seen.params()));
    let filter = &params["notifications"];
    let note = |method: &str, params: &str| {
        let params = format!(r#"{{"_meta":{{"{SUBSCRIPTION}":{id}}},{params}}}"#);
        let event = format!("data: {{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{params}}}\n\n");
        format!("{:x}\r\n{event}\r\n", event.len())
    };
    to.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    let acknowledged =
        note("notifications/subscriptions/acknowledged", &format!(r#""notifications":{filter}"#));
    to.raw(acknowledged.as_bytes());
    for task in filter["taskIds"].as_array().into_iter().flatten() {
        for told in [json!("somebody else's"), task.clone()] {
            let status = format!(r#""taskId":{told},"status":"completed","odd":1.50"#);
            to.raw(note("notifications/tasks", &status).as_bytes());
        }
    }
    to.hang();
}

/// Asks to listen to these tasks, as a client that declares the extension.
fn listen(gateway: &Gateway, tasks: &str) -> Client {
    let mut client = gateway.client(Era::Modern);
    let meta = modern_meta("").replace(r#""io.modelcontextprotocol/clientCapabilities":{}"#, DECLARED);
    let params = format!(r#"{{"_meta":{meta},"notifications":{{"taskIds":{tasks}}}}}"#);
    let method = "subscriptions/listen";
    let body = format!(r#"{{"jsonrpc":"2.0","id":"l1","method":"{method}","params":{params}}}"#);
    client.post(&body, method, &params).expect("it reads");
    client
}

#[test]
fn extensions_and_their_methods_pass_untouched_between_modern_peers() {
    let server = server();
    let gateway = Gateway::transparent(server.entry());
    let mut client = gateway.client(Era::Modern);
    let offered = client.request("server/discover", "{}").result();
    assert!(
        offered.contains(r#""extensions":{"io.modelcontextprotocol/tasks":{},"vendor/x":{"y":1.50}}"#),
        "{offered}"
    );

    for (method, params) in
        [("tasks/get", r#"{"taskId":"t é","odd":2.50}"#), ("vendor/thing", r#"{"odd":2.50}"#)]
    {
        let result = client.request(method, params).result();
        assert_eq!(result, r#"{"resultType":"complete","taskId":"t é","status":"working","odd":1.50}"#);
        let seen = server.seen_of(method).pop().expect("it came");
        assert!(seen.params().ends_with(&params[1..]), "{}", seen.params());
        // The task is named in a header, as a name that needs encoding is.
        let named = (method == "tasks/get").then_some("=?base64?dCDDqQ==?=");
        assert_eq!((seen.field("mcp-method"), seen.field("mcp-name")), (Some(method), named));
    }
}

#[test]
fn a_legacy_client_is_told_that_the_methods_of_a_modern_extension_do_not_exist() {
    let server = server();
    let gateway = Gateway::transparent(server.entry());
    let mut client = gateway.client(Era::Legacy);
    assert_eq!(client.request("tasks/get", r#"{"taskId":"t"}"#).code(), Some(-32601));
    assert!(server.seen_of("tasks/get").is_empty());
}

#[test]
fn a_listener_hears_of_its_tasks_and_of_no_other() {
    let server = server();
    let gateway = Gateway::transparent(server.entry());
    let mut client = listen(&gateway, r#"["mine"]"#);
    assert!(client.connection().head().expect("a stream").is_stream());
    let (mut events, mut heard) = (Events::default(), Vec::new());
    while heard.len() < 2 {
        let chunk = client.connection().chunk().expect("the stream lives").expect("it goes on");
        heard.extend(events.feed(&chunk));
    }
    let acknowledged = parse(&heard[0]);
    assert_eq!(acknowledged["params"]["notifications"], json!({ "taskIds": ["mine"] }));
    let told = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/tasks","params":{{"_meta":{{"{SUBSCRIPTION}":"l1"}},"taskId":"mine","status":"completed","odd":1.50}}}}"#
    );
    assert_eq!(heard[1], told);
    let asked = server.seen_of("subscriptions/listen").pop().expect("it came");
    assert!(asked.params().contains(DECLARED), "{}", asked.params());
}

#[test]
fn who_asks_for_tasks_without_declaring_them_is_told_what_is_missing() {
    let server = server();
    let gateway = Gateway::transparent(server.entry());
    let reply = gateway
        .client(Era::Modern)
        .request("subscriptions/listen", r#"{"notifications":{"taskIds":["mine"]}}"#);
    assert_eq!((reply.head.status, reply.code()), (400, Some(-32021)));
    let required = &reply.error()["data"]["requiredCapabilities"]["extensions"];
    assert!(required["io.modelcontextprotocol/tasks"].is_object(), "{required}");
}

#[test]
fn in_front_of_several_servers_nobody_is_promised_news_of_tasks() {
    let (one, other) = (server(), server());
    let gateway = Gateway::start(&json!({ "one": one.entry(), "other": other.entry() }));
    let mut client = listen(&gateway, r#"["mine"]"#);
    assert!(client.connection().head().expect("a stream").is_stream());
    let mut events = Events::default();
    let chunk = client.connection().chunk().expect("the stream lives").expect("it goes on");
    let acknowledged = parse(&events.feed(&chunk).remove(0));
    assert_eq!(acknowledged["params"]["notifications"], json!({}));
}
