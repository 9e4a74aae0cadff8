//! `cargo xtask matrix`: real clients against real servers through the gateway, feature by feature.
//!
//! Each server is started once, behind a gateway of its own that passes it through unchanged, and each client takes the
//! server's steps. What it gets is held against what it gets directly, or a reference client where it cannot. Everything the
//! gateway says is overheard and held against the schemas. The result is `docs/compatibility.md`.

mod clients;
mod features;
mod judge;
mod page;
mod record;
mod run;
mod said;
mod schema;
mod servers;
mod tap;

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::build;
use crate::peers::Peers;
use crate::report::{Counts, Report};
use clients::CLIENTS;
use record::{Pair, Record};
use schema::Schemas;
use servers::SERVERS;

pub(crate) use tap::tee;

/// Which cells are run.
struct Choice<'a> {
    full: bool,
    client: Option<&'a str>,
    server: Option<&'a str>,
}

impl Choice<'_> {
    fn has(&self, client: &clients::Client, server: &servers::Server) -> bool {
        if self.client.is_some() || self.server.is_some() {
            let wanted = |given: Option<&str>, id: &str| given.is_none_or(|given| id.starts_with(given));
            return wanted(self.client, client.id) && wanted(self.server, server.id);
        }
        // Every client and every server, each against what says most: the leading ones of the other side.
        self.full || client.leading || server.leading
    }
}

/// `cargo xtask matrix`.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let mut choice = Choice { full: false, client: None, server: None };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let mut value =
            || rest.next().map(String::as_str).ok_or_else(|| anyhow::anyhow!("{flag} wants a value"));
        match flag.as_str() {
            "--full" => choice.full = true,
            "--client" => choice.client = Some(value()?),
            "--server" => choice.server = Some(value()?),
            _ => bail!("unknown argument {flag}"),
        }
    }
    let peers = Peers::install()?;
    let gateway = build::gateway()?;
    let mut report = Report::default();
    report.part("matrix", || cells(&choice, &peers, &gateway));
    Ok(report.close())
}

/// The default choice of cells, as a part of `cargo xtask test`.
pub(crate) fn default_cells(peers: &Peers, gateway: &std::path::Path) -> Result<Counts> {
    cells(&Choice { full: false, client: None, server: None }, peers, gateway)
}

fn cells(choice: &Choice, peers: &Peers, gateway: &std::path::Path) -> Result<Counts> {
    let file = build::root().join("tests/matrix.expected");
    let mut record = Record::read(&file)?;
    let mut schemas = Schemas::in_folder(peers.path("PEER_SCHEMAS")?);
    let out = build::target_dir().join("matrix");
    let (mut counts, mut composed, mut relayed) = (Counts::default(), BTreeSet::new(), BTreeSet::new());
    for server in SERVERS {
        let clients: Vec<_> = CLIENTS.iter().filter(|client| choice.has(client, server)).collect();
        if clients.is_empty() {
            continue;
        }
        let start = Instant::now();
        let run = run::server(server, &clients, peers, gateway, &out.join(server.id));
        let run = run.and_then(|run| Ok((run.findings(server, &mut schemas)?, run)));
        let (findings, run) = match run {
            Ok(found) => found,
            Err(error) => {
                println!("{:<22} FAILED: {error:#}", server.id);
                counts.failed += clients.len();
                counts.total += clients.len();
                continue;
            }
        };
        composed.extend(findings.composed);
        relayed.extend(findings.relayed);
        println!(
            "{:<22} {} clients, {} messages of the gateway, {:.0} s",
            server.id,
            clients.len(),
            findings.messages,
            start.elapsed().as_secs_f32()
        );
        for (client, verdicts) in run.verdicts(server) {
            let signs: String = verdicts.iter().map(|(_, verdict)| verdict.sign()).collect();
            println!("    {client:<18} {signs}");
            let (worse, better) = record.take(&(client, server.id.to_owned()), verdicts);
            counts.total += 1;
            // A cell that got better is a file to commit; until then it fails, as a stale entry does.
            let changed = !worse.is_empty() || !better.is_empty();
            counts.failed += usize::from(changed);
            counts.passed += usize::from(!changed);
            for line in worse {
                println!("    WORSE: {line}");
            }
            for line in better {
                println!("    BETTER: {line}; the record has been changed, commit it");
            }
        }
    }
    for violation in &relayed {
        println!("invalid, as the peer said it: {violation}");
    }
    for violation in composed.difference(&record.invalid) {
        println!("INVALID: the gateway said {violation}");
        counts.failed += 1;
        counts.total += 1;
    }
    if choice.full {
        let stale: Vec<_> = record.invalid.difference(&composed).cloned().collect();
        for violation in stale {
            println!("BETTER: the gateway says no more {violation}; the record has been changed, commit it");
            record.invalid.remove(&violation);
            counts.failed += 1;
            counts.total += 1;
        }
    }
    record.write(&file, &order())?;
    std::fs::write(build::root().join("docs/compatibility.md"), page::render(&record))?;
    println!("what was said: {}", out.display());
    Ok(counts)
}

/// The order of cells in the record.
fn order() -> Vec<Pair> {
    let pair = |server: &servers::Server| {
        let server = server.id.to_owned();
        CLIENTS.iter().map(move |client| (client.id.to_owned(), server.clone()))
    };
    SERVERS.iter().flat_map(pair).collect()
}
