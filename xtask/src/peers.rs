//! The MCP software that the gateway is tested against: `tests/peers`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build;

/// Where everything is, by the names that `tests/peers/install.sh` prints.
pub(crate) struct Peers(BTreeMap<String, String>);

impl Peers {
    /// Installs what is missing. A second run takes a tenth of a second.
    pub(crate) fn install() -> Result<Self> {
        let script = build::root().join("tests/peers/install.sh");
        let output = Command::new("bash")
            .arg(script)
            .args(["npm", "python", "rmcp", "old-npm", "old-python", "old-rmcp"])
            .stderr(std::process::Stdio::inherit())
            .output()
            .context("cannot run tests/peers/install.sh")?;
        if !output.status.success() {
            bail!("tests/peers/install.sh failed with {}", output.status);
        }
        let text = String::from_utf8(output.stdout).context("install.sh prints text")?;
        let paths = text.lines().filter_map(|line| line.split_once('='));
        Ok(Self(paths.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    /// A path by its name.
    pub(crate) fn path(&self, name: &str) -> Result<PathBuf> {
        let path = self
            .0
            .get(name)
            .map(PathBuf::from)
            .with_context(|| format!("install.sh does not print {name}"))?;
        if !path.exists() {
            bail!("{name} is not at {}", path.display());
        }
        Ok(path)
    }
}
