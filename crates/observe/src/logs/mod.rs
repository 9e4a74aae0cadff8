//! Log lines on stderr: short and coloured for people, one JSON object per line for machines.
//!
//! Every value is cut and escaped, so that nothing that comes from outside can forge a line, and lines are written by
//! a thread of their own behind a bounded queue: whoever starts us and never reads our stderr must not stop a call.

mod fields;
mod human;
mod json;
mod layer;
mod sink;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Registry, reload};

use layer::Lines;
use sink::{Sink, Writing};

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// [`Format::Human`] on a terminal, [`Format::Json`] elsewhere.
    #[default]
    Auto,
    /// Short, for people.
    Human,
    /// One JSON object per line.
    Json,
}

impl Format {
    fn is_json(self, terminal: bool) -> bool {
        match self {
            Self::Auto => !terminal,
            Self::Human => false,
            Self::Json => true,
        }
    }
}

/// How to log.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// What is logged: a level, or directives as of `RUST_LOG` (`info,trunkline_upstream=debug`).
    pub filter: String,
    /// The form of a line.
    pub format: Format,
    /// Whether stderr is a terminal.
    pub terminal: bool,
    /// Whether colours are wanted (a terminal, and no `NO_COLOR`). Only the human form has any.
    pub ansi: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: Format::Auto, terminal: false, ansi: false }
    }
}

/// Why logging could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be understood.
    #[error("log filter: {0}")]
    Filter(#[from] ParseError),
    /// Something else collects the log lines of this process.
    #[error("logging is set up already")]
    Taken(#[from] TryInitError),
    /// The writing thread could not be started, or the subscriber is gone.
    #[error("logging is not possible: {0}")]
    Broken(#[from] io::Error),
}

/// Logging of this process. Dropping it writes what still waits.
pub struct Logs {
    /// Whether lines are JSON.
    json: Arc<AtomicBool>,
    terminal: bool,
    filter: reload::Handle<EnvFilter, Registry>,
    _writing: Writing,
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Logs")
    }
}

impl Logs {
    /// Whether a filter can be understood.
    pub fn check_filter(filter: &str) -> Result<(), LogError> {
        EnvFilter::builder().parse(filter)?;
        Ok(())
    }

    /// Changes the form of the lines that follow.
    pub fn set_format(&self, format: Format) {
        self.json.store(format.is_json(self.terminal), Ordering::Relaxed);
    }

    /// Changes what is logged. A filter that cannot be understood changes nothing.
    pub fn set_filter(&self, filter: &str) -> Result<(), LogError> {
        let filter = EnvFilter::builder().parse(filter)?;
        self.filter.reload(filter).map_err(|error| LogError::Broken(io::Error::other(error.to_string())))
    }
}

/// Starts logging to stderr for the whole process. Keep the value until the end of it.
pub fn init(options: &LogOptions) -> Result<Logs, LogError> {
    let (subscriber, logs) = build(options, SystemTime::now, io::stderr())?;
    subscriber.try_init()?;
    Ok(logs)
}

/// The subscriber and its handle, for any output and clock.
fn build(
    options: &LogOptions,
    clock: fn() -> SystemTime,
    output: impl io::Write + Send + 'static,
) -> Result<(impl SubscriberInitExt + tracing::Subscriber + Send + Sync + 'static, Logs), LogError> {
    let (filter, handle) = reload::Layer::new(EnvFilter::builder().parse(&options.filter)?);
    let json = Arc::new(AtomicBool::new(options.format.is_json(options.terminal)));
    let (sink, writing) = Sink::start(output, Arc::clone(&json))?;
    let lines = Lines { json: Arc::clone(&json), ansi: options.ansi, clock, sink };
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    Ok((subscriber, Logs { json, terminal: options.terminal, filter: handle, _writing: writing }))
}
