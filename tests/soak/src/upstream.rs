//! `upstream`: one of the simulation's servers as a process of its own.

use std::sync::Arc;

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trunkline_simulation::chance::Chance;
use trunkline_simulation::history::History;
use trunkline_simulation::server::{Ledger, Role, Server, Speaks, listen, speak};

/// What it is.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Its name, which is in all that it says
    #[arg(long)]
    name: String,
    /// `modern` or `legacy`
    #[arg(long)]
    speaks: String,
    /// Port on 127.0.0.1; without one it speaks over stdin and stdout
    #[arg(long)]
    port: Option<u16>,
}

/// Serves until killed, or until stdin ends.
pub(crate) fn run(options: &Options) -> Result<()> {
    let speaks = match options.speaks.as_str() {
        "modern" => Speaks::Modern,
        "legacy" => Speaks::Legacy,
        other => bail!("no era {other}"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let history = Arc::new(History::silent());
        let role = Role {
            name: options.name.clone(),
            of: options.name.clone(),
            speaks,
            http: options.port.is_some(),
            breaks: 0,
        };
        let chance = Chance::new(u64::from(std::process::id()));
        let server = Server::new(role, chance, &Arc::<Ledger>::default(), &history);
        if let Some(port) = options.port {
            return listen(server, tokio::net::TcpListener::bind(("127.0.0.1", port)).await?).await;
        }
        let (over, tasks) = (CancellationToken::new(), TaskTracker::new());
        speak(server, tokio::io::stdin(), tokio::io::stdout(), over, tasks).await;
        // A read of stdin cannot be called off.
        std::process::exit(0);
    })
}
