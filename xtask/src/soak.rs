//! `cargo xtask soak`: does anything grow when the gateway is used for long? See `docs/testing.md`.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::build;

/// Builds the gateway in the release profile, and soaks it.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let built =
        build::cargo(&["build", "--quiet", "--release", "--package", "trunkline", "--bin", "trunkline"])
            .status()?;
    if !built.success() {
        bail!("the gateway does not build");
    }
    play(&build::target_dir().join("release/trunkline"), arguments)
}

/// The short form, for every test run: 75 s with wide bounds for noise.
pub(crate) fn short(gateway: &Path) -> Result<bool> {
    let out = build::target_dir().join("soak-short");
    let out = out.to_string_lossy().into_owned();
    play(gateway, &["--minutes", "1.25", "--visitors", "8", "--out", &out].map(str::to_owned))
}

fn play(gateway: &Path, arguments: &[String]) -> Result<bool> {
    if !build::cargo(&["build", "--quiet", "--package", "trunkline-soak"]).status()?.success() {
        bail!("the soak does not build");
    }
    let commit = build::commit();
    let out = build::target_dir().join("soak");
    let mut command = std::process::Command::new(build::target_dir().join("debug/trunkline-soak"));
    command.arg("run").args(arguments).args(["--commit", &commit]).env("TRUNKLINE_BIN", gateway);
    if !arguments.iter().any(|argument| argument == "--out") {
        command.arg("--out").arg(out);
    }
    Ok(command.status().context("the soak")?.success())
}
