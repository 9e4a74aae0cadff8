//! One peer in the foreground, to try it by hand.

use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};

use super::call;
use super::options::{Binaries, named};
use super::peer::{AtHand, Upstream};
use crate::run::interrupted;
use crate::run::process::Process;

/// How often it is seen to that the peer is still there.
const LOOK: Duration = Duration::from_millis(200);

/// What `peer` is asked to start.
#[derive(clap::Args)]
pub(crate) struct Serve {
    /// Its name, as `peers` lists it
    name: String,
    /// Port on 127.0.0.1
    #[arg(long)]
    port: u16,
    /// The HTTP server to put it in front of, e.g. http://127.0.0.1:8080/mcp
    #[arg(long, required_unless_present = "child")]
    to: Option<http::Uri>,
    /// Put it in front of the kit's upstream as a child instead
    #[arg(long, conflicts_with = "to")]
    child: bool,
    #[command(flatten)]
    binaries: Binaries,
}

/// Runs until interrupted, and ends the peer with everything it started.
pub(super) fn run(options: &Serve) -> anyhow::Result<()> {
    let peer = named(&options.name).map_err(|unknown| anyhow!(unknown))?;
    let claims = peer.claims();
    let installed = peer.find(&options.binaries.shelf()?)?;
    let peer = AtHand { peer, claims, installed };
    let upstream = match &options.to {
        Some(url) => Upstream::Http(url.clone()),
        // `echo`, `payload` and `slow` are the other three of ten.
        None => Upstream::own_child(7)?,
    };
    ensure!(
        claims.wires.contains(&upstream.wire()),
        "{} is not measured with {} upstreams",
        claims.name,
        upstream.wire().word()
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            outcome = serve(&peer, options.port, &upstream) => outcome,
            // The process goes with the future that owned it.
            () = interrupted() => Ok(()),
        }
    })
}

async fn serve(peer: &AtHand, port: u16, upstream: &Upstream) -> anyhow::Result<()> {
    let logs = tempfile::tempdir()?;
    let home = tempfile::tempdir()?;
    let command = peer.command(port, upstream, home.path())?;
    // Declared behind the folders, so that it ends before they go.
    let mut process = Process::start(command, peer.claims.name, logs.path())?;
    call::listening(&mut process, port).await?;
    eprintln!("{} listens at {}; its log is in {}", peer.label(), peer.url(port)?, logs.path().display());
    loop {
        process.alive().context("it was to stay")?;
        tokio::time::sleep(LOOK).await;
    }
}
