//! A stdio server that does what a file says: `faulty-stdio FOLDER` reads `FOLDER/behaviour` at its start and with each
//! call, and notes each call in `FOLDER/calls`. All but the fault is a plain legacy server with a tool `echo`.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, Write, stderr, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use trunkline_e2e::json::member;

/// How often the file is looked at while the server does nothing.
const LOOK: Duration = Duration::from_millis(20);
/// A server that ignores everything does not outlive the tests by more than this.
const LIFETIME: Duration = Duration::from_mins(2);

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder"));
    let begun = Instant::now();
    if behaviour(&folder) == "exit-on-start" {
        eprintln!("faulty-stdio: canary-4711-stderr: no licence found");
        exit(7);
    }
    for line in stdin().lock().lines().map_while(Result::ok).filter(|line| line.starts_with('{')) {
        let method: String =
            member(&line, "method").and_then(|raw| serde_json::from_str(&raw).ok()).unwrap_or_default();
        let Some(id) = member(&line, "id") else { continue };
        if method != "tools/call" {
            introduce(&method, &id);
            continue;
        }
        note(&folder);
        let params = member(&line, "params").unwrap_or_default();
        let text = Value::from(member(&params, "arguments").unwrap_or_default());
        let result = format!(r#"{{"content":[{{"type":"text","text":{text}}}]}}"#);
        fail(&behaviour(&folder), &folder, &id, &result);
    }
    // The input has ended. A server that does not care stays.
    while behaviour(&folder) == "stays" && begun.elapsed() < LIFETIME {
        sleep(LOOK);
    }
}

/// Answers a call, or does what the behaviour is.
fn fail(behaviour: &str, folder: &Path, id: &str, result: &str) {
    let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n");
    match behaviour {
        "exit-mid-call" => exit(3),
        "exit-mid-answer" => {
            say(&answer.as_bytes()[..answer.len() / 2]);
            exit(0);
        }
        "hangs" | "stays" => until_polite(folder),
        "late" => {
            sleep(Duration::from_millis(1500));
            say(answer.as_bytes());
        }
        "garbage" => {
            say(b"this is no JSON\n{\"jsonrpc\":\n[]\n42\n\"text\"\n\n{}\n{\"jsonrpc\":\"2.0\"}\n\0\x01\n");
            say(answer.as_bytes());
        }
        "invalid-utf8" => {
            say(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":\"\xff\xfe\"}}\n");
            say(answer.as_bytes());
        }
        "invalid-utf8-answer" => {
            let mut bytes = answer.into_bytes();
            let at = bytes.windows(6).position(|part| part == b"{\\\"n\\\"").unwrap_or(0);
            bytes[at] = 0xff;
            say(&bytes);
        }
        "endless-line" => {
            let part = vec![b'x'; 1 << 20];
            for _ in 0..100 {
                say(&part);
            }
            say(b"\n");
        }
        "stderr-flood" => {
            // 20 MB a second: at full speed it would be the child that takes a core from everybody, not its output.
            let lines = format!("canary-4711-stderr {}\n", "e".repeat(2000)).repeat(50);
            for _ in 0..20 {
                let _ = stderr().write_all(lines.as_bytes());
                sleep(Duration::from_millis(5));
            }
            say(answer.as_bytes());
        }
        "twice" => {
            say(answer.as_bytes());
            say(answer.replace("\\\"n\\\"", "\\\"second\\\"").as_bytes());
        }
        "foreign" => {
            for foreign in ["987654321", "\"1\"", "null", "-1", "1.5", "[1]"] {
                let other = r#"{"content":[{"type":"text","text":"for somebody else"}]}"#;
                say(format!("{{\"jsonrpc\":\"2.0\",\"id\":{foreign},\"result\":{other}}}\n").as_bytes());
            }
            say(answer.as_bytes());
        }
        "endless-notes" => {
            let note = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"x\"}}\n";
            while self::behaviour(folder) == "endless-notes" {
                say(note.repeat(50).as_bytes());
                sleep(Duration::from_millis(10));
            }
        }
        "closes-stdout" => {
            let _ = nix::unistd::close(1);
            until_polite(folder);
            exit(0);
        }
        // The descendants hold the pipe; one in the same process group, one outside of it.
        "forks" | "forks-away" => {
            let mut command = Command::new(if behaviour == "forks" { "sleep" } else { "setsid" });
            let child = command.args(if behaviour == "forks" { &["5"][..] } else { &["sleep", "5"] }).spawn();
            drop(child);
            exit(0);
        }
        _ => say(answer.as_bytes()),
    }
}

/// Reads nothing and says nothing until the fault is gone; its call is never answered.
fn until_polite(folder: &Path) {
    let begun = Instant::now();
    while behaviour(folder) != "polite" && begun.elapsed() < LIFETIME {
        sleep(LOOK);
    }
}

fn introduce(method: &str, id: &str) {
    let result = match method {
        "initialize" => concat!(
            r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"logging":{}},"#,
            r#""serverInfo":{"name":"faulty-stdio","version":"1"}}"#
        ),
        "ping" | "logging/setLevel" => "{}",
        "tools/list" => r#"{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#,
        _ => {
            let error = format!(r#"{{"code":-32601,"message":"no {method}"}}"#);
            return say(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}\n").as_bytes());
        }
    };
    say(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n").as_bytes());
}

fn behaviour(folder: &Path) -> String {
    fs::read_to_string(folder.join("behaviour")).unwrap_or_else(|_| "polite".to_owned())
}

fn note(folder: &Path) {
    let file = OpenOptions::new().create(true).append(true).open(folder.join("calls"));
    // The folder goes with its test.
    let _ = file.and_then(|mut file| writeln!(file, "call"));
}

fn say(text: &[u8]) {
    let mut out = stdout().lock();
    // The reader may have gone; then so do we.
    if out.write_all(text).and_then(|()| io::Write::flush(&mut out)).is_err() {
        exit(0);
    }
}
