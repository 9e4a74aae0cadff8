//! Large results: handed on while they arrive, in bounded memory, and never completed when they are not what they seemed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Value, json};
use trunkline_e2e::client::{Client, ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::scripted::{self, Responder, Scripted, Seen};
use trunkline_e2e::{json as text, process, wait};

const TOOL: &str = r#"[{"name":"big","inputSchema":{"type":"object"}}]"#;
const MIB: usize = 1 << 20;
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/// Exchanges that ended while the server still had something to say.
#[derive(Default)]
struct Counts {
    left: AtomicUsize,
}

/// A server whose tool gives as many bytes as it is asked for, and goes wrong as it is asked to.
fn server(modern: bool) -> (Scripted, Arc<Counts>) {
    filler(MIB);
    let counts = Arc::<Counts>::default();
    let seen_by = Arc::clone(&counts);
    let scripted = Scripted::start(move |seen, to| {
        if scripted::introduce(modern, seen, to) || scripted::list(modern, TOOL, seen, to) {
            return;
        }
        big(modern, seen, to, &seen_by);
    });
    (scripted, counts)
}

/// Text of which no two parts are alike, so that a piece that is lost or doubled shows. Made once: a call that takes
/// long is answered with events.
fn filler(bytes: usize) -> &'static str {
    static ALL: LazyLock<String> = LazyLock::new(|| {
        let lines: Vec<String> = (0..2 * MIB).map(|n| format!("{n:08}\\n")).collect();
        lines.concat()
    });
    &ALL[..bytes / 10 * 10]
}

