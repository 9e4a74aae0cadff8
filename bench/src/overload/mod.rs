//! More than can be done: what becomes of the calls, of those that are refused, and of the gateway.
//!
//! First the capacity is found in a closed loop. Then calls are due on a timetable at a multiple of it, whether or not
//! answers come; then again at half of it, to see how soon all is well. Generator, gateway and upstream share the
//! machine, so in the first scenario the capacity is the upstream's: it works on so many calls at a time, each for so
//! long, and sleeps meanwhile. In the second the processor is what there is too little of.

mod judge;
mod page;
mod phase;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use serde_json::json;

use crate::era::Era;
use crate::load::{Op, Pace, Plan, open};
use crate::run::start::{Gateway, Upstream};
use crate::run::unless_interrupted;
use judge::Verdict;
use phase::{Overload, Peak};

/// What `overload` is asked to do.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The gateway's binary [default: the one beside this, or $TRUNKLINE_BIN]
    #[arg(long, env = "TRUNKLINE_BIN")]
    trunkline: Option<PathBuf>,
    /// How long each overload lasts, in seconds
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// About twenty seconds in all, with bounds of counts and generous ones of times: to see that it holds at all
    #[arg(long)]
    quick: bool,
    /// Where to write everything as JSON
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where to write the section of a page (Markdown)
    #[arg(long)]
    page: Option<PathBuf>,
}

/// Where too little is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Scarce {
    /// The server works on 16 calls at a time, each for 100 ms.
    Server,
    /// The processor, which gateway, server and generator share.
    Processor,
}

impl Scarce {
    fn upstream(self) -> &'static [&'static str] {
        match self {
            Self::Server => &["--width", "16", "--service-ms", "100"],
            Self::Processor => &[],
        }
    }

    /// Connections of the closed loop, and of the timetable: of those there must be enough for every call that is due, the
    /// waiting ones too.
    const fn connections(self) -> (usize, usize) {
        match self {
            Self::Server => (64, 800),
            Self::Processor => (256, 256),
        }
    }
}

/// One scenario as it went.
#[derive(Serialize)]
struct Scenario {
    scarce: Scarce,
    peak: Peak,
    overloads: Vec<Overload>,
    verdicts: Vec<Verdict>,
}

/// How much and how long.
#[derive(Clone, Copy, Debug)]
struct Extent {
    quick: bool,
    overload: Duration,
    /// Not judged: the first moments of an overload are a burst like any other.
    onset: Duration,
    peak: Duration,
}

/// Measures, prints, writes. Fails after printing if a bound was missed.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let binary = binary(options)?;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("cannot raise the limit of open files")?;
    let extent = if options.quick {
        Extent {
            quick: true,
            overload: Duration::from_secs(3),
            onset: Duration::from_millis(1500),
            peak: Duration::from_millis(1500),
        }
    } else {
        let overload = Duration::try_from_secs_f64(options.seconds).context("--seconds")?;
        Extent { quick: false, overload, onset: Duration::from_secs(2), peak: Duration::from_secs(5) }
    };
    let scenarios = unless_interrupted(all(&binary, extent))?;
    if let Some(path) = &options.out {
        std::fs::write(path, serde_json::to_string_pretty(&scenarios)?)?;
    }
    let page = page::render(&scenarios, extent.quick);
    if let Some(path) = &options.page {
        std::fs::write(path, &page)?;
    }
    print!("{page}");
    let missed: Vec<_> =
        scenarios.iter().flat_map(|one| &one.verdicts).filter(|verdict| !verdict.held).collect();
    ensure!(missed.is_empty(), "{} bounds were missed", missed.len());
    Ok(())
}

async fn all(binary: &Path, extent: Extent) -> anyhow::Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for (scarce, factors) in [(Scarce::Server, &[3, 5][..]), (Scarce::Processor, &[3][..])] {
        // The short form has no time for more than one of each.
        let factors = if extent.quick { &factors[factors.len() - 1..] } else { factors };
        scenarios.push(scenario(scarce, factors, binary, extent).await?);
    }
    Ok(scenarios)
}

async fn scenario(
    scarce: Scarce,
    factors: &[u32],
    binary: &Path,
    extent: Extent,
) -> anyhow::Result<Scenario> {
    let folder = tempfile::tempdir()?;
    let upstream = Upstream::working("both", 10, scarce.upstream(), folder.path()).await?;
    let url = format!("http://127.0.0.1:{}/mcp", upstream.port);
    let servers = json!({ "bench": { "url": url, "transparent": true } });
    let mut gateway = Gateway::start(binary, "trunkline", &servers, folder.path())?;
    gateway.come_up("echo").await?;
    let plan = Plan::new(&gateway.url()?, Era::Modern, Op::Call, "echo".to_owned())?;
    let (closed, timetable) = scarce.connections();
    let callers = open(&plan, closed).await?;
    let (callers, peak) = phase::peak(callers, extent).await?;
    drop(callers);
    let mut callers = open(&plan, timetable).await?;
    let mut overloads = Vec::new();
    for factor in factors {
        let rate = (peak.report.calls_per_s * f64::from(*factor)).max(1.0);
        let went;
        (callers, went) = phase::overload(callers, *factor, rate, &peak, &mut gateway, extent).await?;
        overloads.push(went);
    }
    let verdicts = overloads.iter().flat_map(|one| judge::judge(scarce, &peak, one, extent.quick)).collect();
    Ok(Scenario { scarce, peak, overloads, verdicts })
}

/// Calls a second as a pace.
fn pace(rate: f64) -> Pace {
    #[expect(clippy::cast_sign_loss, reason = "at least 1")]
    Pace::Open(rate.max(1.0) as u32)
}

fn binary(options: &Options) -> anyhow::Result<PathBuf> {
    let given = options.trunkline.clone();
    let path = match given {
        Some(path) => path,
        None => std::env::current_exe()?.parent().context("this binary has no folder")?.join("trunkline"),
    };
    path.canonicalize().with_context(|| format!("no binary at {}; give --trunkline", path.display()))
}
