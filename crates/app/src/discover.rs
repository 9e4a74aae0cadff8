//! Which file is the configuration.

use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::stop::{Code, Stop};

/// The variable that names the file.
const VARIABLE: &str = "TRUNKLINE_CONFIG";

/// Extensions in the order in which they are tried.
const EXTENSIONS: [&str; 4] = ["yaml", "yml", "json", "toml"];

/// The file to use: the flag, `$TRUNKLINE_CONFIG`, `./trunkline.*`, then `trunkline/config.*` in the person's and the
/// system's configuration folder. `None` when nothing names one and none is there.
pub(crate) fn find(flag: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    if let Some(named) = flag {
        return Some(named.to_owned());
    }
    environment
        .path_variable(VARIABLE)
        .or_else(|| candidates(environment).into_iter().find(|path| path.is_file()))
}

/// As [`find`], for commands that cannot do without.
///
/// # Errors
/// When there is none; says where it was looked for.
pub(crate) fn required(flag: Option<&Path>, environment: &Environment) -> Result<PathBuf, Stop> {
    find(flag, environment).ok_or_else(|| {
        let user = environment.homes.config.join("trunkline").join("config.yaml");
        let message = format!(
            "no configuration found\nlooked for --config, ${VARIABLE}, ./trunkline.{{{}}} and {}\n\
             `trunkline init` writes one, `trunkline import` takes over the servers of your MCP clients",
            EXTENSIONS.join(","),
            user.display(),
        );
        Stop::new(Code::CONFIG, message)
    })
}

fn candidates(environment: &Environment) -> Vec<PathBuf> {
    let here = EXTENSIONS.iter().map(|end| PathBuf::from(format!("trunkline.{end}")));
    let folders = [environment.homes.config.join("trunkline"), PathBuf::from("/etc/trunkline")];
    let elsewhere =
        folders.into_iter().flat_map(|folder| EXTENSIONS.map(|end| folder.join(format!("config.{end}"))));
    here.chain(elsewhere).collect()
}
