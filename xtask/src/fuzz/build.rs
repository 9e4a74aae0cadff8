//! The build of the targets: everything, dependencies included, counts which edges of it were taken.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::folder;
use crate::build;

/// What tells libFuzzer which code an input reached, and what it was compared with.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg",
    "fuzzing",
];

/// Builds all targets and returns the folder with their programs.
pub(super) fn targets() -> Result<PathBuf> {
    let (host, into) = (host()?, folder().join("target"));
    let manifest = build::root().join("fuzz/Cargo.toml");
    let mut command = build::cargo(&["build", "--quiet", "--release", "--bins", "--target", &host]);
    command.arg("--manifest-path").arg(manifest);
    // With a target named, the flags are not those of build scripts and macros, which must run without libFuzzer.
    command.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}")).env_remove("RUSTFLAGS");
    // Set for other builds, it would make a second one of this.
    command.env_remove("CARGO_INCREMENTAL").env("CARGO_TARGET_DIR", &into);
    if !command.status().context("cargo")?.success() {
        bail!("the fuzz targets do not build; they need a C++ compiler besides what Trunkline needs");
    }
    Ok(into.join(host).join("release"))
}

/// The target that this machine is.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say its host")
}
