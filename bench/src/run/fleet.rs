//! All processes of a run, on free loopback ports.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use http::Uri;
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cell::{Cell, DIRECT, FLOOR, GATEWAY, PIPE_FLOOR, STDIO, TO_LEGACY, TO_MODERN, TOOLS, TWO};
use super::measure::get;
use super::process::Process;
use crate::era::Era;
use crate::load::{Caller, Op, Pace, Plan, drive, open};

/// How long a process may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(15);
/// How often it is asked.
const START_POLL: Duration = Duration::from_millis(1);

/// Something calls are made to.
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) url: Uri,
    /// What the gateway puts before a tool's name.
    pub(super) prefix: &'static str,
    /// Whose CPU is counted: index of the process.
    pub(super) process: usize,
    /// What must run besides it.
    pub(super) upstreams: Vec<usize>,
    /// Port whose `/stats` count the connections it opens.
    pub(super) counted_by: Option<u16>,
}

/// How a target came up.
#[derive(Serialize)]
pub(super) struct Start {
    pub(super) target: &'static str,
    /// From its start to its first right answer.
    pub(super) first_answer_ms: f64,
    pub(super) rss_idle_mib: f64,
}

pub(super) struct Fleet {
    // Before the folder they write to, so that they end before it goes.
    pub(super) processes: Vec<Process>,
    targets: Vec<Target>,
    pub(super) starts: Vec<Start>,
    /// What did not come up, and why.
    pub(super) problems: Vec<String>,
    folder: TempDir,
}

#[derive(Clone, Copy)]
struct Upstream {
    process: usize,
    port: u16,
}

impl Fleet {
    /// Starts what the cells need, and stops it all until it is measured. A gateway that does not come up is a
    /// problem, not an end: the others can still be measured.
    pub(super) async fn start(gateway: Option<&Path>, cells: &[Cell]) -> anyhow::Result<Self> {
        let mut fleet = Self {
            processes: Vec::new(),
            targets: Vec::new(),
            starts: Vec::new(),
            problems: Vec::new(),
            folder: tempfile::tempdir()?,
        };
        let needed = |name: &str| cells.iter().any(|cell| cell.targets.contains(&name));
        for (size, tools) in TOOLS.into_iter().enumerate() {
            if !needed(DIRECT[size]) && !(size == 0 && (needed(TWO) || needed(TO_LEGACY))) {
                continue;
            }
            let upstream = fleet.upstream(tools, "both").await?;
            fleet.add(DIRECT[size], upstream.process, upstream.port, "", &[], None)?;
            fleet.floor(FLOOR[size], upstream).await?;
            let Some(gateway) = gateway else { continue };
            fleet.gateway(gateway, GATEWAY[size], json!({"bench": http(upstream)}), &[upstream]).await;
            if size == 0 && needed(TWO) {
                let spare = fleet.upstream(tools, "both").await?;
                let servers = json!({
                    "bench": {"url": url(upstream.port)},
                    "spare": {"url": url(spare.port)},
                });
                fleet.gateway(gateway, TWO, servers, &[upstream, spare]).await;
            }
        }
        for (name, era) in [(TO_LEGACY, "legacy"), (TO_MODERN, "modern")] {
            if let Some(gateway) = gateway.filter(|_| needed(name)) {
                let upstream = fleet.upstream(TOOLS[0], era).await?;
                fleet.gateway(gateway, name, json!({"bench": http(upstream)}), &[upstream]).await;
            }
        }
        if needed(PIPE_FLOOR) {
            fleet.pipe_floor().await?;
            if let Some(gateway) = gateway {
                let own = std::env::current_exe()?;
                let child = json!({"command": own, "args": ["upstream", "--stdio"], "transparent": true});
                fleet.gateway(gateway, STDIO, json!({"bench": child}), &[]).await;
            }
        }
        fleet.processes.iter().for_each(Process::freeze);
        Ok(fleet)
    }

