//! `trunkline stdio`: the gateway as a child process of one client. Stdout belongs to MCP.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use trunkline_config::{Overrides, Settings};
use trunkline_gateway::Gateway;
use trunkline_transport::front::host::Host;
use trunkline_transport::front::stdio;

use crate::config_file::{self, ConfigArgs};
use crate::environment::Environment;
use crate::serve::{STOP_DEADLINE, Signal, Signals};
use crate::stop::{Code, Stop};
use crate::terminal::Terminal;
use crate::{assemble, suggest};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Serve this profile instead of everything
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// What is logged: a level, or a filter such as `info,trunkline_upstream=debug`
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Serves until stdin ends or a signal comes.
pub(super) fn run(args: Args, environment: &Environment, terminal: &Terminal) -> Result<Code, Stop> {
    let overrides = Overrides { log_level: args.log_level, ..Overrides::default() };
    let (_, loaded) = config_file::load(&args.config, overrides, environment, terminal)?;
    let settings = loaded.settings;
    let view = args.profile.map(|name| profile(&settings, &name)).transpose()?;
    let _logs = assemble::logging(&settings, terminal)?;
    let runtime = assemble::many_threads(settings.threads)?;
    let ended = runtime.block_on(serve(settings, view, environment));
    // A thread may still wait for a line on stdin; it must not hold us back.
    runtime.shutdown_background();
    ended
}

fn profile(settings: &Settings, wanted: &str) -> Result<Arc<str>, Stop> {
    let names = || settings.gateway.profiles.iter().map(|profile| &profile.name);
    let found = names().find(|name| ***name == *wanted).cloned();
    found.ok_or_else(|| Stop::usage(suggest::unknown("profile", wanted, names().map(|name| &**name))))
}

async fn serve(settings: Settings, view: Option<Arc<str>>, environment: &Environment) -> Result<Code, Stop> {
    let mut signals = Signals::listen()?;
    let tools = assemble::tools(&settings, environment);
    let metrics = Arc::clone(&tools.metrics);
    let gateway = Gateway::start(settings.gateway, settings.upstreams, tools);
    let host: Arc<dyn Host> = Arc::<Gateway>::clone(&gateway);
    let stop = CancellationToken::new();
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    let front = stdio::serve(input, output, host, view, settings.limits.body_bytes, metrics, stop.clone());
    let mut front = std::pin::pin!(front);
    let ended = loop {
        tokio::select! {
            ended = &mut front => break ended,
            signal = signals.next() => match signal {
                Signal::Reload => tracing::warn!("`trunkline stdio` does not reload; restart the client instead"),
                Signal::Stop(number) if stop.is_cancelled() => return Ok(Code::signal(number)),
                Signal::Stop(_) => {
                    stop.cancel();
                    if let Ok(ended) = tokio::time::timeout(STOP_DEADLINE, &mut front).await {
                        break ended;
                    }
                    break Ok(());
                }
            },
        }
    };
    let stopped = tokio::time::timeout(STOP_DEADLINE, gateway.stop()).await;
    if stopped.is_err() {
        tracing::warn!("some servers did not end in time; they are killed");
    }
    ended?;
    Ok(Code::OK)
}
