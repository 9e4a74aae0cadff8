//! Counting: one process under callgrind for each benchmark.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use anyhow::{Context, Result, bail};

use super::baseline::Surroundings;
use super::{Counted, Known};
use crate::build;

/// Has symbols, by which callgrind knows where to begin; else like the release.
const PROFILE: &str = "bench";
/// The function within which is counted, by whatever name the compiler gives it.
const SECTION: &str = "*counted_section*";

/// What counts depend on besides the code.
pub(crate) fn surroundings(valgrind: String) -> Result<Surroundings> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(&rustc).arg("-vV").current_dir(build::root()).output().context("rustc")?;
    let text = String::from_utf8(output.stdout).context("rustc prints text")?;
    let version = text.lines().next().and_then(|line| line.strip_prefix("rustc "));
    let target = text.lines().find_map(|line| line.strip_prefix("host: "));
    match (version, target) {
        (Some(rustc), Some(target)) => {
            Ok(Surroundings { rustc: rustc.to_owned(), target: target.to_owned(), valgrind })
        }
        _ => bail!("rustc does not say what it is: {text}"),
    }
}

/// Builds the benchmarks and says which there are.
pub(crate) fn build() -> Result<Vec<Known>> {
    let status =
        build::cargo(&["build", "--quiet", "--profile", PROFILE, "--package", "trunkline-instructions"])
            .status()
            .context("cargo")?;
    if !status.success() {
        bail!("the benchmarks do not build");
    }
    let output = Command::new(program()).arg("list").output().context("the benchmarks")?;
    let text = String::from_utf8(output.stdout).context("the benchmarks print text")?;
    let one = |line: &str| {
        let (name, pieces) = line.split_once(' ')?;
        Some((name.to_owned(), pieces.parse().ok()?))
    };
    text.lines().map(|line| one(line).with_context(|| format!("not a benchmark: {line}"))).collect()
}

fn program() -> PathBuf {
    // Cargo puts what it builds by the profile "bench" where releases are.
    build::target_dir().join("release/trunkline-instructions")
}

/// Counts these benchmarks, as many at a time as there are processors, and returns them in their order.
pub(crate) fn all(benchmarks: Vec<Known>) -> Result<Vec<Counted>> {
    let next = Mutex::new(benchmarks.iter().enumerate());
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        let mut counted = Vec::new();
        while let Some((at, (name, pieces))) = take() {
            counted.push((at, one(name, *pieces)?));
        }
        Ok::<_, anyhow::Error>(counted)
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let counted = thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        running.into_iter().map(|one| one.join().expect("no worker panics")).collect::<Result<Vec<_>>>()
    })?;
    let mut counted: Vec<(usize, u64)> = counted.into_iter().flatten().collect();
    counted.sort_unstable();
    Ok(counted.into_iter().map(|(at, count)| (benchmarks[at].0.clone(), count)).collect())
}

/// Instructions per piece of work of one benchmark.
pub(crate) fn one(name: &str, pieces: u64) -> Result<u64> {
    let folder = build::target_dir().join("instructions");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let profile = folder.join(format!("{}.callgrind", name.replace('/', "-")));
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--collect-atstart=no"]);
    command.arg(format!("--toggle-collect={SECTION}"));
    command.arg(format!("--callgrind-out-file={}", profile.display()));
    command.arg(program()).args(["run", name]).stdin(Stdio::null());
    // The size of the environment moves the stack, and with it what copying costs.
    command.env_clear();
    for kept in ["PATH", "VALGRIND_LIB"] {
        command.envs(std::env::var_os(kept).map(|value| (kept, value)));
    }
    let output = command.output().context("valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{name} failed under valgrind:\n{said}");
    }
    let collected =
        said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim());
    let collected: u64 = collected
        .and_then(|count| count.parse().ok())
        .with_context(|| format!("valgrind does not say what it counted for {name}:\n{said}"))?;
    // Nothing at all would look like a great success.
    if collected < pieces {
        bail!("{name} has {collected} instructions for {pieces} pieces of work: the section was not found");
    }
    Ok((collected + pieces / 2) / pieces)
}
