//! Section 3.6: sessions, handles, and who gets which answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline_e2e::client::{Client, ERAS, Era, modern_meta};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::json::member;
use trunkline_e2e::process;
use trunkline_e2e::scripted::{self, Scripted};

use crate::bench::{Bench, SCRIPTED};

const ECHO: &str = r#"[{"name":"echo","inputSchema":{"type":"object"}}]"#;

fn in_session(gateway: &Gateway, session: &str) -> Client {
    let mut client = Client::connect(gateway.address(), "/mcp", Era::Modern);
    client.era = Era::Legacy;
    client.session = Some(session.to_owned());
    client
}

fn status(bench: &Bench, session: &str, method: &str) -> u16 {
    in_session(&bench.gateway, session).request(method, "{}").head.status
}

#[test]
fn s_67() {
    let mut bench = Bench::new();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
    let sent = bench.call().bare().body(body).add("Mcp-Session-Id", "chosen-by-me");
    let answer = bench.refuses("initialize in a session of one's choice", &sent, &[200, 400, 404], &[]);
    assert_ne!(answer.head.field("mcp-session-id"), Some("chosen-by-me"), "not adopted");
    assert_eq!(status(&bench, "chosen-by-me", "tools/list"), 404);
    bench.all_is_well("a session of one's choice");
}

#[test]
fn s_69() {
    let mut bench = Bench::new();
    let mut all: Vec<String> = (0..16)
        .map(|_| {
            let client = Client::connect(bench.gateway.address(), "/mcp", Era::Legacy);
            client.session.expect("a session")
        })
        .collect();
    for own in &all {
        assert!(own.len() >= 22, "128 random bits: {own}");
        let other_case: String = own
            .chars()
            .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
            .collect();
        for near in [own[..own.len() - 1].to_owned(), other_case, format!("{own}x"), format!(" {own}x")] {
            if near != *own {
                assert_eq!(status(&bench, &near, "tools/list"), 404, "{near}");
            }
        }
    }
    let own = all[0].clone();
    assert_eq!(status(&bench, &own, "tools/list"), 200, "the session itself");
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 16);
    let host = bench.gateway.address().to_string();
    let mut connection = bench.connection();
    let fields = [("Host", host.as_str()), ("Mcp-Session-Id", own.as_str())];
    connection.request("DELETE", "/mcp", &fields, b"").expect("it reads");
    assert!(matches!(connection.answer().expect("an answer").head.status, 200 | 204));
    assert_eq!(status(&bench, &own, "tools/list"), 404, "an ended session");
    // Without one, a client of HTTP+SSE begins like this; anything else has nothing to hear.
    for (accept, status) in [("*/*", 405), ("application/json", 405), ("text/event-stream", 200)] {
        let none = [("Host", host.as_str()), ("Accept", accept)];
        let mut connection = bench.connection();
        connection.request("GET", "/mcp", &none, b"").expect("it reads");
        assert_eq!(connection.head().expect("an answer").status, status, "{accept}");
    }
    bench.all_is_well("guessed sessions");
}

/// Cursors and the states of calls are handles, too: nobody gets on with one that he made up.
#[test]
fn s_71() {
    let mut bench = Bench::new();
    for cursor in ["", "x", "AAAA", "AAMAAAAAAAAAAgAAAAAAAAAAAAAAAAAAAA", "../../etc/passwd", "7"] {
        let sent = bench.sending(&json!({ "cursor": cursor }).to_string(), "tools/list", None);
        bench.refuses(&format!("cursor {cursor}"), &sent, &[200, 400], &[-32602]);
    }
    for state in ["", "gw1.", "gw1.AAAA", &format!("gw1.{}", "A".repeat(134)), &"x".repeat(100_000)] {
        let params =
            json!({ "name": "one__echo", "arguments": {}, "requestState": state, "inputResponses": {} });
        let sent = bench.sending(&params.to_string(), "tools/call", Some("one__echo"));
        let before = bench.effects();
        let answer = bench.try_send(&sent).expect("an answer");
        let body: Value = serde_json::from_str(&answer.text()).expect("JSON");
        assert!(body.get("error").is_some(), "{state:.20}: {body}");
        bench.all_is_well("a state that nobody sealed");
        assert_eq!(bench.effects(), before, "a retry with a bad state runs nothing");
    }
    for id in ["", "task-", "task-AAAA", "1"] {
        let sent = bench.sending(&json!({ "taskId": id }).to_string(), "tasks/get", Some(id));
        bench.refuses(&format!("task {id}"), &sent, &[400, 404], &[-32602, -32601, -32020]);
    }
}

