//! The servers behind the gateway: the simulation's, on real wires. Two eras, reached and started.

use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// A server: name, era, whether it is reached over HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) speaks: &'static str,
    pub(crate) http: bool,
}

/// All of them.
pub(crate) const KINDS: [Kind; 4] = [
    Kind { name: "web-modern", speaks: "modern", http: true },
    Kind { name: "web-legacy", speaks: "legacy", http: true },
    Kind { name: "pipe-modern", speaks: "modern", http: false },
    Kind { name: "pipe-legacy", speaks: "legacy", http: false },
];

/// Those that are reached, as processes of ours.
pub(crate) struct Reached {
    servers: Vec<(Kind, u16, Mutex<Option<Child>>)>,
}

impl Reached {
    pub(crate) fn start() -> Result<Self> {
        let mut servers = Vec::new();
        for kind in KINDS.into_iter().filter(|kind| kind.http) {
            // Taken and given back: the server binds it a moment later.
            let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            servers.push((kind, port, Mutex::new(Some(launch(kind, port)?))));
        }
        Ok(Self { servers })
    }

    /// Ends one with SIGKILL; `false` when it was down.
    pub(crate) fn kill(&self, name: &str) -> bool {
        let Some((_, _, child)) = self.servers.iter().find(|(kind, ..)| kind.name == name) else {
            return false;
        };
        let child = child.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        child.is_some_and(|mut child| child.kill().and_then(|()| child.wait()).is_ok())
    }

    /// Starts one that was killed.
    pub(crate) fn revive(&self, name: &str) -> Result<()> {
        let Some((kind, port, child)) = self.servers.iter().find(|(kind, ..)| kind.name == name) else {
            return Ok(());
        };
        *child.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(launch(*kind, *port)?);
        Ok(())
    }

    /// The document's `mcpServers`; `edition` is a difference that makes one of them start anew.
    pub(crate) fn entries(&self, edition: u64) -> Result<Value> {
        let program = std::env::current_exe().context("this program")?;
        let timeouts = json!({ "idle": "4s", "total": "15s", "answer": "5s", "connect": "5s", "list": "5s" });
        let mut entries = serde_json::Map::new();
        for kind in KINDS {
            let mut entry = match self.servers.iter().find(|(one, ..)| one.name == kind.name) {
                Some((_, port, _)) => json!({ "url": format!("http://127.0.0.1:{port}/mcp") }),
                None => json!({ "command": program,
                    "args": ["upstream", "--name", kind.name, "--speaks", kind.speaks] }),
            };
            entry["timeouts"] = timeouts.clone();
            entries.insert(kind.name.to_owned(), entry);
        }
        let changed = KINDS[edition as usize % KINDS.len()].name;
        if edition > 0 {
            entries[changed]["maxSessions"] = json!(20 + edition % 3);
        }
        Ok(Value::Object(entries))
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        for (kind, ..) in &self.servers {
            self.kill(kind.name);
        }
    }
}

fn launch(kind: Kind, port: u16) -> Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["upstream", "--name", kind.name, "--speaks", kind.speaks, "--port", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("a server")
}
