//! Starting what is measured, on free loopback ports: the upstream, floors, a gateway.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use http::Uri;
use serde_json::{Map, Value, json};

use super::measure::get;
use super::process::Process;
use super::target::Behind;
use super::usage;
use crate::era::Era;
use crate::load::{Caller, Op, Pace, Plan, Report, drive, open};

/// How long a process may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How often it is asked.
const START_POLL: Duration = Duration::from_millis(1);
/// How often memory is looked at until it stays.
const SETTLE_POLL: Duration = Duration::from_millis(250);
/// Memory stays when it has changed by no more than this.
const SETTLED_KIB: u64 = 64;
/// Looks at memory, at most.
const SETTLE_LOOKS: usize = 16;

/// The kit's upstream: one process, any number of servers.
pub(crate) struct Upstream {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

impl Upstream {
    /// `era` as it takes it on its command line; what it prints goes to `folder`.
    pub(super) async fn start(era: &str, tools: usize, folder: &Path) -> anyhow::Result<Self> {
        Self::working(era, tools, &[], folder).await
    }

    /// The same with further arguments.
    pub(crate) async fn working(
        era: &str,
        tools: usize,
        more: &[&str],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = own()?;
        let fillers = fillers(tools).to_string();
        command.args(["upstream", "--port", &port.to_string(), "--tools", &fillers, "--era", era]).args(more);
        let mut process = Process::start(command, &format!("upstream {port}"), folder)?;
        ready(&mut process, port, "/stats").await?;
        Ok(Self { process, port })
    }
}

/// What is to be given to a floor.
#[derive(Clone, Copy)]
pub(super) enum Floor {
    /// The port requests are passed on to.
    Proxy(u16),
    /// How many tools the list has.
    Memory(usize),
    Pipe,
}

/// Starts a floor: the process, and its port.
pub(super) async fn floor(floor: Floor, name: &str, folder: &Path) -> anyhow::Result<(Process, u16)> {
    let port = free_port()?;
    let mut command = own()?;
    command.args(["floor", "--port", &port.to_string()]);
    match floor {
        Floor::Proxy(to) => command.args(["--to", &format!("http://127.0.0.1:{to}")]),
        Floor::Memory(tools) => command.args(["--memory", &fillers(tools).to_string()]),
        Floor::Pipe => command.arg("--child").arg(std::env::current_exe()?).args(["upstream", "--stdio"]),
    };
    let mut process = Process::start(command, name, folder)?;
    let path = if matches!(floor, Floor::Proxy(_)) { "/stats" } else { "/" };
    ready(&mut process, port, path).await?;
    Ok((process, port))
}

/// A document with these servers and these other settings.
pub(super) fn document(servers: Value, mut settings: Value) -> Value {
    settings["mcpServers"] = servers;
    settings
}

/// A gateway that has been started, ready or not.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) port: u16,
    pub(crate) admin: u16,
    pub(super) started: Instant,
}

impl Gateway {
    /// With default settings but for its servers. Its home is a new folder in `folder`.
    pub(crate) fn start(binary: &Path, name: &str, servers: &Value, folder: &Path) -> anyhow::Result<Self> {
        Self::with(binary, name, document(servers.clone(), json!({})), folder)
    }

    /// With a document of its own but for the addresses.
    pub(super) fn with(
        binary: &Path,
        name: &str,
        mut document: Value,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let (port, admin) = (free_port()?, free_port()?);
        let home = tempfile::Builder::new().prefix("home-").tempdir_in(folder)?.keep();
        let file = home.join("trunkline.json");
        document["admin"] = json!({ "listen": format!("127.0.0.1:{admin}") });
        std::fs::write(&file, document.to_string())?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(&file).args(["--listen", &format!("127.0.0.1:{port}")]);
        // Nothing of the user's own settings, and nothing left behind in their home.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &home);
        command.current_dir(&home);
        let started = Instant::now();
        let process = Process::start(command, name, folder)?;
        Ok(Self { process, port, admin, started })
    }

    /// Waits until it says it is ready, and has answered rightly once. Returns the time from its start.
    pub(crate) async fn come_up(&mut self, tool: &str) -> anyhow::Result<Duration> {
        ready(&mut self.process, self.admin, "/readyz").await?;
        self.answer(Op::Call, tool).await
    }

