//! Valgrind, installed where that is possible without asking anybody.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The version of the valgrind that is there.
///
/// # Errors
/// There is none, and none can be installed.
pub(crate) fn version() -> Result<String> {
    let ask = || said("valgrind", &["--version"]).map(|said| said.trim_start_matches("valgrind-").to_owned());
    if let Some(version) = ask() {
        return Ok(version);
    }
    install()?;
    ask().context("valgrind was installed, but is not found")
}

fn install() -> Result<()> {
    if !Path::new("/etc/debian_version").exists() || said("id", &["-u"]).as_deref() != Some("0") {
        bail!("valgrind is not installed");
    }
    println!("installing valgrind");
    // The lists of a fresh machine are empty; where they are not, there is no need to fetch them.
    if apt(&["install", "-y", "valgrind"]) || (apt(&["update"]) && apt(&["install", "-y", "valgrind"])) {
        return Ok(());
    }
    bail!("valgrind is not installed, and apt-get does not install it")
}

fn apt(arguments: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command.stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// What a program prints on its first line; `None` when it is not there or fails.
pub(crate) fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    text.lines().next().map(|line| line.trim().to_owned())
}
