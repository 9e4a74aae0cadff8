//! `trunkline serve`: the arguments; the work is in `serve`.

use trunkline_config::Overrides;

use crate::config_file::ConfigArgs;
use crate::environment::Environment;
use crate::serve;
use crate::stop::{Code, Stop};
use crate::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Address of the MCP endpoint; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address of health and metrics, or `off`
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// What is logged: a level, or a filter such as `info,trunkline_upstream=debug`
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Serves until told to stop.
pub(super) fn run(args: Args, environment: &Environment, terminal: &Terminal) -> Result<Code, Stop> {
    let overrides =
        Overrides { listen: args.listen, admin_listen: args.admin_listen, log_level: args.log_level };
    serve::run(&args.config, &overrides, environment, terminal)
}
