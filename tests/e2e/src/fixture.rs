//! The fixture servers over HTTP, each a process on a port of its own.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::peers;
use crate::process::Guarded;

/// A running fixture.
#[derive(Debug)]
pub struct Fixture {
    process: Guarded,
    /// Its endpoint.
    pub url: String,
}

impl Fixture {
    /// `ts-server` in a mode, with the extra tools and further arguments.
    pub fn ts(mode: &str, arguments: &[&str]) -> Self {
        let program = peers::ts_server(mode);
        let mut command = Command::new(&program.command);
        command
            .args(program.args.iter().filter(|arg| *arg != "--stdio"))
            .args(["--port", "0"])
            .args(arguments);
        command.envs(program.env.iter().map(|(name, value)| (name, value)));
        Self::start(command)
    }

    /// `rmcp-server`.
    pub fn rmcp() -> Self {
        let mut command = Command::new(peers::path("rmcp/bin/rmcp-server"));
        command.args(["--port", "0"]);
        Self::start(command)
    }

    /// `rmcp-suite`, with the tasks extension.
    pub fn rmcp_suite() -> Self {
        let mut command = Command::new(peers::path("rmcp/bin/rmcp-suite"));
        command.args(["--port", "0"]);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let output = child.stdout.take().expect("stdout is piped");
        let process = Guarded(child);
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        let said: Value = read.ok().and_then(|_| serde_json::from_str(&line).ok()).unwrap_or_default();
        let url = said["url"]
            .as_str()
            .unwrap_or_else(|| panic!("the fixture did not say where it is: {line}"))
            .to_owned();
        Self { process, url }
    }

    /// As an entry of `mcpServers`.
    pub fn entry(&self) -> Value {
        json!({ "url": self.url })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}
