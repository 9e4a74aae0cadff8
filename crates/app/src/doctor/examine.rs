//! Starting every server once.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use trunkline_config::Settings;
use trunkline_model::ListKind;
use trunkline_upstream::{Options, Tools, Upstream};

use super::Report;
use crate::assemble;
use crate::environment::Environment;
use crate::serve::{STOP_DEADLINE, Signal, Signals};
use crate::stop::{Code, Stop};
use crate::terminal::{Terminal, one_line};

/// Most servers that are started at the same time: many of them install themselves first.
const AT_ONCE: usize = 8;

/// Between two frames of a spinner.
const FRAME: Duration = Duration::from_millis(100);

/// Starts every server, at most eight at a time, and reports on each, in the order of the configuration.
///
/// # Errors
/// When the person interrupts.
pub(crate) async fn examine(
    settings: &Settings,
    environment: &Environment,
    terminal: &Terminal,
) -> Result<Vec<Report>, Stop> {
    let mut signals = Signals::listen()?;
    let tools = assemble::tools(settings, environment);
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let bars = MultiProgress::new();
    let mut work = JoinSet::new();
    for (number, options) in settings.upstreams.iter().cloned().enumerate() {
        let bar = spinner(&bars, &options.name, terminal);
        let (room, tools) = (Arc::clone(&room), tools.clone());
        work.spawn(async move {
            // The semaphore is never closed, so there is always a permit in the end.
            let _permit = room.acquire_owned().await;
            let report = one(options, tools).await;
            tell(&bar, &report);
            (number, report)
        });
    }
    let mut reports = Vec::new();
    loop {
        tokio::select! {
            done = work.join_next() => match done {
                Some(Ok(report)) => reports.push(report),
                Some(Err(error)) => return Err(Stop::new(Code::FAILURE, error.to_string())),
                None => break,
            },
            signal = signals.next() => if let Signal::Stop(number) = signal {
                return Err(Stop::silent(Code::signal(number)));
            },
        }
    }
    // The report says it all again; where the screen cannot be cleared there was nothing on it.
    let _ = bars.clear();
    reports.sort_by_key(|(number, _)| *number);
    Ok(reports.into_iter().map(|(_, report)| report).collect())
}

/// Starts one server, waits for how that ends, and stops it.
async fn one(options: Options, tools: Tools) -> Report {
    let patience = options.timeouts.connect + options.timeouts.probe + options.timeouts.list;
    let upstream = Upstream::start(options, tools);
    let mut status = upstream.status();
    // A server that takes longer is reported as it is then: starting.
    let _ = timeout(patience, status.wait_for(|status| status.phase.settled())).await;
    let (status, offer) = (status.borrow().clone(), upstream.offer().borrow().clone());
    let report = Report::new(upstream.options(), status, offer, upstream.circuit());
    // What does not end in time is ended by the helper process.
    let _ = timeout(STOP_DEADLINE, upstream.stop()).await;
    report
}

fn spinner(bars: &MultiProgress, name: &str, terminal: &Terminal) -> ProgressBar {
    if !terminal.interactive || terminal.quiet {
        return ProgressBar::hidden();
    }
    let bar = bars.add(ProgressBar::new_spinner());
    bar.set_message(one_line(name));
    bar.enable_steady_tick(FRAME);
    bar
}

fn tell(bar: &ProgressBar, report: &Report) {
    let name = one_line(&report.name);
    let text = match report.reason() {
        None => {
            let tools = report.count(ListKind::Tools).unwrap_or_default();
            format!("✓ {name}: {tools} tools")
        }
        Some(reason) => format!("✗ {name}: {}", one_line(reason)),
    };
    if let Ok(plain) = ProgressStyle::with_template("{msg}") {
        bar.set_style(plain);
    }
    bar.finish_with_message(text);
}
