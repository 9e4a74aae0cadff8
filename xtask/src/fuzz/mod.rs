//! `cargo xtask fuzz`: the targets in `fuzz/`, each for a while, from the corpus that is kept there.
//!
//! libFuzzer and the compiler's coverage flags need no nightly toolchain and nothing installed: the flags are stable, and
//! the crate `libfuzzer-sys` brings libFuzzer's source. Decision 0060 has the reasons.

mod build;
mod hunt;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::report::{Counts, Report};
use hunt::Hunt;

const USAGE: &str = "usage: cargo xtask fuzz [TARGET...] [--seconds N] [--repeat]";

/// How long each target runs where nothing else is said.
const SECONDS: u64 = 60;
/// Targets that run at once: one a core of the machines that this runs on.
const AT_ONCE: usize = 2;

/// The targets: what each is for is in its module under `fuzz/src`.
const TARGETS: [&str; 10] =
    ["envelope", "sse", "websocket", "stdio", "headers", "config", "exchange", "uris", "state", "answer"];

/// What was asked for.
struct Request {
    targets: Vec<String>,
    seconds: u64,
    walk: Walk,
}

/// Where the inputs come from.
#[derive(Clone, Copy)]
enum Walk {
    /// The kept corpus and a fixed seed: the same inputs in the same order as long as the code is the same, so that a
    /// finding comes with the change that brought it.
    Repeated,
    /// On from what earlier runs on this machine found, with a new seed.
    Onwards,
}

impl Request {
    fn read(arguments: &[String]) -> Result<Self> {
        let mut request = Self { targets: Vec::new(), seconds: SECONDS, walk: Walk::Onwards };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--seconds" => {
                    let seconds = arguments.next().and_then(|number| number.parse().ok());
                    request.seconds = seconds.context(USAGE)?;
                }
                "--repeat" => request.walk = Walk::Repeated,
                target if TARGETS.contains(&target) => request.targets.push(target.to_owned()),
                _ => bail!("{USAGE}\ntargets: {}", TARGETS.join(", ")),
            }
        }
        if request.targets.is_empty() {
            request.targets = TARGETS.map(str::to_owned).to_vec();
        }
        Ok(request)
    }
}

/// The command.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let request = Request::read(arguments)?;
    let mut report = Report::default();
    parts(&mut report, &request);
    Ok(report.close())
}

/// The parts of `cargo xtask test`.
pub(crate) fn test(report: &mut Report) {
    let targets = TARGETS.map(str::to_owned).to_vec();
    parts(report, &Request { targets, seconds: SECONDS, walk: Walk::Repeated });
}

fn parts(report: &mut Report, request: &Request) {
    let mut built = None;
    report.part("fuzz build", || {
        built = Some(build::targets()?);
        Ok(Counts::whole(true))
    });
    let Some(programs) = built else { return };
    println!("\n=== fuzz: {} s each, {AT_ONCE} at a time", request.seconds);
    let queue = Mutex::new(request.targets.iter());
    let report = Mutex::new(report);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    // Taken in a statement of its own, so that the queue is free while the target runs.
                    let next = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                    let Some(target) = next else { break };
                    let start = Instant::now();
                    let (counts, note) = outcome(target, &programs, request);
                    let mut report = report.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    report.add(&format!("fuzz: {target}"), counts, start.elapsed(), note);
                }
            });
        }
    });
}

fn outcome(target: &str, programs: &std::path::Path, request: &Request) -> (Counts, String) {
    let hunt = Hunt::new(target, request.walk);
    match hunt.and_then(|hunt| hunt.run(&programs.join(target), request.seconds)) {
        Ok(runs) => (Counts::whole(true), format!("{target}: {runs} inputs, no finding")),
        Err(error) => (Counts::whole(false), format!("{error:#}")),
    }
}

/// Where the fuzz build and what it found lie: in the user's cache, so that the next run goes on from there.
fn folder() -> PathBuf {
    crate::build::cache_dir()
        .map_or_else(|| crate::build::root().join("target"), |cache| cache.join("trunkline"))
        .join("fuzz")
}
