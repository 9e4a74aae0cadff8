//! `trunkline chaos`: the arguments; the work is in `chaos`.

use std::path::PathBuf;

use trunkline_config::{Source, render, scenario};

use super::Listing;
use crate::assemble;
use crate::chaos::{self, Control};
use crate::config_file;
use crate::serve::{Signal, Signals};
use crate::stop::{Code, Stop};
use crate::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The scenario: phases with load, faults and what users may see of them
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    /// The endpoint of the gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8808/mcp")]
    url: String,
    /// The admin listener of the gateway, where faults are asked for
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8809")]
    admin: String,
    /// How to print the report
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Listing,
    /// Also log, at this level
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Plays the scenario and reports what users saw.
pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Code, Stop> {
    let text = std::fs::read_to_string(&args.scenario)
        .map_err(|error| config_file::unreadable(&args.scenario, &error))?;
    let read = scenario(&Source::new(args.scenario.display().to_string(), text));
    let scenario = match read {
        Ok(scenario) => scenario,
        Err(problems) => {
            terminal.insist(&render(&problems, terminal.err_color));
            let text = format!("{} cannot be played", args.scenario.display());
            return Err(Stop::new(Code::CONFIG, text));
        }
    };
    let _logs = assemble::logging_on_request(args.log_level.as_deref(), terminal)?;
    let seen = assemble::many_threads(None)?.block_on(async {
        let mut signals = Signals::listen()?;
        let control = if chaos::breaks(&scenario) { Some(Control::open(&args.admin).await?) } else { None };
        let stopped = tokio::select! {
            seen = chaos::play(&scenario, &args.url, control.as_ref(), terminal) => return seen,
            number = stopped(&mut signals) => number,
        };
        if let Some(control) = control {
            control.clear().await?;
        }
        Err(Stop::silent(Code::signal(stopped)))
    })?;
    let text = match args.output {
        Listing::Json => super::pretty(&chaos::as_json(&scenario.name, &seen)),
        Listing::Table => chaos::as_text(&scenario.name, &seen, terminal),
    };
    terminal.print(&text)?;
    Ok(if seen.iter().all(|seen| seen.broken.is_empty()) { Code::OK } else { Code::FAILURE })
}

async fn stopped(signals: &mut Signals) -> u8 {
    loop {
        if let Signal::Stop(number) = signals.next().await {
            return number;
        }
    }
}
