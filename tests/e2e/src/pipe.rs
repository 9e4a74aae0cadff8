//! A client over stdin and stdout: of a server directly, or of `trunkline stdio`.

use std::collections::VecDeque;
use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::client::LEGACY;
use crate::gateway::collect;
use crate::peers::Program;
use crate::process::Guarded;
use crate::{http, json, wait};

/// One process and its two pipes.
#[derive(Debug)]
pub struct Pipe {
    process: Guarded,
    input: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<String>>>,
    read: usize,
    /// Notifications that came, raw.
    pub notes: VecDeque<String>,
    next: u64,
}

impl Pipe {
    /// Starts a program with nothing but its own variables and a few safe ones, as the gateway does.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(program: &Program) -> Self {
        let mut command = Command::new(&program.command);
        command.args(&program.args).env_clear();
        for name in ["HOME", "PATH", "USER", "LANG", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(program.env.iter().map(|(name, value)| (name, value)));
        Self::spawn(command)
    }

    /// Starts a command as it is.
    ///
    /// # Panics
    /// When it does not start.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let input = child.stdin.take();
        let lines = collect(child.stdout.take().expect("stdout is piped"));
        Self { process: Guarded(child), input, lines, read: 0, notes: VecDeque::new(), next: 1 }
    }

    /// Starts a server and introduces the client, in the legacy era.
    pub fn legacy(program: &Program) -> Self {
        let mut pipe = Self::start(program);
        pipe.initialize(LEGACY);
        pipe
    }

    /// Introduces the client.
    pub fn initialize(&mut self, revision: &str) -> Value {
        let info = json!({ "name": "e2e", "version": "1.0.0" });
        let params = json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": info });
        let answer = self.request("initialize", &params.to_string());
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        json::parse(&json::member(&answer, "result").unwrap_or_else(|| panic!("initialize: {answer}")))
    }

    /// Writes one line.
    ///
    /// # Panics
    /// When the process has gone.
    pub fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        input
            .write_all(line.as_bytes())
            .and_then(|()| input.write_all(b"\n"))
            .and_then(|()| input.flush())
            .expect("it reads");
    }

    /// Sends a request and returns the raw answer.
    pub fn request(&mut self, method: &str, params: &str) -> String {
        let id = self.next;
        self.next += 1;
        self.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#));
        self.answer_to(&id.to_string())
    }

    /// The raw result of a request.
    ///
    /// # Panics
    /// When it is refused.
    pub fn result(&mut self, method: &str, params: &str) -> String {
        let answer = self.request(method, params);
        json::member(&answer, "result").unwrap_or_else(|| panic!("{method} {params}: {answer}"))
    }

    /// The answer with this id (as text). Asks in between are refused, notifications kept.
    pub fn answer_to(&mut self, id: &str) -> String {
        loop {
            let line = self.line();
            if !line.starts_with('{') {
                continue;
            }
            let found = json::member(&line, "id");
            match (json::member(&line, "method"), found) {
                (Some(_), Some(asked)) => {
                    let refusal = r#"{"code":-32601,"message":"no"}"#;
                    self.send(&format!(r#"{{"jsonrpc":"2.0","id":{asked},"error":{refusal}}}"#));
                }
                (Some(_), None) => self.notes.push_back(line),
                (None, Some(found)) if found == id => return line,
                _ => {}
            }
        }
    }

    /// The next line.
    pub fn line(&mut self) -> String {
        wait::until(http::ANSWER, "a line from the process", || {
            let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            let line = lines.get(self.read).cloned()?;
            self.read += 1;
            Some(line)
        })
    }

    /// Closes its input and waits for its end; the exit code if it ended by itself in time.
    pub fn close(mut self) -> Option<i32> {
        self.input = None;
        let deadline = std::time::Instant::now() + http::ANSWER;
        while std::time::Instant::now() < deadline {
            if let Ok(Some(status)) = self.process.0.try_wait() {
                return status.code();
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        None
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}
