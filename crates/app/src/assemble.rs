//! Putting the parts together: what upstreams need from this process, and how it logs.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::broadcast;
use trunkline_config::{LogFormat, Settings};
use trunkline_observe::logs::{self, Format, LogOptions, Logs};
use trunkline_observe::metrics::Metrics;
use trunkline_transport::back::HttpClient;
use trunkline_transport::process::Shepherd;
use trunkline_upstream::faults::Faults;
use trunkline_upstream::{Tools, Verdicts};

use crate::environment::Environment;
use crate::stop::{Code, Stop};
use crate::terminal::Terminal;

/// The file that remembers which era each server speaks.
const VERDICTS: &str = "eras.json";

/// What every upstream needs. To be called within a runtime.
pub(crate) fn tools(settings: &Settings, environment: &Environment) -> Tools {
    let folder = settings.state_dir.clone().unwrap_or_else(|| environment.homes.cache.join("trunkline"));
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let runtime = tokio::runtime::Handle::current().metrics();
    metrics.show_tasks(move || runtime.num_alive_tasks() as u64);
    let faults = Faults::new(Arc::clone(&metrics));
    set_faults(&faults, settings);
    let shepherd = Shepherd::lazy(&environment.program, &Environment::shepherd_args());
    Tools {
        environment: environment.for_children(),
        shepherd: Some(Arc::new(shepherd)),
        launch: None,
        http: HttpClient::new(),
        verdicts: Arc::new(Verdicts::open(Some(folder.join(VERDICTS)))),
        changes: broadcast::Sender::new(trunkline_upstream::CHANGES_BACKLOG),
        faults: Arc::new(faults),
        metrics,
    }
}

/// Has go wrong what the configuration says shall go wrong.
pub(crate) fn set_faults(faults: &Faults, settings: &Settings) {
    faults.control(settings.faults.control);
    faults.configure(&settings.faults.rules);
}

/// Starts logging as the configuration says. Keep the value until the end.
pub(crate) fn logging(settings: &Settings, terminal: &Terminal) -> Result<Logs, Stop> {
    let format = log_format(settings);
    let filter = settings.log.level.clone();
    start_logging(LogOptions { filter, format, terminal: terminal.interactive, ansi: terminal.err_color })
}

/// The form of log lines.
pub(crate) fn log_format(settings: &Settings) -> Format {
    match settings.log.format {
        LogFormat::Auto => Format::Auto,
        LogFormat::Human => Format::Human,
        LogFormat::Json => Format::Json,
    }
}

/// Starts logging for a command whose result is what matters: only when the person asks for it.
pub(crate) fn logging_on_request(level: Option<&str>, terminal: &Terminal) -> Result<Option<Logs>, Stop> {
    let Some(level) = level else { return Ok(None) };
    let (format, filter) = (Format::Human, level.to_owned());
    start_logging(LogOptions { filter, format, terminal: terminal.interactive, ansi: terminal.err_color })
        .map(Some)
}

fn start_logging(options: LogOptions) -> Result<Logs, Stop> {
    logs::init(&options).map_err(|error| Stop::usage(error.to_string()))
}

/// The runtime of the long-running commands: so many workers, or one for each processor that the process may use.
pub(crate) fn many_threads(workers: Option<usize>) -> Result<Runtime, Stop> {
    let workers = workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    runtime.map_err(|error| Stop::new(Code::LATER, format!("no threads to work with: {error}")))
}

/// The runtime of commands that do one thing.
pub(crate) fn one_thread() -> Result<Runtime, Stop> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Stop::new(Code::LATER, format!("no event loop to work with: {error}")))
}
