//! `trunkline serve`: from a configuration to a gateway that runs, reloads and ends well.

mod descriptors;
mod ending;
mod inherited;
mod listener;
mod panel;
mod phase;
mod pulse;
mod reload;
mod running;
mod signals;
mod supervisor;
mod watch;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use trunkline_config::{Overrides, Settings};

use crate::assemble;
use crate::config_file::{self, ConfigArgs, Noted};
use crate::environment::Environment;
use crate::stop::{Code, Stop};
use crate::terminal::Terminal;

pub(crate) use ending::STOP_DEADLINE;
use inherited::Inherited;
pub(crate) use phase::{LastReload, Phase, Standing};
use reload::{Reload, Reloaded, Trigger};
use running::Running;
pub(crate) use signals::{Signal, Signals};
pub(crate) use watch::Stamps;
use watch::Watch;

/// Serves until told to stop.
pub(crate) fn run(
    args: &ConfigArgs,
    overrides: &Overrides,
    environment: &Environment,
    terminal: &Terminal,
) -> Result<Code, Stop> {
    let (path, noted) = config_file::load_noting(args, overrides.clone(), environment, terminal)?;
    let logs = assemble::logging(&noted.loaded.settings, terminal)?;
    let reload = Reload { path, overrides: overrides.clone(), environment, logs: &logs };
    let runtime = assemble::many_threads(noted.loaded.settings.threads)?;
    let ended = runtime.block_on(serve(noted, &reload, terminal));
    runtime.shutdown_background();
    ended
}

/// A reload under way.
type Reloading<'a> = Pin<Box<dyn Future<Output = Reloaded> + 'a>>;

async fn serve(
    noted: Noted<trunkline_config::Loaded>,
    reload: &Reload<'_>,
    terminal: &Terminal,
) -> Result<Code, Stop> {
    // First of all, so that no signal ends us with children half started.
    let mut signals = Signals::listen()?;
    for note in &noted.loaded.notes {
        tracing::warn!(hint = note.hint.as_deref(), "{note}");
    }
    let mut settings: Arc<Settings> = Arc::new(noted.loaded.settings);
    let running = Running::start(&settings, Inherited::take(reload.environment)?, reload.environment)?;
    let mut watch = Watch::new();
    watch.follow(settings.reload.watch, noted.files, noted.stamps);
    let mut announced = false;
    // One at a time; whatever is asked for meanwhile is one more.
    let mut reloading: Option<Reloading<'_>> = None;
    let mut wanted: Option<Trigger> = None;
    loop {
        if let (None, Some(trigger)) = (&reloading, wanted) {
            wanted = None;
            running.supervisor.reloading();
            reloading = Some(Box::pin(reload.run(Arc::clone(&settings), Arc::clone(&running), trigger)));
        }
        tokio::select! {
            biased;
            // A reload must never keep us from ending.
            signal = signals.next() => match signal {
                Signal::Reload => wanted = Some(Trigger::Signal),
                Signal::Stop(_) => {
                    drop(reloading);
                    return Ok(ending::end(&running, settings.shutdown, signals).await);
                }
            },
            done = finished(&mut reloading) => {
                reloading = None;
                if let Some(new) = done.settings {
                    settings = Arc::new(new);
                }
                watch.follow(settings.reload.watch, done.files, done.stamps);
                announce_to_supervisor(&running);
            }
            () = running.gateway.settled(), if !announced => {
                announced = true;
                running.standing.enter(Phase::Ready);
                announce_to_supervisor(&running);
                panel::announce(&running.gateway.sources(), running.endpoint(), running.admin(), terminal);
            }
            () = watch.changed(), if reloading.is_none() => {
                wanted.get_or_insert(Trigger::File);
            }
        }
    }
}

async fn finished(reloading: &mut Option<Reloading<'_>>) -> Reloaded {
    match reloading {
        Some(reloading) => reloading.await,
        None => std::future::pending().await,
    }
}

fn announce_to_supervisor(running: &Running) {
    if running.standing.phase() != Phase::Ready {
        return;
    }
    let sources = running.gateway.sources();
    let missing = running.standing.missing(&sources);
    let up = sources.iter().filter(|source| phase::is_up(&source.status.phase)).count();
    running.metrics.gateway().set_ready(missing.is_empty());
    running.supervisor.ready(&pulse::status(&missing, up, sources.len()));
}
