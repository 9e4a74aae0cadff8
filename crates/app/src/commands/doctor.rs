//! `trunkline doctor`: the arguments; the work is in `doctor`.

use trunkline_config::Overrides;

use super::Listing;
use crate::config_file::{self, ConfigArgs};
use crate::environment::Environment;
use crate::stop::{Code, Stop};
use crate::terminal::Terminal;
use crate::{assemble, doctor, suggest};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// How to print the report
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Listing,
    /// Also log, at this level
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Starts every server once and reports.
pub(super) fn run(args: &Args, environment: &Environment, terminal: &Terminal) -> Result<Code, Stop> {
    let (path, loaded) = config_file::load(&args.config, Overrides::default(), environment, terminal)?;
    let _logs = assemble::logging_on_request(args.log_level.as_deref(), terminal)?;
    let mut settings = loaded.settings;
    if let Some(wanted) = &args.server {
        let names: Vec<_> = settings.upstreams.iter().map(|upstream| upstream.name.clone()).collect();
        settings.upstreams.retain(|upstream| *upstream.name == **wanted);
        if settings.upstreams.is_empty() {
            return Err(Stop::usage(suggest::unknown("server", wanted, names.iter().map(|name| &**name))));
        }
    }
    let checks = doctor::defaults(&settings, &path, environment);
    let reports = assemble::one_thread()?.block_on(doctor::examine(&settings, environment, terminal))?;
    let text = match args.output {
        Listing::Json => super::pretty(&doctor::as_json(&reports, &checks)),
        Listing::Table => doctor::as_text(&reports, &checks, terminal),
    };
    terminal.print(&text)?;
    Ok(if reports.iter().all(doctor::Report::is_well) { Code::OK } else { Code::UNAVAILABLE })
}
