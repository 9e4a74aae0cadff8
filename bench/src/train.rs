//! Every kind of call for a moment: what a build that is ordered by a profile learns from.
//!
//! The gateway is a build that counts how often each of its branches is taken (`-C profile-generate`). It writes its counts when
//! it ends in order, so it is ended so here.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::era::Era;
use crate::load::{Op, Pace, Plan, drive, open};
use crate::run::start::{Gateway, Upstream};
use crate::run::unless_interrupted;

/// How long each kind is called.
const EACH: Duration = Duration::from_secs(1);
/// Tools of the upstream.
const TOOLS: usize = 100;

/// What `train` is asked to do.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The gateway's binary: the build that is to be taught
    #[arg(long)]
    trunkline: PathBuf,
}

/// What is called: of which tool (of no account to lists), over how many connections, at what pace.
const KINDS: [(Op, &str, usize, Pace); 7] = [
    (Op::Call, "one__echo", 1, Pace::Open(200)),
    (Op::Call, "one__echo", 16, Pace::Open(1500)),
    (Op::Call, "two__echo", 64, Pace::Closed),
    (Op::Call, "pipe__echo", 16, Pace::Open(1500)),
    (Op::List { tools: None }, "one__echo", 4, Pace::Open(100)),
    (Op::Payload { bytes: 64 * 1024 }, "one__payload", 4, Pace::Open(200)),
    (Op::Progress { steps: 20, interval_ms: 5 }, "one__slow", 16, Pace::Closed),
];

/// Plays them all, in both eras and across them.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    unless_interrupted(play(options))
}

async fn play(options: &Options) -> anyhow::Result<()> {
    let path = &options.trunkline;
    let binary = path.canonicalize().with_context(|| format!("no binary at {}", path.display()))?;
    for era in ["modern", "legacy"] {
        let folder = tempfile::tempdir()?;
        let upstream = Upstream::working(era, TOOLS, &[], folder.path()).await?;
        let url = format!("http://127.0.0.1:{}/mcp", upstream.port);
        let child =
            json!({ "command": std::env::current_exe()?, "args": ["upstream", "--stdio", "--era", era] });
        let servers = json!({ "one": { "url": url }, "two": { "url": url }, "pipe": child });
        let mut gateway = Gateway::start(&binary, "trunkline", &servers, folder.path())?;
        for tool in ["one__echo", "two__echo", "pipe__echo"] {
            gateway.come_up(tool).await?;
        }
        for front in [Era::Modern, Era::Legacy] {
            for (op, tool, connections, pace) in KINDS {
                let plan = Plan::new(&gateway.url()?, front, op, tool.to_owned())?;
                let (callers, report) = drive(open(&plan, connections).await?, pace, EACH).await;
                let first = report.first_error.unwrap_or_default();
                ensure!(report.errors == 0, "{op:?}, {front:?} to {era}: {} errors: {first}", report.errors);
                for caller in callers {
                    caller.close().await;
                }
                println!("{op:?}, {front:?} to {era}: {} calls", report.calls);
            }
        }
        gateway.process.end_in_order().await?;
    }
    Ok(())
}