    pub(super) fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name == name)
    }

    async fn upstream(&mut self, tools: usize, era: &str) -> anyhow::Result<Upstream> {
        let port = free_port()?;
        let mut command = own()?;
        // `echo`, `payload` and `slow` are three of them.
        let fillers = (tools - 3).to_string();
        command.args(["upstream", "--port", &port.to_string(), "--tools", &fillers, "--era", era]);
        let process = self.spawn(command, &format!("upstream {port}"))?;
        self.ready(process, port, "/stats").await?;
        Ok(Upstream { process, port })
    }

    async fn floor(&mut self, name: &'static str, upstream: Upstream) -> anyhow::Result<()> {
        let port = free_port()?;
        let mut command = own()?;
        let to = format!("http://127.0.0.1:{}", upstream.port);
        command.args(["floor", "--port", &port.to_string(), "--to", &to]);
        let process = self.spawn(command, name)?;
        self.ready(process, port, "/stats").await?;
        self.add(name, process, port, "", &[upstream.process], Some(upstream.port))
    }

    async fn pipe_floor(&mut self) -> anyhow::Result<()> {
        let port = free_port()?;
        let mut command = own()?;
        command.args(["floor", "--port", &port.to_string(), "--child"]);
        command.arg(std::env::current_exe()?).args(["upstream", "--stdio"]);
        let process = self.spawn(command, PIPE_FLOOR)?;
        self.ready(process, port, "/").await?;
        self.add(PIPE_FLOOR, process, port, "", &[], None)
    }

    async fn gateway(&mut self, binary: &Path, name: &'static str, servers: Value, upstreams: &[Upstream]) {
        if let Err(error) = self.try_gateway(binary, name, servers, upstreams).await {
            self.targets.retain(|target| target.name != name);
            self.problems.push(format!("{name} did not come up: {error:#}"));
        }
    }

    async fn try_gateway(
        &mut self,
        binary: &Path,
        name: &'static str,
        servers: Value,
        upstreams: &[Upstream],
    ) -> anyhow::Result<()> {
        let (port, admin) = (free_port()?, free_port()?);
        let home = self.folder.path().join(name.replace([' ', ','], "-"));
        std::fs::create_dir_all(&home)?;
        let file = home.join("trunkline.json");
        let config = json!({"admin": {"listen": format!("127.0.0.1:{admin}")}, "mcpServers": servers});
        std::fs::write(&file, config.to_string())?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(&file).args(["--listen", &format!("127.0.0.1:{port}")]);
        // Nothing of the user's own settings, and nothing left behind in their home.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &home);
        command.current_dir(&home);
        let started = Instant::now();
        let process = self.spawn(command, name)?;
        self.ready(process, admin, "/readyz").await?;
        let running: Vec<usize> = upstreams.iter().map(|upstream| upstream.process).collect();
        let prefix = if upstreams.len() > 1 { "bench__" } else { "" };
        let counted_by = upstreams.first().map(|upstream| upstream.port);
        self.add(name, process, port, prefix, &running, counted_by)?;
        let target = self.target(name).context("just added")?;
        first_answer(target, started).await.with_context(|| self.processes[process].last_words())?;
        self.starts.push(Start {
            target: name,
            first_answer_ms: started.elapsed().as_secs_f64() * 1e3,
            rss_idle_mib: super::usage::of(self.processes[process].id())?.rss_kib as f64 / 1024.0,
        });
        Ok(())
    }

    fn spawn(&mut self, command: Command, name: &str) -> anyhow::Result<usize> {
        self.processes.push(Process::start(command, name, self.folder.path())?);
        Ok(self.processes.len() - 1)
    }

    fn add(
        &mut self,
        name: &'static str,
        process: usize,
        port: u16,
        prefix: &'static str,
        upstreams: &[usize],
        counted_by: Option<u16>,
    ) -> anyhow::Result<()> {
        let upstreams = upstreams.to_vec();
        self.targets.push(Target { name, url: url(port).parse()?, prefix, process, upstreams, counted_by });
        Ok(())
    }

    /// Waits until it answers; a gateway also until it says it is ready.
    async fn ready(&mut self, process: usize, port: u16, path: &str) -> anyhow::Result<()> {
        let limit = Instant::now() + START_LIMIT;
        loop {
            self.processes[process].alive()?;
            match get(port, path).await {
                Ok((status, _)) if status == 200 || path == "/" => return Ok(()),
                last if Instant::now() > limit => {
                    let said = last.map_or_else(|error| error.to_string(), |(status, _)| status.to_string());
                    bail!("not ready on port {port} ({said}): {}", self.processes[process].last_words());
                }
                _ => tokio::time::sleep(START_POLL).await,
            }
        }
    }
}

/// Being ready may come before the upstream is connected, so the first call is tried until it is right.
async fn first_answer(target: &Target, started: Instant) -> anyhow::Result<()> {
    let plan = Plan::new(&target.url, Era::Modern, Op::Call, format!("{}echo", target.prefix))?;
    loop {
        let (callers, report) = one_call(open(&plan, 1).await?).await;
        for caller in callers {
            caller.close().await;
        }
        match report.first_error {
            None => return Ok(()),
            Some(error) if started.elapsed() > START_LIMIT => bail!("no right answer: {error}"),
            Some(_) => tokio::time::sleep(START_POLL).await,
        }
    }
}

/// A closed loop of no length makes no call, a timetable of any length makes one.
async fn one_call(callers: Vec<Caller>) -> (Vec<Caller>, crate::load::Report) {
    drive(callers, Pace::Open(1), Duration::ZERO).await
}

fn own() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/mcp")
}

fn http(upstream: Upstream) -> Value {
    json!({"url": url(upstream.port), "transparent": true})
}

/// A port nobody listens on. Somebody else may take it before we do; then the start fails and says so.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
