//! One measurement of one target.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use super::cell::Cell;
use super::fleet::{Fleet, Target};
use super::target::Name;
use super::usage;
use crate::load::{Op, Plan, Report, drive, open};

/// How long a question about a process's state may take.
const ASK_LIMIT: Duration = Duration::from_secs(2);
/// CPU time that must have been used for a figure. Clocks count nanoseconds, but a few ms are mostly wake-ups.
const CPU_LEAST: Duration = Duration::from_millis(10);

/// What came of it.
#[derive(Serialize)]
pub(super) struct Sample {
    pub(super) cell: String,
    pub(super) target: Name,
    pub(super) round: u32,
    /// CPU of the target per call; with progress, per event. Its children count, but not those that are the upstream.
    /// None if too little was used to tell.
    pub(super) cpu_us: Option<f64>,
    /// The same with the upstream, where that is a child.
    pub(super) family_cpu_us: Option<f64>,
    pub(super) rss_mib: f64,
    pub(super) children: usize,
    /// Connections it opened to its upstream, warm-up included.
    pub(super) upstream_connections: Option<u64>,
    pub(super) report: Report,
}

impl Fleet {
    /// Wakes the target and what it needs, measures, and stops them again.
    pub(super) async fn measure(
        &self,
        cell: &Cell,
        target: &Target,
        round: u32,
        warmup: Duration,
        length: Duration,
    ) -> anyhow::Result<Sample> {
        let awake = || {
            [target.upstream, Some(target.process)].into_iter().flatten().map(|index| &self.processes[index])
        };
        awake().for_each(super::process::Process::thaw);
        let sample = self.sample(cell, target, round, warmup, length).await;
        awake().for_each(super::process::Process::freeze);
        sample
    }

    async fn sample(
        &self,
        cell: &Cell,
        target: &Target,
        round: u32,
        warmup: Duration,
        length: Duration,
    ) -> anyhow::Result<Sample> {
        let id = self.processes[target.process].id();
        let plan = Plan::spread(&target.url, cell.era, cell.op, target.tools(cell.op.tool()))?;
        let connections_before = connections(target.counted_by).await?;
        let callers = open(&plan, cell.connections).await?;
        let (callers, _) = drive(callers, cell.pace, warmup).await;
        let before = usage::of(id)?;
        let (callers, report) = drive(callers, cell.pace, length).await;
        let after = usage::of(id)?;
        for caller in callers {
            caller.close().await;
        }
        let connections_after = connections(target.counted_by).await?;
        let counted = match cell.op {
            Op::Progress { .. } => report.events,
            _ => report.calls,
        };
        ensure!(counted > 0, "no right answer: {}", report.first_error.unwrap_or_default());
        let each = |used: Duration| (used >= CPU_LEAST).then(|| used.as_secs_f64() * 1e6 / counted as f64);
        Ok(Sample {
            cell: cell.name(),
            target: target.name.clone(),
            round,
            cpu_us: each(after.own.saturating_sub(before.own)),
            family_cpu_us: each(after.family.saturating_sub(before.family)),
            rss_mib: after.rss_kib as f64 / 1024.0,
            children: after.children,
            // The second question came over a connection of its own.
            upstream_connections: connections_before
                .zip(connections_after)
                .map(|(before, after)| after.saturating_sub(before + 1)),
            report,
        })
    }
}

/// How many connections the upstream has taken so far, that of this question included.
pub(super) async fn connections(counted_by: Option<u16>) -> anyhow::Result<Option<u64>> {
    #[derive(Deserialize)]
    struct Stats {
        connections: u64,
    }
    let Some(port) = counted_by else { return Ok(None) };
    let (_, body) = get(port, "/stats").await.context("the upstream does not say its counts")?;
    let stats: Stats = serde_json::from_slice(&body)?;
    Ok(Some(stats.connections))
}

/// A GET on the loopback: status and body.
pub(crate) async fn get(port: u16, path: &str) -> anyhow::Result<(u16, Bytes)> {
    let exchange = async {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the sender.
        tokio::spawn(connection);
        let request = Request::get(path).header(HOST, "127.0.0.1").body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    tokio::time::timeout(ASK_LIMIT, exchange).await.context("no answer in time")?
}
