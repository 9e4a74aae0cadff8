//! All processes of the cells, started as they are needed.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use http::Uri;
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

use super::cell::Cell;
use super::process::Process;
use super::start::{
    Floor, Gateway, Upstream, children, document, fillers, floor, free_port, servers, tools, url,
};
use super::target::{self, Behind, Kind, Name, ORDINARY, Spec};
use super::usage;
use crate::peers::call::{first_answer, listening};
use crate::peers::peer::{self, AtHand, Wire};

/// Something calls are made to.
pub(super) struct Target {
    pub(super) name: Name,
    pub(super) url: Uri,
    /// How many upstreams calls take turns among; several have prefixes.
    servers: usize,
    /// What a peer puts before names.
    prefix: &'static str,
    /// Whose CPU is counted: index of the process.
    pub(super) process: usize,
    /// What must run besides it.
    pub(super) upstream: Option<usize>,
    /// Port whose `/stats` count the connections it opens.
    pub(super) counted_by: Option<u16>,
}

impl Target {
    /// How a tool is called at each of its upstreams.
    pub(super) fn tools(&self, tool: &str) -> Vec<String> {
        tools(self.servers, &format!("{}{tool}", self.prefix))
    }
}

/// How a target came up.
#[derive(Serialize)]
pub(super) struct Start {
    pub(super) target: Name,
    /// From its start to its first right answer after it was ready.
    pub(super) first_answer_ms: f64,
    pub(super) rss_idle_mib: f64,
}

pub(super) struct Fleet {
    // Before the folder they write to, so that they end before it goes.
    pub(super) processes: Vec<Process>,
    targets: Vec<Target>,
    upstreams: Vec<Running>,
    pub(super) starts: Vec<Start>,
    /// What did not come up, and why.
    pub(super) problems: Vec<String>,
    /// The same of peers, which are no fault of ours.
    pub(super) remarks: Vec<String>,
    folder: TempDir,
}

/// An upstream, which stands behind everything that wants the like.
#[derive(Clone, Copy)]
struct Running {
    era: &'static str,
    tools: usize,
    process: usize,
    port: u16,
}

impl Fleet {
    /// Starts what the cells need, and stops it all until it is measured. A gateway that does not come up is a
    /// problem, not an end: the others can still be measured.
    pub(super) async fn start(
        gateway: Option<&Path>,
        cells: &[Cell],
        peers: &[AtHand],
    ) -> anyhow::Result<Self> {
        let mut fleet = Self {
            processes: Vec::new(),
            targets: Vec::new(),
            upstreams: Vec::new(),
            starts: Vec::new(),
            problems: Vec::new(),
            remarks: Vec::new(),
            folder: tempfile::tempdir()?,
        };
        for spec in target::all() {
            if cells.iter().any(|cell| cell.targets.contains(&spec.name)) {
                fleet.begin(spec, gateway).await?;
            }
        }
        for peer in peers {
            for wire in peer.claims.wires {
                let name = target::of_peer(peer, *wire);
                if !cells.iter().any(|cell| cell.targets.contains(&name)) {
                    continue;
                }
                if let Err(error) = fleet.peer(peer, *wire, name.clone()).await {
                    fleet.remarks.push(format!("{name} did not come up: {error:#}"));
                }
            }
        }
        fleet.processes.iter().for_each(Process::freeze);
        Ok(fleet)
    }