fn result(modern: bool, bytes: usize, more: &str) -> String {
    let era = if modern { r#""resultType":"complete","# } else { "" };
    format!(r#"{{{era}"content":[{{"type":"text","text":"{}"}}],"odd" : 1.10{more}}}"#, filler(bytes))
}

fn big(modern: bool, seen: &Seen, to: &mut Responder, counts: &Counts) {
    let arguments = text::parse(&text::member(&seen.params(), "arguments").expect("arguments"));
    let bytes = arguments["bytes"].as_u64().expect("a size") as usize;
    let (id, how) = (seen.id(), arguments["how"].as_str().unwrap_or_default());
    if how == "at-once" {
        return at_once(modern, &id, bytes, to);
    }
    let more = if how == "failed" { r#","isError":true"# } else { "" };
    let result = result(modern, bytes, more);
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    let half = body.len() / 2;
    match how {
        "length" | "failed" => to.json(200, &body),
        "chunks" => {
            to.raw(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
            // Chunks of all sizes, many of them tiny.
            let (mut rest, mut size) = (body.as_bytes(), 1);
            while !rest.is_empty() {
                let (chunk, more) = rest.split_at(size.min(rest.len()));
                to.raw(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
                (rest, size) = (more, size * 7 % 100_003);
            }
            to.raw(b"0\r\n\r\n");
        }
        // As TypeScript servers write it.
        "id-last" => to.json(200, &format!(r#"{{"result":{result},"jsonrpc":"2.0","id":{id}}}"#)),
        "other-id-last" => to.json(200, &format!(r#"{{"result":{result},"jsonrpc":"2.0","id":999999}}"#)),
        "other-id" => to.json(200, &format!(r#"{{"jsonrpc":"2.0","id":999999,"result":{result}}}"#)),
        "bad-envelope" => to.json(200, &format!(r#"{{"id":{id},"result":{result},"jsonrpc":"1.0"}}"#)),
        "cut" => {
            to.raw(format!("{HEAD}Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            to.raw(&body.as_bytes()[..half]);
            to.close();
        }
        "cut-early" => {
            to.raw(format!("{HEAD}Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            to.raw(&body.as_bytes()[..1000]);
            to.close();
        }
        "short" => {
            // Its length is told wrong: the rest of it would be taken for the next answer.
            to.raw(format!("{HEAD}Content-Length: {}\r\n\r\n", body.len() - 100).as_bytes());
            to.raw(body.as_bytes());
            to.close();
        }
        "bad-json" => to.json(200, &format!("{}\u{1}{}", &body[..half], &body[half..])),
        "bad-json-early" => to.json(200, &format!("{}\u{1}{}", &body[..1000], &body[1000..])),
        "stall" => {
            to.raw(format!("{HEAD}Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            to.raw(&body.as_bytes()[..half]);
            to.hang();
            counts.left.fetch_add(1, Ordering::SeqCst);
        }
        other => panic!("how? {other:?}"),
    }
}

/// The same without any work of ours before its first byte.
fn at_once(modern: bool, id: &str, bytes: usize, to: &mut Responder) {
    let whole = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#, result(modern, 0, ""));
    let (start, end) = whole.split_at(whole.find(r#""text":""#).expect("a text") + 8);
    let text = filler(bytes);
    let length = whole.len() + text.len();
    for part in [&format!("{HEAD}Content-Length: {length}\r\n\r\n"), start, text, end] {
        to.raw(part.as_bytes());
    }
}

fn gateway(modern: bool, options: &Value) -> (Gateway, Scripted, Arc<Counts>) {
    let (server, counts) = server(modern);
    let mut entry = server.entry();
    entry["timeouts"] = json!({ "idle": "3s" });
    for (key, value) in options.as_object().expect("an object") {
        entry[key] = value.clone();
    }
    (Gateway::start(&json!({ "s": entry })), server, counts)
}

fn params(bytes: usize, how: &str) -> String {
    format!(r#"{{"name":"s__big","arguments":{{"bytes":{bytes},"how":"{how}"}}}}"#)
}

fn is_modern(era: Era) -> bool {
    era == Era::Modern
}

/// The record of a call with this outcome.
fn recorded(gateway: &Gateway, outcome: &str) -> Value {
    wait::until(wait::LONG, "the record of the call", || {
        gateway.log().iter().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let fits = line["message"] == "call finished" && line["outcome"] == outcome;
            fits.then_some(line)
        })
    })
}

#[test]
fn large_results_come_through_byte_for_byte() {
    for era in ERAS {
        let (gateway, _server, _) = gateway(is_modern(era), &json!({ "maxMessageBytes": "32MiB" }));
        let mut client = gateway.client(era);
        for bytes in [100 * 1024, 128 * 1024, 300 * 1024, MIB, 16 * MIB] {
            for how in ["length", "chunks", "id-last"] {
                if how == "chunks" && bytes > MIB {
                    continue;
                }
                let reply = client.request("tools/call", &params(bytes, how));
                let id = text::member(&reply.raw, "id").expect("an id");
                assert!(id.parse::<u64>().is_ok_and(|id| id < 100), "the caller's own id: {id}");
                let passed = reply.result() == result(is_modern(era), bytes, "");
                assert!(passed, "{era:?} {how} {bytes}: {} bytes", reply.raw.len());
                let arrived = reply.head.field("transfer-encoding").is_some();
                // At the border it depends on how much comes at a time.
                if bytes != 128 * 1024 {
                    assert_eq!(arrived, bytes > 128 * 1024, "{era:?} {how} {bytes}: {:?}", reply.head);
                }
            }
        }
        // The connections can still be used, on either side.
        assert_eq!(client.request("tools/call", &params(10, "length")).head.status, 200);
    }
}

#[test]
fn a_result_that_goes_wrong_after_its_beginning_breaks_the_connection() {
    for era in ERAS {
        let (gateway, _server, _) = gateway(is_modern(era), &json!({ "circuitBreaker": "off" }));
        for (n, how) in ["cut", "short", "bad-json", "other-id-last", "bad-envelope"].into_iter().enumerate()
        {
            let mut client = gateway.client(era);
            client.start("tools/call", &params(MIB, how)).expect("it is sent");
            let head = client.connection().head().expect("a head");
            assert_eq!(head.status, 200);
            let mut got = Vec::new();
            let ended = loop {
                match client.connection().chunk() {
                    Ok(Some(chunk)) => got.extend(chunk),
                    other => break other,
                }
            };
            assert!(ended.is_err(), "{era:?} {how}: the exchange must not come to an end");
            assert!(serde_json::from_slice::<Value>(&got).is_err(), "{era:?} {how}: no whole answer");
            let failed = wait::until(wait::LONG, "the records", || {
                let log = gateway.log();
                let of = |what: &str| log.iter().filter(|line| line.contains(what)).count();
                (of("\"outcome\":\"error\"") > n).then(|| of("a call failed"))
            });
            assert_eq!(failed, n + 1, "{how}: {:?}", gateway.log());
        }
        let mut client = gateway.client(era);
        let reply = client.request("tools/call", &params(MIB, "length"));
        assert!(reply.result() == result(is_modern(era), MIB, ""), "{era:?}");
    }
}

#[test]
fn what_is_wrong_with_the_beginning_is_told_as_a_fault() {
    for era in ERAS {
        let (gateway, _server, _) = gateway(is_modern(era), &json!({ "maxMessageBytes": "2MiB" }));
        let mut client = gateway.client(era);
        for (how, bytes, reason) in [
            ("cut-early", MIB, "outcome_unknown"),
            ("bad-json-early", MIB, "bad_answer"),
            ("other-id", MIB, "bad_answer"),
            ("length", 3 * MIB, "result_too_large"),
        ] {
            let reply = client.request("tools/call", &params(bytes, how));
            assert_eq!(reply.reason().as_deref(), Some(reason), "{era:?} {how}: {:.300}", reply.raw);
            if reason == "result_too_large" {
                let said = reply.text();
                assert!(said.contains("2097152 bytes") && said.contains("maxMessageBytes"), "{said}");
            }
        }
    }
}

#[test]
fn a_result_that_breaks_off_counts_once_against_its_server_and_never_for_it() {
    for era in ERAS {
        let options = json!({ "circuitBreaker": { "consecutiveFailures": 2, "minimumCalls": 1000 } });
        let (gateway, _server, _) = gateway(is_modern(era), &options);
        let circuit = || gateway.client(Era::Modern).status()["servers"]["s"]["circuit"]["state"].clone();
        let pass = |how: &str| gateway.client(era).try_request("tools/call", &params(MIB, how)).is_ok();
        assert!(!pass("cut"));
        assert_eq!(circuit(), "closed", "{era:?}: it counted more than once");
        assert!(pass("length") && !pass("bad-json"));
        assert_eq!(circuit(), "closed", "{era:?}: there was a whole one between them");
        assert!(!pass("other-id-last"));
        assert_eq!(circuit(), "open", "{era:?}: the beginning of a result counted as a success");
        let refused = gateway.client(era).request("tools/call", &params(MIB, "length"));
        assert_eq!(refused.reason().as_deref(), Some("circuit_open"), "{}", refused.raw);
    }
}

#[test]
fn the_record_tells_size_and_outcome_at_the_end() {
    for era in ERAS {
        let (gateway, _server, _) = gateway(is_modern(era), &json!({}));
        let reply = gateway.client(era).request("tools/call", &params(MIB, "failed"));
        let record = recorded(&gateway, "tool_error");
        assert_eq!(record["bytes_out"].as_u64(), Some(reply.result().len() as u64), "{record}");
    }
}

#[test]
fn a_client_that_leaves_takes_the_exchange_with_the_server_along() {
    for era in ERAS {
        let (gateway, _server, counts) = gateway(is_modern(era), &json!({ "timeouts": { "idle": "60s" } }));
        let mut client = gateway.client(era);
        client.start("tools/call", &params(4 * MIB, "stall")).expect("it is sent");
        assert_eq!(client.connection().head().expect("a head").status, 200);
        assert!(client.connection().chunk().expect("a chunk").is_some());
        drop(client);
        wait::until(wait::LONG, "the end of the server's exchange", || {
            (counts.left.load(Ordering::SeqCst) == 1).then_some(())
        });
        recorded(&gateway, "cancelled");
    }
}

#[test]
fn a_server_that_falls_silent_in_the_middle_is_given_up() {
    for era in ERAS {
        let (gateway, _server, counts) = gateway(is_modern(era), &json!({}));
        let mut client = gateway.client(era);
        let ended = client.try_request("tools/call", &params(MIB, "stall"));
        assert!(ended.is_err(), "{era:?}");
        wait::until(wait::LONG, "the end of the server's exchange", || {
            (counts.left.load(Ordering::SeqCst) == 1).then_some(())
        });
        recorded(&gateway, "error");
        gateway.says(&["upstream_timeout"]);
    }
}

#[test]
fn a_client_that_takes_its_time_holds_a_server_no_longer_than_a_call_may_take() {
    for era in ERAS {
        let (gateway, _server, _) =
            gateway(is_modern(era), &json!({ "timeouts": { "idle": "60s", "total": "3s" } }));
        let mut client = gateway.client(era);
        client.start("tools/call", &params(15 * MIB, "length")).expect("it is sent");
        client.connection().head().expect("a head");
        // It reads on all the while, only too slowly.
        let ended = loop {
            std::thread::sleep(Duration::from_millis(100));
            match client.connection().chunk() {
                Ok(Some(_)) => {}
                other => break other,
            }
        };
        assert!(ended.is_err(), "{era:?}");
        recorded(&gateway, "error");
    }
}

/// Opens a connection that asks for a large result and reads nothing.
fn ask(client: &Client, id: usize, bytes: usize) -> TcpStream {
    let params = params(bytes, "at-once");
    let params = match client.era {
        Era::Legacy => params,
        Era::Modern => {
            format!(r#"{{"_meta":{},{}"#, trunkline_e2e::client::modern_meta(""), &params[1..])
        }
    };
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{params}}}"#);
    let mut request = format!("POST /mcp HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in client.fields("tools/call", &params) {
        request.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
    }
    let mut stream = TcpStream::connect(client.address).expect("it listens");
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).expect("it reads");
    stream
}

#[test]
fn clients_that_read_slowly_do_not_fill_the_memory() {
    const CLIENTS: usize = 16;
    for era in ERAS {
        let (gateway, _server, _) = gateway(is_modern(era), &json!({ "timeouts": { "idle": "60s" } }));
        let client = gateway.client(era);
        let warm = ask(&client, 100, MIB);
        wait::until(wait::LONG, "a first answer", || (warm.peek(&mut [0; 1]).unwrap_or(0) > 0).then_some(()));
        drop(warm);
        let before = process::resident_kib(gateway.pid());
        let mut streams: Vec<TcpStream> = (0..CLIENTS).map(|n| ask(&client, 200 + n, 15 * MIB)).collect();
        let mut most = 0;
        let mut got = vec![0; CLIENTS];
        let mut scratch = vec![0; 256 * 1024];
        // All of them read to the end, in steps, so that each waits most of the time.
        while got.iter().any(|bytes| *bytes < 15 * MIB) {
            for (stream, got) in streams.iter_mut().zip(&mut got) {
                if *got < 15 * MIB {
                    let read = stream.read(&mut scratch).expect("it goes on");
                    assert!(read > 0, "it ended after {got} bytes");
                    *got += read;
                }
            }
            most = most.max(process::resident_kib(gateway.pid()));
        }
        let growth = most.saturating_sub(before);
        assert!(growth < 16 * 1024, "{era:?}: {growth} KiB for {CLIENTS} results of 15 MiB");
    }
}

#[test]
fn large_results_over_a_pipe_come_whole() {
    let entry = json!({
        "command": env!("CARGO_BIN_EXE_scripted-stdio"),
        "args": ["good"],
        "maxMessageBytes": "40MiB",
    });
    let gateway = Gateway::with(json!({ "mcpServers": { "s": entry }, "limits": { "bodyBytes": "32MiB" } }));
    for era in ERAS {
        let mut client = gateway.client(era);
        for bytes in [MIB, 16 * MIB] {
            let arguments = format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes));
            assert!(client.call("s__echo", &arguments).text() == arguments, "{era:?} {bytes}");
        }
    }
}
