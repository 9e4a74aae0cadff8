//! What every inventory needs: an upstream, a folder, sizes; and load of a certain size.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::Uri;
use nix::sys::resource::{Resource, getrlimit};
use tempfile::TempDir;

use super::super::Options;
use super::super::start::{Gateway, Upstream, servers};
use super::super::target::{Behind, GATEWAY, TOOLS};
use crate::era::Era;
use crate::load::{Caller, Op, Pace, Plan, drive, open};

/// How long any number of calls may take.
const CALLS_LIMIT: Duration = Duration::from_hours(1);
/// Connections of the load, unless said otherwise.
pub(super) const CONNECTIONS: usize = 16;
/// Descriptors kept for other things than connections.
const DESCRIPTORS_SPARE: u64 = 500;

/// Where inventories are taken.
pub(super) struct Stage {
    // Before the folder it writes to.
    /// Of both eras, with ten tools.
    pub(super) upstream: Upstream,
    pub(super) binary: PathBuf,
    pub(super) folder: TempDir,
    pub(super) sizes: Sizes,
}

/// How many of each thing. `--quick` has few.
pub(super) struct Sizes {
    /// Calls over which memory may grow.
    pub(super) growth_calls: u64,
    /// Calls before that.
    pub(super) warmup_calls: u64,
    /// Open streams.
    pub(super) streams: usize,
    /// Idle connections.
    pub(super) idle: usize,
    /// Session records: nearly as many as the gateway keeps by default, because each is small.
    pub(super) records: usize,
    /// Calls after which children are counted, and in which system calls are.
    pub(super) calls: u64,
    /// Starts per repeat.
    pub(super) starts: usize,
    /// How long large results are asked for.
    pub(super) results: Duration,
}

impl Stage {
    pub(super) async fn new(binary: &Path, options: &Options) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let upstream = Upstream::start("both", TOOLS, folder.path()).await?;
        let mut sizes = if options.quick { Sizes::quick() } else { Sizes::full() };
        if let Some(calls) = options.calls_for_growth {
            sizes.growth_calls = calls;
        }
        // The gateway has the same limit, and both ends of its connections count.
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        sizes.idle = sizes.idle.min(usize::try_from(soft.saturating_sub(DESCRIPTORS_SPARE))?);
        sizes.streams = sizes.streams.min(sizes.idle / 2);
        Ok(Self { upstream, binary: binary.to_owned(), folder, sizes })
    }

    /// A gateway before the ordinary upstream that has answered once.
    pub(super) async fn gateway(&self) -> anyhow::Result<Gateway> {
        let mut gateway = self.begin(Behind { era: "both", servers: 1, tools: TOOLS })?;
        gateway.come_up("echo").await?;
        Ok(gateway)
    }

    /// Starts one before as many servers of the ordinary upstream.
    pub(super) fn begin(&self, behind: Behind) -> anyhow::Result<Gateway> {
        let servers = servers(behind, self.upstream.port);
        Gateway::start(&self.binary, GATEWAY, &servers, self.folder.path())
    }
}

impl Sizes {
    const fn full() -> Self {
        Self {
            growth_calls: 100_000,
            warmup_calls: 10_000,
            streams: 1000,
            idle: 5000,
            records: 9900,
            calls: 10_000,
            starts: 3,
            results: Duration::from_secs(2),
        }
    }

    const fn quick() -> Self {
        Self {
            growth_calls: 5000,
            warmup_calls: 1000,
            streams: 100,
            idle: 500,
            records: 4000,
            calls: 2000,
            starts: 1,
            results: Duration::from_millis(300),
        }
    }
}

/// Callers of the echo tool, whose connections are open.
pub(super) async fn callers(url: &Uri, era: Era, count: usize) -> anyhow::Result<Vec<Caller>> {
    open(&Plan::new(url, era, Op::Call, "echo".to_owned())?, count).await
}

/// Exactly so many calls, all answered rightly.
pub(super) async fn calls(callers: Vec<Caller>, count: u64) -> anyhow::Result<Vec<Caller>> {
    let (callers, report) = drive(callers, Pace::Calls(count), CALLS_LIMIT).await;
    if let Some(error) = report.first_error {
        anyhow::bail!("{} of {count} calls failed, first: {error}", report.errors);
    }
    ensure!(report.calls == count, "{} calls in place of {count}", report.calls);
    Ok(callers)
}

/// Lets a target work before its memory is looked at, and closes the connections.
pub(super) async fn warm(url: &Uri, era: Era, count: u64) -> anyhow::Result<()> {
    let callers = callers(url, era, CONNECTIONS).await.context("warm-up")?;
    for caller in calls(callers, count).await.context("warm-up")? {
        caller.close().await;
    }
    Ok(())
}
