//! `serve`: ready, health, signals, reload.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command::Person;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

const BROKEN: &str = "listen: 127.0.0.1:0\nadmin:\n  listen: 127.0.0.1:0\nlog:\n  format: json\nmcpServers:\n  broken:\n    command: sh\n    args: [-c, \"echo I am broken >&2; exit 3\"]\n";

/// A gateway that is ended with the test.
struct Served {
    child: Child,
    lines: Receiver<String>,
    admin: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start(person: &Person, args: &[&str]) -> Self {
        let mut child = person
            .command(&[&["serve", "--config", "t.yaml"], args].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = follow(child.stderr.take().unwrap());
        let mut served = Self { child, lines, admin: String::new() };
        let ready = served.line("\"ready\"");
        let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
        let admin = ready["admin"].as_str().unwrap();
        admin.trim_start_matches("http://").clone_into(&mut served.admin);
        assert!(!ready["endpoint"].as_str().unwrap().contains(":0/"), "{ready}");
        served
    }

    /// The next log line with this text.
    fn line(&self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no {wanted} in:\n{seen}"));
            if line.contains(wanted) {
                return line;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the gateway did not end");
    }

    /// Status and body of an answer of the admin listener.
    fn get(&self, path: &str, host: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"))
    }

    fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }
}

fn follow(stderr: ChildStderr) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

#[test]
fn one_broken_server_degrades_and_stops_nobody() {
    let person = Person::new();
    person.write("t.yaml", BROKEN);
    let mut served = Served::start(&person, &[]);
    assert_eq!(served.get("/livez", "127.0.0.1"), (200, "ok\n".to_owned()));
    let (status, body) = served.get("/readyz", "localhost");
    let ready: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &ready["status"]), (200, &"ready".into()));
    assert_eq!(ready["upstreams"]["broken"]["state"], "down", "{body}");
    for path in ["/health", "/healthz"] {
        let (status, body) = served.get(path, "127.0.0.1");
        let health: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &health["status"]), (200, &"degraded".into()), "{body}");
        assert!(health["upstreams"]["broken"]["reason"].is_string(), "{body}");
        assert!(health["upstreams"]["broken"]["since"].as_str().unwrap().ends_with('Z'), "{body}");
    }
    assert!(served.get("/metrics", "127.0.0.1").1.contains("trunkline_build_info"));
    assert_eq!(served.get("/nothing", "127.0.0.1").0, 404);
    assert_eq!(served.get("/health", "evil.example").0, 403);
    assert_eq!(served.ask("POST /health HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n").0, 405);
    served.signal(Signal::SIGTERM);
    assert_eq!(served.wait(), Some(0));
}

#[test]
fn a_bad_reload_leaves_the_old_configuration_and_a_good_one_replaces_it() {
    let person = Person::new();
    person.write("t.yaml", BROKEN);
    let mut served = Served::start(&person, &["--log-level", "info"]);
    person.write("t.yaml", "mcpServers:\n  new:\n    comand: x\n");
    served.signal(Signal::SIGHUP);
    served.line("the old one stays in use");
    assert!(served.get("/health", "localhost").1.contains("broken"));
    person.write("t.yaml", &BROKEN.replace("broken:", "other:"));
    served.signal(Signal::SIGHUP);
    served.line("the configuration was reloaded");
    assert!(served.get("/health", "localhost").1.contains("other"));
    let metrics = served.get("/metrics", "localhost").1;
    for result in ["ok", "error"] {
        assert!(
            metrics.contains(&format!("trunkline_config_reloads_total{{result=\"{result}\"}} 1")),
            "{metrics}"
        );
    }
    served.signal(Signal::SIGINT);
    assert_eq!(served.wait(), Some(0));
}

#[test]
fn an_address_in_use_is_said_so_with_code_69() {
    let person = Person::new();
    person.write("t.yaml", "admin: off\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let serve = person.run(&["serve", "--config", "t.yaml", "--listen", &address]);
    assert_eq!(serve.code, 69);
    assert!(
        serve.err.contains("something else listens there") && serve.err.contains(&address),
        "{}",
        serve.err
    );
}