#[test]
fn s_72() {
    let mut bench = Bench::new();
    let start = process::resident_kib(bench.gateway.pid());
    for _ in 0..400 {
        let mut client = Client::connect(bench.gateway.address(), "/mcp", Era::Modern);
        client.era = Era::Legacy;
        let params =
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}"#;
        client.start("initialize", params).expect("it reads");
        let reply = client.finish().expect("it answers");
        assert_eq!(reply.head.status, 200, "{}", reply.raw);
    }
    let grown = process::resident_kib(bench.gateway.pid()).saturating_sub(start);
    assert!(grown < 400 * 32, "400 sessions that nobody uses take {grown} KiB");
    bench.all_is_well("400 abandoned sessions");

    // In a full table the idlest one makes room; one that is in use stays.
    let mut bench = Bench::with(json!({ "limits": { "sessions": 20 } }));
    for _ in 0..60 {
        let mut client = Client::connect(bench.gateway.address(), "/mcp", Era::Modern);
        client.era = Era::Legacy;
        let params =
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}"#;
        let status = client.request("initialize", params).head.status;
        assert!(matches!(status, 200 | 429 | 503), "{status}");
        bench.all_is_well("a full table");
        let sessions = bench.gateway.metric("trunkline_sessions", &[]);
        assert!(sessions < 20.5, "{sessions} sessions in 20 places");
    }
}

/// How many clients call at once, and how often each.
const CLIENTS: usize = 24;
const CALLS: usize = 12;

/// All clients send id 1, each call has a canary of its own, and three of ten are left before their answer.
fn canaries(gateway: &Gateway, era: Era) {
    let (answered, failed) = apart(|_| gateway.client(era));
    assert!(answered > CLIENTS * CALLS / 2, "{answered} answers");
    assert!(failed * 50 <= answered + failed, "{failed} of {} failed", answered + failed);
}

