//! One server behind one gateway, and the clients that come.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::clients::{Client, reference};
use super::judge::Evidence;
use super::record::Verdicts;
use super::said::{self, Said};
use super::schema::{Between, Findings, Schemas, Violation};
use super::servers::{Place, Server, Wire};
use super::tap::{Tap, teed};
use crate::guard::{Guarded, Output};
use crate::peers::Peers;

/// For the gateway and its server to be up.
const START_LIMIT: Duration = Duration::from_mins(1);

/// What became of a server's cells.
pub(crate) struct Run<'a> {
    cells: Vec<Cell<'a>>,
    reference: Value,
    back: Vec<Said>,
}

struct Cell<'a> {
    client: &'a Client,
    through: Value,
    direct: Option<Value>,
    front: Vec<Said>,
}

/// What the schemas have to say about a server's cells.
pub(crate) struct Judged {
    /// The gateway's own.
    pub(crate) composed: Vec<String>,
    /// What a peer had said in the same way.
    pub(crate) relayed: Vec<String>,
    /// Messages of the gateway.
    pub(crate) messages: usize,
}

/// Starts the server and the gateway and lets the clients come. What was said stays in `out`.
pub(crate) fn server<'a>(
    server: &Server,
    clients: &[&'a Client],
    peers: &Peers,
    binary: &Path,
    out: &Path,
) -> Result<Run<'a>> {
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    fs::create_dir_all(out)?;
    let log = out.join("server");
    let (_running, direct, place, tap) = if server.wire == Wire::Stdio {
        let words = server.command(peers)?;
        (None, Place::Command(words.clone()), Place::Command(Place::teed(&words, &log)?), None)
    } else {
        let (running, url) = server.start(peers)?;
        let (tap, tapped) = Tap::instead_of(&url, port_of(&url)?)?;
        (Some(running), Place::Url(url), Place::Url(tapped), Some(tap))
    };
    let (gateway, front) = Front::start(binary, &server.entry(&place), out)?;

    let reference = reference(server).run(peers, server, &direct, &out.join("reference"))?;
    let mut cells = Vec::new();
    // One after the other: what is judged here is how two peers get on, not what a third one does to them.
    for &client in clients {
        let nearest = client
            .reaches(server)
            .then(|| client.run(peers, server, &direct, &out.join(format!("{}.direct", client.id))))
            .transpose()?;
        let (through, said) = front.serve(client, peers, server, out)?;
        let reports = json!({ "through": through, "direct": nearest });
        fs::write(out.join(format!("{}.json", client.id)), serde_json::to_vec_pretty(&reports)?)?;
        cells.push(Cell { client, through, direct: nearest, front: said });
    }
    fs::write(out.join("gateway.log"), gateway.drain().join("\n"))?;
    drop(gateway);
    let back = match tap {
        Some(tap) => said::of_connections(&tap.heard()),
        None => said::of_lines(&teed(&log)?),
    };
    Ok(Run { cells, reference, back })
}

