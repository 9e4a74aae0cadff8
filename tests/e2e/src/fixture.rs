//! The fixture servers over HTTP, each a process on a port of its own.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::process::Guarded;
use crate::{peers, wait};

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

    /// `server-everything` 2026.8.31.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn everything() -> Self {
        let program = peers::everything();
        // It does not say which port it took, so one that is free a moment before is given to it.
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let address = free.expect("there are free ports");
        let child = Command::new(&program.command)
            .args(program.args.iter().filter(|arg| *arg != "stdio"))
            .arg("streamableHttp")
            .env("PORT", address.port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let process = Guarded(child);
        wait::until(wait::LONG, "server-everything", || TcpStream::connect(address).ok());
        Self { process, url: format!("http://127.0.0.1:{}/mcp", address.port()) }
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

    /// `py-server` over `sse` or `ws`, on a port (0 picks one), with further arguments.
    pub fn py(transport: &str, port: u16, arguments: &[&str]) -> Self {
        let mut command = Command::new(peers::path("python/client-1/bin/python"));
        let script = peers::root().join("tests/peers/fixtures/py-server.py");
        command.arg(script).args(["--transport", transport, "--port", &port.to_string()]).args(arguments);
        Self::start(command)
    }

    /// `@modelcontextprotocol/server-everything` 2026.8.31 over HTTP+SSE.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn everything_sse() -> Self {
        let program = peers::everything();
        // It picks no port by itself and does not say when it listens.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let mut command = Command::new(&program.command);
        command.arg(&program.args[0]).arg("sse").env("PORT", port.to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = Guarded(child.expect("it starts"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        wait::until(wait::LONG, "server-everything over HTTP+SSE", || TcpStream::connect(address).ok());
        Self { process, url: format!("http://127.0.0.1:{port}/sse") }
    }

    /// The port in its endpoint.
    ///
    /// # Panics
    /// When there is none.
    pub fn port(&self) -> u16 {
        let (_, rest) = self.url.rsplit_once(':').expect("an endpoint has a port");
        rest.split('/').next().and_then(|port| port.parse().ok()).expect("a port is a number")
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
