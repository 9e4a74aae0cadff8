//! `trunkline init`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use crate::stop::{Code, Stop};
use crate::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to write it
    #[arg(long, value_name = "FILE", default_value = "trunkline.yaml")]
    path: PathBuf,
    /// Replace a file that is there already
    #[arg(long)]
    force: bool,
}

/// Writes the starter configuration.
pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Code, Stop> {
    let path = &args.path;
    if !path.extension().is_none_or(|end| end == "yaml" || end == "yml") {
        return Err(Stop::usage("the configuration to start from is YAML\nname it *.yaml"));
    }
    let mut options = OpenOptions::new();
    options.write(true);
    if args.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    // Credentials tend to end up in this file.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written =
        options.open(path).and_then(|mut file| file.write_all(trunkline_config::starter().as_bytes()));
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let message = format!("{} is there already\nuse --force to replace it", path.display());
            return Err(Stop::new(Code::FAILURE, message));
        }
        Err(error) => return Err(Stop::file(path, &error)),
    }
    let shown = path.display();
    let flag = if *path == std::path::Path::new("trunkline.yaml") {
        String::new()
    } else {
        format!(" --config {shown}")
    };
    terminal.say(&format!(
        "Wrote {shown}. Next:\n  \
         trunkline import --all --to {shown}   take over the servers of your MCP clients\n  \
         trunkline check{flag}   look for problems\n  \
         trunkline serve{flag}   start\n  \
         trunkline connect claude-code   point a client at it"
    ));
    Ok(Code::OK)
}
