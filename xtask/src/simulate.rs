//! `cargo xtask simulate`: histories from seeds (decision 0061).

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::build;

/// Builds the simulation and hands it the arguments.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let program = program()?;
    let status = std::process::Command::new(program).args(arguments).status().context("the simulation")?;
    Ok(status.success())
}

fn program() -> Result<PathBuf> {
    let package = ["build", "--quiet", "--package", "trunkline-simulation", "--bin", "trunkline-simulation"];
    if !build::cargo(&package).status().context("cargo")?.success() {
        bail!("the simulation does not build");
    }
    Ok(build::target_dir().join("debug/trunkline-simulation"))
}
