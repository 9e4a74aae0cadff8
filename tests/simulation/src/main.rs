//! `trunkline-simulation --seed N [--history] [--trace]` plays one history; `--from S --seeds N [--jobs J]` plays many, each in a
//! process of its own: chance and time belong to a process.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::personality::{self, Persona};
use trunkline_simulation::world;
use trunkline_simulation_system as system;

/// A history that takes longer in real time hangs without waiting.
const REAL_TIME_MAX: Duration = Duration::from_mins(1);
/// Lines of a history that are shown when it breaks a law.
const SHOWN: usize = 40;

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn main() -> ExitCode {
    match at_fixed_addresses().and_then(|()| run()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("simulation: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Begins this process anew where the system does not choose addresses by chance: hash tables draw their order from
/// addresses.
fn at_fixed_addresses() -> Result<()> {
    let persona = personality::get()?;
    if persona.contains(Persona::ADDR_NO_RANDOMIZE) {
        return Ok(());
    }
    personality::set(persona | Persona::ADDR_NO_RANDOMIZE)?;
    // Where that is not allowed, the history is right all the same, but not always the same.
    if !personality::get()?.contains(Persona::ADDR_NO_RANDOMIZE) {
        return Ok(());
    }
    let failed = Command::new(std::env::current_exe()?).args(std::env::args_os().skip(1)).exec();
    Err(failed).context("cannot begin anew")
}

fn run() -> Result<bool> {
    let (mut seed, mut from, mut seeds, mut jobs, mut trace, mut all) = (None, 0, 1000, 2, false, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u64> {
            let text = arguments.next().with_context(|| format!("{argument} needs a number"))?;
            text.parse().with_context(|| format!("{argument} {text}"))
        };
        match argument.as_str() {
            "--seed" => seed = Some(number()?),
            "--from" => from = number()?,
            "--seeds" => seeds = number()?,
            "--jobs" => jobs = number()?.max(1),
            "--trace" => (trace, all) = (true, true),
            "--history" => all = true,
            unknown => {
                bail!("no option {unknown}; there are --seed, --history, --trace, --from, --seeds and --jobs")
            }
        }
    }
    match seed {
        Some(seed) => Ok(one(seed, trace, all)),
        None => many(from, seeds, jobs),
    }
}

/// Plays one history in this process. Says its fingerprint; and the end of the history when it broke a law, or `all` of it.
/// With `trace` the gateway's log is written; that takes from chance and from memory, so it is another history.
fn one(seed: u64, trace: bool, all: bool) -> bool {
    system::begin(seed);
    std::panic::set_hook(Box::new(|panic| {
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
    }));
    if trace {
        let filter = tracing_subscriber::EnvFilter::new("trunkline=trace");
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .without_time()
            .try_init();
    }
    let began = std::sync::OnceLock::<tokio::time::Instant>::new();
    let began = std::sync::Arc::new(began);
    let clock = std::sync::Arc::clone(&began);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        // Whoever asks the system for the time finds that of the history.
        .on_thread_unpark(move || {
            if let Some(began) = clock.get() {
                system::advance_to(began.elapsed());
            }
        })
        .build();
    let runtime = runtime.expect("a runtime on this thread");
    let history = runtime.block_on(async {
        let _ = began.set(tokio::time::Instant::now());
        world::play(seed).await
    });
    drop(runtime);
    let mut broken = history.broken_laws();
    broken.extend(
        PANICS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|panic| format!("nobody panics: {panic}")),
    );
    let lines = history.lines();
    let mut hash = DefaultHasher::new();
    lines.hash(&mut hash);
    let mut out = std::io::stdout().lock();
    let shown = if all { 0 } else { lines.len().saturating_sub(SHOWN) };
    if all || !broken.is_empty() {
        let _ = lines[shown..].iter().try_for_each(|line| writeln!(out, "{line}"));
    }
    for law in &broken {
        let _ = writeln!(out, "BROKEN {law}");
    }
    let _ = writeln!(out, "seed {seed} events {} fingerprint {:016x}", lines.len(), hash.finish());
    broken.is_empty()
}

/// Plays many, some at a time.
fn many(from: u64, seeds: u64, jobs: u64) -> Result<bool> {
    let program = std::env::current_exe().context("this program")?;
    let (next, failed, events) = (AtomicU64::new(0), Mutex::new(Vec::new()), AtomicU64::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= seeds {
                        return;
                    }
                    let seed = from + at;
                    let (ok, said) = child(&program, seed);
                    let last = said.lines().last().unwrap_or_default();
                    let count = last.split_whitespace().nth(3).and_then(|count| count.parse::<u64>().ok());
                    events.fetch_add(count.unwrap_or(0), Ordering::Relaxed);
                    if !ok {
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        if failed.len() < 3 {
                            println!("{said}");
                            println!("replay: cargo xtask simulate --seed {seed} --history\n");
                        }
                        failed.push(seed);
                    }
                    if std::io::stderr().is_terminal() && at % 50 == 0 {
                        eprint!("\r{at}/{seeds}");
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_unstable();
    println!(
        "{seeds} seeds from {from}: {} failed {:?}; {} events, {:.1} s",
        failed.len(),
        &failed[..failed.len().min(20)],
        events.into_inner(),
        began.elapsed().as_secs_f64()
    );
    Ok(failed.is_empty())
}

fn child(program: &std::path::Path, seed: u64) -> (bool, String) {
    let started = Command::new(program)
        .args(["--seed", &seed.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return (false, format!("seed {seed} was not started: {error}")),
    };
    let mut out = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(out) = &mut out {
            let _ = std::io::Read::read_to_string(out, &mut text);
        }
        text
    });
    let deadline = Instant::now() + REAL_TIME_MAX;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let mut said = reader.join().unwrap_or_default();
    if status.is_none() {
        let secs = REAL_TIME_MAX.as_secs();
        let _ = std::fmt::Write::write_fmt(
            &mut said,
            format_args!("BROKEN every history ends: seed {seed} still ran after {secs} s\n"),
        );
    }
    (status.is_some_and(|status| status.success()), said)
}
