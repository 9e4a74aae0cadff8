//! Where peers are installed, and what version lies there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use super::peer::Installed;

/// The folder `bench/peers/install.sh` fills, and what was named by hand.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    pub(super) folder: PathBuf,
    pub(super) agentgateway: Option<PathBuf>,
    pub(super) other_build: Option<PathBuf>,
}

impl Shelf {
    /// The folder the script uses, too: `$TRUNKLINE_BENCH_PEERS`, else in the cache of the user.
    pub(super) fn new() -> anyhow::Result<Self> {
        let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = named("TRUNKLINE_BENCH_PEERS")
            .or_else(|| {
                let cache = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")))?;
                Some(cache.join("trunkline").join("bench-peers"))
            })
            .context("set HOME or TRUNKLINE_BENCH_PEERS")?;
        Ok(Self::at(folder))
    }

    pub(super) const fn at(folder: PathBuf) -> Self {
        Self { folder, agentgateway: None, other_build: None }
    }

    /// A file below the folder; the error names the group of the script that puts it there.
    pub(super) fn file(&self, path: &str, group: &str) -> anyhow::Result<PathBuf> {
        let file = self.folder.join(path);
        ensure!(file.exists(), "not installed; `bench/peers/install.sh {group}` does that");
        Ok(file)
    }

    /// The version of a package in `npm/`.
    pub(super) fn npm_version(&self, package: &str) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Manifest {
            version: String,
        }
        let file = self.file(&format!("npm/node_modules/{package}/package.json"), "npm")?;
        Ok(serde_json::from_slice::<Manifest>(&std::fs::read(file)?)?.version)
    }

    /// The version of a distribution in a venv of `python/`.
    pub(super) fn python_version(&self, venv: &str, distribution: &str) -> anyhow::Result<String> {
        let libraries = self.file(&format!("python/{venv}/lib"), "python")?;
        for python in std::fs::read_dir(libraries)? {
            let packages = python?.path().join("site-packages");
            let Ok(packages) = std::fs::read_dir(packages) else { continue };
            for package in packages {
                let name = package?.file_name();
                if let Some(version) = name.to_str().and_then(|name| dist_info(name, distribution)) {
                    return Ok(version.to_owned());
                }
            }
        }
        bail!("no {distribution} in its venv")
    }

    /// The version of a crate in the lock of the proxy that was built.
    pub(super) fn crate_version(&self, name: &str) -> anyhow::Result<String> {
        let lock = std::fs::read_to_string(self.file("rmcp-proxy/package/Cargo.lock", "rmcp")?)?;
        locked(&lock, name).map(str::to_owned).with_context(|| format!("no {name} in the lock"))
    }
}

/// A binary that somebody named by `option`.
pub(super) fn by_hand(path: Option<&PathBuf>, option: &str, version: &str) -> anyhow::Result<Installed> {
    let program = path.with_context(|| format!("not in any registry; name its binary with {option}"))?;
    ensure!(program.is_file(), "no binary at {}", program.display());
    let program = program.canonicalize()?;
    let version = said_version(&program, version)?;
    Ok(Installed { program, script: None, version })
}

/// What a program says when asked for its version, whichever stream it uses.
pub(super) fn said_version(program: &Path, argument: &str) -> anyhow::Result<String> {
    let output = Command::new(program)
        .arg(argument)
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(output.status.success(), "{} {argument}: {}", program.display(), output.status);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    version_in(&said)
        .map(str::to_owned)
        .with_context(|| format!("{} does not say its version", program.display()))
}

/// Of `nginx version: nginx/1.22.1` and of `1.4.1` alike.
fn version_in(said: &str) -> Option<&str> {
    said.lines().next()?.rsplit([' ', '/']).next().filter(|word| !word.is_empty())
}

/// `fastmcp-4.2.3.dist-info` is `fastmcp` at 4.2.3. Names are spelled with `_` there.
fn dist_info<'a>(folder: &'a str, distribution: &str) -> Option<&'a str> {
    let (name, version) = folder.strip_suffix(".dist-info")?.rsplit_once('-')?;
    (name == distribution.replace('-', "_")).then_some(version)
}

fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let wanted = format!("name = \"{name}\"");
    let mut lines = lock.lines().skip_while(|line| *line != wanted);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_the_name_of_its_folder() {
        assert_eq!(dist_info("fastmcp-4.2.3.dist-info", "fastmcp"), Some("4.2.3"));
        assert_eq!(dist_info("mcp_proxy-0.13.0.dist-info", "mcp-proxy"), Some("0.13.0"));
        assert_eq!(dist_info("fastmcp_slim-4.2.3.dist-info", "fastmcp"), None);
        assert_eq!(dist_info("fastmcp", "fastmcp"), None);
    }

    #[test]
    fn a_version_is_read_from_the_lock() {
        let lock = "[[package]]\nname = \"rmcp-macros\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"rmcp\"\nversion = \"3.9.0\"\n";
        assert_eq!(locked(lock, "rmcp"), Some("3.9.0"));
        assert_eq!(locked(lock, "tokio"), None);
    }

    #[test]
    fn what_is_not_installed_says_how_to_install_it() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path().to_owned());
        let reason = shelf.npm_version("supergateway").unwrap_err().to_string();
        assert_eq!(reason, "not installed; `bench/peers/install.sh npm` does that");
    }

    #[test]
    fn the_last_word_of_the_first_line_is_the_version() {
        assert_eq!(version_in("nginx version: nginx/1.22.1\nbuilt by hand\n"), Some("1.22.1"));
        assert_eq!(version_in("1.4.1\n"), Some("1.4.1"));
        assert_eq!(version_in(""), None);
    }
}
