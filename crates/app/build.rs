//! Notes the commit and the compiler for `trunkline version`. Nothing in here may fail a build.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TRUNKLINE_COMMIT");
    // A source archive has no history; whoever builds one can say where it came from.
    let told = env::var("TRUNKLINE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = told.or_else(|| said("git", &["rev-parse", "--short=12", "HEAD"]));
    // The log of HEAD is written with every commit, HEAD itself only when the branch changes.
    if let Some(log) = said("git", &["rev-parse", "--git-path", "logs/HEAD"])
        && Path::new(&log).exists()
    {
        println!("cargo::rerun-if-changed={log}");
    }
    let rustc = env::var("RUSTC").ok().and_then(|rustc| said(&rustc, &["--version"]));
    let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=TRUNKLINE_BUILD_COMMIT={}", or_unknown(commit));
    println!("cargo::rustc-env=TRUNKLINE_BUILD_RUSTC={}", or_unknown(rustc));
    println!("cargo::rustc-env=TRUNKLINE_BUILD_TARGET={}", or_unknown(env::var("TARGET").ok()));
}

/// The first line that a program prints, if it runs and is content.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?.lines().next()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}