    /// Asks until the answer is right: being ready may come before an upstream is connected. Returns the time from
    /// its start.
    pub(super) async fn answer(&mut self, op: Op, tool: &str) -> anyhow::Result<Duration> {
        let plan = Plan::new(&self.url()?, Era::Modern, op, tool.to_owned())?;
        loop {
            let wrong = match open(&plan, 1).await {
                Ok(callers) => one_call(callers).await.first_error,
                Err(error) => Some(error.to_string()),
            };
            match wrong {
                None => return Ok(self.started.elapsed()),
                Some(error) if self.started.elapsed() > START_LIMIT => {
                    bail!("no right answer: {error}: {}", self.process.last_words())
                }
                Some(_) => self.process.alive()?,
            }
            tokio::time::sleep(START_POLL).await;
        }
    }

    pub(crate) fn url(&self) -> anyhow::Result<Uri> {
        Ok(url(self.port).parse()?)
    }
}

/// A closed loop of no length makes no call, a timetable of any length makes one.
async fn one_call(callers: Vec<Caller>) -> Report {
    let (callers, report) = drive(callers, Pace::Open(1), Duration::ZERO).await;
    for caller in callers {
        caller.close().await;
    }
    report
}

/// The gateway's configuration for what is behind it, where that listens. One server is transparent.
pub(super) fn servers(behind: Behind, port: u16) -> Value {
    if behind.servers == 1 {
        return json!({"bench": {"url": url(port), "transparent": true}});
    }
    let each = |number| (server(number), json!({"url": format!("http://127.0.0.1:{port}/u{number}/mcp")}));
    Value::Object((1..=behind.servers).map(each).collect::<Map<_, _>>())
}

/// So many children. One is transparent.
pub(super) fn children(count: usize) -> anyhow::Result<Value> {
    let own = std::env::current_exe()?;
    let child = json!({"command": own, "args": ["upstream", "--stdio"], "transparent": count == 1});
    Ok(Value::Object((1..=count).map(|number| (server(number), child.clone())).collect::<Map<_, _>>()))
}

/// The names of a tool at all servers.
pub(super) fn tools(servers: usize, tool: &str) -> Vec<String> {
    if servers == 1 {
        return vec![tool.to_owned()];
    }
    (1..=servers).map(|number| format!("{}__{tool}", server(number))).collect()
}

/// The name of a server among several.
pub(super) fn server(number: usize) -> String {
    format!("u{number}")
}

/// Waits until something answers there; on `/` any answer will do.
pub(super) async fn ready(process: &mut Process, port: u16, path: &str) -> anyhow::Result<()> {
    let limit = Instant::now() + START_LIMIT;
    loop {
        process.alive()?;
        match get(port, path).await {
            Ok((status, _)) if status == 200 || path == "/" => return Ok(()),
            last if Instant::now() > limit => {
                let said = last.map_or_else(|error| error.to_string(), |(status, _)| status.to_string());
                bail!("not ready on port {port} ({said}): {}", process.last_words());
            }
            _ => tokio::time::sleep(START_POLL).await,
        }
    }
}

/// Waits until memory stays, for some seconds at most: allocators give back late. KiB.
pub(super) async fn settled(process: &Process) -> anyhow::Result<u64> {
    let look = || usage::rss_kib(process.id()).context("it has ended");
    let mut last = look()?;
    for _ in 0..SETTLE_LOOKS {
        tokio::time::sleep(SETTLE_POLL).await;
        let now = look()?;
        if now.abs_diff(last) <= SETTLED_KIB {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}

/// Tools besides `echo`, `payload` and `slow`.
pub(super) fn fillers(tools: usize) -> usize {
    tools.saturating_sub(3)
}

fn own() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

/// Where MCP is spoken on this port.
pub(super) fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/mcp")
}

/// A port nobody listens on. Somebody else may take it before we do; then the start fails and says so.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_alone_is_transparent_and_others_have_a_prefix() {
        let behind = |servers| Behind { era: "both", servers, tools: 3 };
        assert_eq!(servers(behind(1), 9)["bench"]["transparent"], true);
        let two = servers(behind(2), 9);
        assert_eq!(two["u2"]["url"], "http://127.0.0.1:9/u2/mcp");
        assert_eq!(two.as_object().unwrap().len(), 2);
        assert_eq!(tools(1, "echo"), ["echo"]);
        assert_eq!(tools(2, "echo"), ["u1__echo", "u2__echo"]);
    }
}
