//! Cargo, called so that every part shares one target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::release;

/// The folder of the checkout.
pub(crate) fn root() -> PathBuf {
    // The manifest's folder is fixed when xtask is compiled; a checkout that was moved compiles it anew.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the checkout").to_owned()
}

/// Where cargo builds. On a CI machine that says nothing else it lies in the user's cache, so that a fresh clone finds
/// the dependencies built.
pub(crate) fn target_dir() -> PathBuf {
    if let Some(given) = std::env::var_os("CARGO_TARGET_DIR") {
        let given = PathBuf::from(given);
        return if given.is_absolute() { given } else { root().join(given) };
    }
    if std::env::var("CI").is_ok_and(|ci| ci == "true")
        && let Some(cache) = cache_dir()
    {
        return cache.join("trunkline/target");
    }
    root().join("target")
}

/// The folder for what can be made again.
pub(crate) fn cache_dir() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    named.or_else(|| {
        std::env::var_os("HOME").filter(|dir| !dir.is_empty()).map(|home| PathBuf::from(home).join(".cache"))
    })
}

/// A cargo command in the checkout.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root()).env("CARGO_TARGET_DIR", target_dir());
    // Set by `cargo run` for xtask itself; a nested cargo would take them for its own.
    for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_CRATE_NAME"] {
        command.env_remove(name);
    }
    command
}

/// Names the gateway that is tested, for those who test another than the one that is built here.
const TESTED: &str = "TRUNKLINE_BIN";

fn named() -> Option<PathBuf> {
    let path = std::env::var_os(TESTED).filter(|path| !path.is_empty())?;
    // Tests run in other folders than this.
    std::path::absolute(path).ok()
}

/// Where the gateway that is tested is.
pub(crate) fn tested() -> PathBuf {
    named().unwrap_or_else(|| target_dir().join("debug/trunkline"))
}

/// Builds the gateway, unless one is named, and says where it is.
pub(crate) fn gateway() -> Result<PathBuf> {
    if let Some(named) = named() {
        if !named.is_file() {
            bail!(
                "{TESTED} names {}, where there is no file; unset it to build the gateway",
                named.display()
            );
        }
        return Ok(named);
    }
    let status = cargo(&["build", "--quiet", "--package", "trunkline", "--bin", "trunkline"])
        .status()
        .context("cargo")?;
    if !status.success() {
        bail!("the gateway does not build");
    }
    Ok(tested())
}

/// Whether `cargo nextest` is there.
pub(crate) fn has_nextest() -> bool {
    cargo(&["nextest", "--version"]).output().is_ok_and(|output| output.status.success())
}

/// The benchmark, with whatever arguments it takes; without a command of its own it runs. `--ordered` measures the binary
/// for users, and the plain one beside it.
pub(crate) fn bench(arguments: &[String]) -> Result<bool> {
    let is_ordered = arguments.iter().any(|argument| argument == "--ordered");
    let arguments: Vec<_> = arguments.iter().filter(|argument| *argument != "--ordered").collect();
    let runs = arguments.first().is_none_or(|first| first.starts_with('-'));
    let built =
        cargo(&["build", "--quiet", "--release", "--package", "trunkline", "--bin", "trunkline"]).status()?;
    if !built.success() {
        bail!("the gateway does not build");
    }
    let plain = target_dir().join("release/trunkline");
    let mut command = cargo(&["run", "--quiet", "--release", "--package", "trunkline-bench", "--"]);
    if runs {
        command.arg("run");
    }
    command.args(arguments);
    if is_ordered {
        command.env("TRUNKLINE_BIN", release::ordered()?);
        if runs {
            command.arg("--other-build").arg(plain);
        }
    } else {
        command.env("TRUNKLINE_BIN", plain);
    }
    if std::env::var_os("TRUNKLINE_BENCH_BUILD").is_none() {
        let how = if is_ordered { "ordered by a profile, the other build is plain" } else { "plain" };
        command.env("TRUNKLINE_BENCH_BUILD", format!("{} ({how})", commit()));
    }
    Ok(command.status().context("cargo")?.success())
}

/// The commit of the checkout, in short, and whether something has changed since. Nothing needs git but this.
pub(crate) fn commit() -> String {
    let said = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude", "*"])
        .current_dir(root())
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.ok().filter(|commit| !commit.is_empty()).unwrap_or_else(|| "unknown commit".to_owned())
}