impl Run<'_> {
    /// How the cells turned out.
    pub(crate) fn verdicts(&self, server: &Server) -> Vec<(String, Verdicts)> {
        let mut all: Vec<_> = self
            .cells
            .iter()
            .map(|cell| {
                let direct = cell.direct.iter().chain([&self.reference]).collect();
                let evidence = Evidence { client: cell.client, server, through: &cell.through, direct };
                (cell.client.id.to_owned(), evidence.verdicts())
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// What the schemas say of all that was said.
    pub(crate) fn findings(&self, server: &Server, schemas: &mut Schemas) -> Result<Judged> {
        let back = schemas.judge(Between::Back, &self.back)?;
        if back.messages == 0 {
            bail!("nothing was overheard between the gateway and the server");
        }
        let mut judged = Judged { composed: Vec::new(), relayed: Vec::new(), messages: back.messages };
        let mut of_clients = Findings::default();
        for cell in &self.cells {
            let front = schemas.judge(Between::Front, &cell.front)?;
            judged.messages += front.messages;
            // A tap that hears nothing would find nothing, for ever.
            if front.messages == 0 && cell.through["connected"].is_object() {
                bail!("nothing was overheard between {} and the gateway", cell.client.id);
            }
            of_clients.peer.extend(front.peer);
            for violation in front.gateway {
                judged.sort(&violation, &back.peer, &format!("to {}", cell.client.id), server);
            }
        }
        for violation in back.gateway {
            judged.sort(&violation, &of_clients.peer, "to the server", server);
        }
        Ok(judged)
    }
}

impl Judged {
    /// A fault that a peer made itself, whatever its revision calls it, is not the gateway's.
    fn sort(
        &mut self,
        found: &Violation,
        of_peers: &std::collections::BTreeSet<Violation>,
        to: &str,
        server: &Server,
    ) {
        let line = format!("{} in {}: {} ({to}, {})", found.what, found.revision, found.why, server.id);
        let made = of_peers.iter().any(|peer| peer.what == found.what && peer.why == found.why);
        if made { self.relayed.push(line) } else { self.composed.push(line) }
    }
}

/// Where the gateway is reached.
struct Front {
    port: u16,
    config: PathBuf,
    binary: PathBuf,
}

impl Front {
    /// Starts a gateway. It runs for as long as the first value is kept.
    fn start(binary: &Path, entry: &Value, out: &Path) -> Result<(Guarded, Self)> {
        let config = out.join("trunkline.json");
        let document = json!({
            "listen": "127.0.0.1:0",
            "admin": { "listen": "127.0.0.1:0" },
            "log": { "format": "json" },
            "stateDir": out.join("state"),
            "mcpServers": { "peer": entry },
        });
        fs::write(&config, serde_json::to_vec_pretty(&document)?)?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(&config);
        let running = Guarded::start("the gateway", command, Output::Stderr)?;
        let (endpoint, admin) = running.wait_for(START_LIMIT, |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["message"].as_str().filter(|message| message.contains("ready"))?;
            Some((line["endpoint"].as_str()?.to_owned(), line["admin"].as_str()?.to_owned()))
        })?;
        wait_until_up(&admin)?;
        Ok((running, Self { port: port_of(&endpoint)?, config, binary: binary.to_owned() }))
    }

    /// Lets one client come, and returns its report and what was said.
    fn serve(
        &self,
        client: &Client,
        peers: &Peers,
        server: &Server,
        out: &Path,
    ) -> Result<(Value, Vec<Said>)> {
        if client.wire == Wire::Stdio {
            let log = out.join(client.id);
            let text = |path: &Path| path.to_str().map(str::to_owned).context("paths are text");
            let words = [text(&self.binary)?, "stdio".to_owned(), "--config".to_owned(), text(&self.config)?];
            let place = Place::Command(Place::teed(&words, &log)?);
            let report = client.run(peers, server, &place, &out.join(client.id))?;
            return Ok((report, said::of_lines(&teed(&log)?)));
        }
        let scheme = if client.wire == Wire::Ws { "ws" } else { "http" };
        let url = format!("{scheme}://localhost:{}/mcp", self.port);
        let (tap, tapped) = Tap::instead_of(&url, self.port)?;
        let report = client.run(peers, server, &Place::Url(tapped), &out.join(client.id))?;
        Ok((report, said::of_connections(&tap.heard())))
    }
}

/// Waits until the server is up. Being ready means less: that every server was tried, or a few seconds passed.
fn wait_until_up(admin: &str) -> Result<()> {
    let address =
        admin.split_once("://").map_or(admin, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let mut stream = TcpStream::connect(address).context("the admin listener")?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let health: Value = serde_json::from_str(body).context("/health answers JSON")?;
        if health["upstreams"]["peer"]["state"] == "ready" {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the gateway does not reach the server: {}", health["upstreams"]["peer"]);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn port_of(url: &str) -> Result<u16> {
    let address = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
    port.with_context(|| format!("no port in {url}"))
}