/// How many calls were answered, all of them to whom they belong, and how many were refused.
fn apart(connect: impl Fn(usize) -> Client + Sync) -> (usize, usize) {
    let (answered, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (answered, failed, connect) = (&answered, &failed, &connect);
            scope.spawn(move || {
                let mut client = connect(number);
                for call in 0..CALLS {
                    let arguments = format!(r#"{{"canary":"{number}-{call}"}}"#);
                    send_as_1(&mut client, &arguments);
                    if (number * 7 + call * 3) % 10 < 3 {
                        // A close to some, a reset to others.
                        if call % 2 == 0 {
                            client.connection().end_with_reset();
                        }
                        client = connect(number);
                        continue;
                    }
                    let reply = client.finish().expect("an answer");
                    assert_eq!(member(&reply.raw, "id").as_deref(), Some("1"), "{}", reply.raw);
                    let result = member(&reply.raw, "result");
                    if result.is_none_or(|result| result.contains("\"isError\":true")) {
                        failed.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    assert_eq!(reply.text(), arguments, "somebody else's answer");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    (answered.into_inner(), failed.into_inner())
}

/// A call with id 1, whatever the client's own count is.
fn send_as_1(client: &mut Client, arguments: &str) {
    let meta = match client.era {
        Era::Modern => format!(r#""_meta":{},"#, modern_meta("")),
        Era::Legacy => String::new(),
    };
    let params = format!(r#"{{{meta}"name":"one__echo","arguments":{arguments}}}"#);
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    client.post(&body, "tools/call", &params).expect("it reads");
}

/// A server that answers later calls before earlier ones.
fn shuffling(modern: bool) -> Scripted {
    let turn = AtomicUsize::new(0);
    Scripted::start(move |seen, to| {
        if scripted::introduce(modern, seen, to) || scripted::list(modern, ECHO, seen, to) {
            return;
        }
        let number = turn.fetch_add(1, Ordering::Relaxed) as u64;
        // It is the server's slowness; nothing here waits for it.
        std::thread::sleep(Duration::from_millis(number * 7 % 23));
        let text = Value::from(member(&seen.params(), "arguments").unwrap_or_default());
        let kind = if modern { r#""resultType":"complete","# } else { "" };
        to.result(&seen.id(), &format!(r#"{{{kind}"content":[{{"type":"text","text":{text}}}]}}"#));
    })
}

fn over_stdio() -> Gateway {
    Gateway::start(&json!({ "one": { "command": SCRIPTED, "args": ["shuffle"] } }))
}

#[test]
fn s_73_modern_clients_stdio_server() {
    canaries(&over_stdio(), Era::Modern);
}

#[test]
fn s_73_legacy_clients_stdio_server() {
    canaries(&over_stdio(), Era::Legacy);
}

#[test]
fn s_73_modern_clients_http_servers() {
    for modern in [true, false] {
        let server = shuffling(modern);
        canaries(&Gateway::start(&json!({ "one": server.entry() })), Era::Modern);
    }
}

#[test]
fn s_73_legacy_clients_http_servers() {
    for modern in [true, false] {
        let server = shuffling(modern);
        canaries(&Gateway::start(&json!({ "one": server.entry() })), Era::Legacy);
    }
}

/// All in one session: the revisions forbid it, and clients do it.
#[test]
fn s_73_one_session_for_all() {
    let server = shuffling(false);
    for gateway in [over_stdio(), Gateway::start(&json!({ "one": server.entry() }))] {
        let shared = Client::connect(gateway.address(), "/mcp", Era::Legacy).session.expect("a session");
        let (answered, failed) = apart(|_| in_session(&gateway, &shared));
        assert!(answered > CLIENTS * CALLS / 2, "{answered} answers");
        assert!(failed * 50 <= answered + failed, "{failed} of {} failed", answered + failed);
    }
}

#[test]
fn s_75() {
    let gateway = over_stdio();
    for era in ERAS {
        let first = gateway.client(era);
        let mut clients = match &first.session {
            Some(session) => [in_session(&gateway, session), in_session(&gateway, session)],
            None => [gateway.client(era), gateway.client(era)],
        };
        let arguments = [r#"{"delay":400}"#, r#"{"delay":1}"#];
        for (client, arguments) in clients.iter_mut().zip(arguments) {
            send_as_1(client, arguments);
        }
        for (client, arguments) in clients.iter_mut().zip(arguments).rev() {
            let reply = client.finish().expect("an answer: none hangs");
            assert_eq!(reply.text(), arguments, "{era:?}: {}", reply.raw);
        }
    }
}

#[test]
fn s_76() {
    for modern in [true, false] {
        let server = Scripted::start(move |seen, to| {
            if scripted::introduce(modern, seen, to) || scripted::list(modern, ECHO, seen, to) {
                return;
            }
            let params: Value = serde_json::from_str(&seen.params()).unwrap_or_default();
            let (token, who) = (&params["_meta"]["progressToken"], &params["arguments"]["who"]);
            let note = |step: u32| {
                let params = json!({ "progressToken": token, "progress": step, "message": who });
                format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#)
            };
            let kind = if modern { r#""resultType":"complete","# } else { "" };
            let answer = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{{kind}"content":[]}}}}"#, seen.id());
            to.raw(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            for message in [note(1), note(2), note(3), answer] {
                let event = format!("data: {message}\n\n");
                to.raw(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
                // Slow, so that the two overlap.
                std::thread::sleep(Duration::from_millis(60));
            }
            to.raw(b"0\r\n\r\n");
        });
        let gateway = Gateway::start(&json!({ "one": server.entry() }));
        for era in ERAS {
            let mut clients = [gateway.client(era), gateway.client(era)];
            for (number, client) in clients.iter_mut().enumerate() {
                let (meta, outer) = match era {
                    Era::Modern => (r#""progressToken":1"#, ""),
                    Era::Legacy => ("", r#""_meta":{"progressToken":1},"#),
                };
                client.meta = meta.to_owned();
                let params =
                    format!(r#"{{{outer}"name":"one__echo","arguments":{{"who":"client-{number}"}}}}"#);
                client.start("tools/call", &params).expect("it reads");
            }
            for (number, client) in clients.iter_mut().enumerate() {
                let reply = client.finish().expect("an answer");
                assert!(!reply.notes.is_empty(), "{era:?}: no progress");
                for note in &reply.notes {
                    assert!(note.contains(&format!("client-{number}")), "{era:?}: {note}");
                    let token = member(&member(note, "params").unwrap_or_default(), "progressToken");
                    assert_eq!(token.as_deref(), Some("1"), "{note}");
                }
            }
        }
    }
}

/// Batches are of one revision alone, so that nothing else can carry a second call.
#[test]
fn batches_are_for_the_revision_that_had_them() {
    let bench = Bench::new();
    let pair = r#"[{"jsonrpc":"2.0","id":7,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"one__echo","arguments":{}}}]"#;
    for (revision, status) in [("2025-03-26", 200), ("2025-06-18", 400), ("2025-11-25", 400)] {
        let mut client = Client::connect(bench.gateway.address(), "/mcp", Era::Legacy);
        assert_eq!(client.initialize(revision)["protocolVersion"], revision);
        let sent = bench.call().bare().body(pair);
        let sent = sent.add("Mcp-Session-Id", client.session.as_deref().expect("a session"));
        let start = Instant::now();
        let answer = bench.try_send(&sent).expect("an answer");
        assert_eq!(answer.head.status, status, "{revision}: {}", answer.text());
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
