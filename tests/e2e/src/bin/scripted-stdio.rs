//! A stdio server that misbehaves in a way of one's choice: `scripted-stdio BEHAVIOUR [LOG]`.
//!
//! Each line that it reads goes to LOG, when given. All but the hostile part is a plain legacy server with a tool `echo`.

use std::fs::OpenOptions;
use std::io::{BufRead, Write, stdin, stdout};
use std::process::exit;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use trunkline_e2e::json::member;

/// As long as a test may last.
const FOREVER: Duration = Duration::from_mins(10);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let behaviour = arguments.next().unwrap_or_default();
    let log = arguments.next();
    if behaviour == "garbage" {
        say("this is no JSON\n\u{1b}[31m{\"jsonrpc\":\n[]\n42\n\"text\"\n");
    }
    for line in stdin().lock().lines().map_while(Result::ok) {
        if let Some(log) = &log {
            let mut file = OpenOptions::new().create(true).append(true).open(log).expect("the log opens");
            writeln!(file, "{line}").expect("the log is written");
        }
        if !line.starts_with('{') {
            continue;
        }
        let method: String =
            member(&line, "method").and_then(|raw| serde_json::from_str(&raw).ok()).unwrap_or_default();
        let id = member(&line, "id");
        hostile(&behaviour, &method, id.as_deref());
        let Some(id) = id else { continue };
        if (behaviour.as_str(), method.as_str()) == ("shuffle", "tools/call") {
            std::thread::spawn(move || {
                sleep(delay(&line));
                answer("shuffle", &method, &id, &line);
            });
            continue;
        }
        answer(&behaviour, &method, &id, &line);
    }
}

/// What each behaviour does instead of answering.
fn hostile(behaviour: &str, method: &str, id: Option<&str>) {
    match (behaviour, method) {
        ("never", _) | ("silent-on-probe", "server/discover") | ("silent-on-call", "tools/call") => {
            sleep(FOREVER);
        }
        ("slow-call", "tools/call") => sleep(Duration::from_secs(3)),
        ("die-on-probe", "server/discover") | ("die-on-call", "tools/call") => exit(3),
        ("die-at-once", _) => {
            eprintln!("scripted-stdio: no licence found");
            exit(7);
        }
        ("garbage", _) => say("not JSON in between\n{\"jsonrpc\":\"2.0\"}\n{}\n\u{0}\u{1}\n"),
        ("huge-line", "tools/call") => {
            let part = "x".repeat(1 << 20);
            say("{\"jsonrpc\":\"2.0\",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"");
            for _ in 0..100 {
                say(&part);
            }
            say(&format!("\"}}]}},\"id\":{}}}\n", id.unwrap_or("1")));
        }
        // An answer to nothing that was asked, with an id that nobody gave.
        ("wrong-id", "tools/call") => say(
            "{\"jsonrpc\":\"2.0\",\"id\":987654,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"for somebody else\"}]}}\n",
        ),
        _ => {}
    }
}

fn answer(behaviour: &str, method: &str, id: &str, line: &str) {
    if (behaviour, method) == ("wrong-id", "tools/call")
        || (behaviour, method) == ("huge-line", "tools/call")
        || (behaviour, method) == ("no-ping", "ping")
    {
        return;
    }
    let result = match method {
        "initialize" => concat!(
            r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},"#,
            r#""serverInfo":{"name":"scripted-stdio","version":"1"}}"#
        )
        .to_owned(),
        "ping" => "{}".to_owned(),
        "tools/list" if behaviour == "endless-pages" => endless(line),
        "tools/list" => r#"{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#.to_owned(),
        "tools/call" => {
            let params = member(line, "params").unwrap_or_default();
            let text = Value::from(member(&params, "arguments").unwrap_or_default());
            format!(r#"{{"content":[{{"type":"text","text":{text}}}]}}"#)
        }
        _ => {
            say(&format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-32601,\"message\":\"no {method}\"}}}}\n"
            ));
            return;
        }
    };
    say(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n"));
}

/// How long a call takes that says so in its arguments, and otherwise up to 22 ms, so that later ones are answered first.
fn delay(line: &str) -> Duration {
    let arguments =
        member(line, "params").and_then(|params| member(&params, "arguments")).unwrap_or_default();
    let told = member(&arguments, "delay").and_then(|raw| raw.parse().ok());
    let number = line.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::from_millis(told.unwrap_or(number % 23))
}

/// A page that always has a next one.
fn endless(line: &str) -> String {
    let cursor = member(line, "params").and_then(|params| member(&params, "cursor"));
    let page: u64 = cursor.and_then(|raw| raw.trim_matches('"').parse().ok()).unwrap_or(0);
    format!(
        r#"{{"tools":[{{"name":"tool_{page}","inputSchema":{{"type":"object"}}}}],"nextCursor":"{}"}}"#,
        page + 1
    )
}

fn say(text: &str) {
    // One message at a time: the lock is held to its end.
    let mut out = stdout().lock();
    // The reader may have gone; then so do we.
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        exit(0);
    }
}