    pub(super) fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name == name)
    }

    async fn begin(&mut self, spec: Spec, gateway: Option<&Path>) -> anyhow::Result<()> {
        let Spec { name, kind, behind, settings } = spec;
        match (kind, gateway) {
            (Kind::Direct, _) => {
                let upstream = self.upstream(behind).await?;
                self.add(name, upstream.process, url(upstream.port).parse()?, behind, None);
                Ok(())
            }
            (Kind::Proxy, _) => {
                let upstream = self.upstream(behind).await?;
                self.floor(name, Floor::Proxy(upstream.port), behind, Some(upstream)).await
            }
            (Kind::Memory, _) => self.floor(name, Floor::Memory(behind.tools), behind, None).await,
            (Kind::Pipe, _) => self.floor(name, Floor::Pipe, behind, None).await,
            (Kind::Gateway, Some(binary)) => {
                let upstream = self.upstream(behind).await?;
                let servers = servers(behind, upstream.port);
                let document = document(servers, settings);
                self.gateway(binary, name, document, behind, Some(upstream)).await;
                Ok(())
            }
            (Kind::GatewayOfChild, Some(binary)) => {
                let document = document(children(1)?, settings);
                self.gateway(binary, name, document, behind, None).await;
                Ok(())
            }
            (Kind::Gateway | Kind::GatewayOfChild, None) => Ok(()),
        }
    }

    async fn peer(&mut self, peer: &AtHand, wire: Wire, name: Name) -> anyhow::Result<()> {
        let upstream = match wire {
            Wire::Http => Some(self.upstream(ORDINARY).await?),
            Wire::Stdio => None,
        };
        let behind = match &upstream {
            Some(running) => peer::Upstream::Http(url(running.port).parse()?),
            None => peer::Upstream::own_child(fillers(ORDINARY.tools))?,
        };
        let port = free_port()?;
        let home = tempfile::Builder::new().prefix("peer-").tempdir_in(self.folder.path())?.keep();
        let started = Instant::now();
        let mut process = Process::start(peer.command(port, &behind, &home)?, &name, self.folder.path())?;
        listening(&mut process, port).await?;
        let era = peer.claims.eras.first().context("it speaks no era")?;
        first_answer(&mut process, &peer.url(port)?, *era, &peer.tool("echo")).await?;
        self.starts.push(Start {
            target: name.clone(),
            first_answer_ms: started.elapsed().as_secs_f64() * 1e3,
            rss_idle_mib: usage::of(process.id())?.rss_kib as f64 / 1024.0,
        });
        self.processes.push(process);
        self.add(name, self.processes.len() - 1, peer.url(port)?, ORDINARY, upstream);
        if let Some(target) = self.targets.last_mut() {
            target.prefix = peer.claims.prefix;
        }
        Ok(())
    }

    async fn upstream(&mut self, behind: Behind) -> anyhow::Result<Running> {
        let same = |running: &&Running| running.era == behind.era && running.tools == behind.tools;
        if let Some(running) = self.upstreams.iter().find(same) {
            return Ok(*running);
        }
        let upstream = Upstream::start(behind.era, behind.tools, self.folder.path()).await?;
        self.processes.push(upstream.process);
        let process = self.processes.len() - 1;
        let running = Running { era: behind.era, tools: behind.tools, process, port: upstream.port };
        self.upstreams.push(running);
        Ok(running)
    }

    async fn floor(
        &mut self,
        name: Name,
        kind: Floor,
        behind: Behind,
        upstream: Option<Running>,
    ) -> anyhow::Result<()> {
        let (process, port) = floor(kind, &name, self.folder.path()).await?;
        self.processes.push(process);
        self.add(name, self.processes.len() - 1, url(port).parse()?, behind, upstream);
        Ok(())
    }

    async fn gateway(
        &mut self,
        binary: &Path,
        name: Name,
        document: Value,
        behind: Behind,
        upstream: Option<Running>,
    ) {
        if let Err(error) = self.try_gateway(binary, &name, document, behind, upstream).await {
            self.problems.push(format!("{name} did not come up: {error:#}"));
        }
    }

    async fn try_gateway(
        &mut self,
        binary: &Path,
        name: &Name,
        document: Value,
        behind: Behind,
        upstream: Option<Running>,
    ) -> anyhow::Result<()> {
        let mut gateway = Gateway::with(binary, name, document, self.folder.path())?;
        let mut took = 0.0;
        // All of them, so that none is still connecting when calls are measured.
        for tool in tools(behind.servers, "echo") {
            took = gateway.come_up(&tool).await?.as_secs_f64() * 1e3;
        }
        self.starts.push(Start {
            target: name.clone(),
            first_answer_ms: took,
            rss_idle_mib: usage::of(gateway.process.id())?.rss_kib as f64 / 1024.0,
        });
        let url = gateway.url()?;
        self.processes.push(gateway.process);
        self.add(name.clone(), self.processes.len() - 1, url, behind, upstream);
        Ok(())
    }

    fn add(&mut self, name: Name, process: usize, url: Uri, behind: Behind, upstream: Option<Running>) {
        self.targets.push(Target {
            name,
            url,
            servers: behind.servers,
            prefix: "",
            process,
            upstream: upstream.map(|upstream| upstream.process),
            counted_by: upstream.map(|upstream| upstream.port),
        });
    }
}
