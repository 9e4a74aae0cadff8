//! `trunkline completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::stop::{Code, Stop};
use crate::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completion script.
pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Code, Stop> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "trunkline", &mut script);
    terminal.print(&String::from_utf8_lossy(&script))?;
    Ok(Code::OK)
}
