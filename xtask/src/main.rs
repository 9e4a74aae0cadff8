//! Everything a developer runs: tests, conformance, benchmarks.
//!
//! Each part ends with one summary line; a part that fails does not keep the others from running.

mod build;
mod conformance;
mod demo;
mod e2e;
mod fuzz;
mod guard;
mod instructions;
mod matrix;
mod peers;
mod release;
mod report;
mod simulate;
mod soak;
mod test;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
cargo xtask test [--quick]
    Installs what the tests need and runs them all. --quick: three conformance cells, no doc tests,
    no instruction counts, no fuzzing, no matrix.
cargo xtask conformance [--front 2025-11-25|2026-07-28|0.1.16|all] [--back dual|modern-only|legacy-only|rmcp]
                       [--keep DIR]
    The official suite through the gateway. Without --front or --back: all of them, and the client mode too.
    --front all: also the extensions, tasks and skills, which only rmcp serves.
cargo xtask conformance --client [--requirements 2025-11-25|2026-07-28] [--keep DIR]
    The suite's client mode: its servers against the gateway's upstream side (all but authorization).
cargo xtask matrix [--full] [--client ID] [--server ID]
    Real clients against real servers through the gateway, into docs/compatibility.md and tests/matrix.expected. The default
    has every client and every server; --full every pair; --client and --server those whose name starts so.
cargo xtask e2e [FILTER...]
    The end-to-end tests alone; what follows goes to the test runner.
cargo xtask faults [FILTER...]
    The fault suite alone, against docs/faults.md, which it writes anew from its table.
cargo xtask hostile [FILTER...]
    The cases of the security catalogue alone, against the real binary; docs/security-cases.md lists them.
cargo xtask fuzz [TARGET...] [--seconds N]
    Feeds the targets in fuzz/ with anything at all, 60 s each, two at a time. docs/testing.md says what they are.
cargo xtask run [--release] [--once]
    Builds and starts Trunkline in front of three real servers, shows what it serves and how to connect a client.
    --once: stops again after that.
cargo xtask simulate [--seeds N] [--from S] [--jobs J] | --seed S [--trace]
    Histories of the gateway's core in memory and virtual time, each from a seed: a thousand, or as many as are wanted; or
    one, with everything that happens in it. A seed whose history breaks a law is named with how to play it again.
cargo xtask soak [--minutes 10 | --hours H] [--visitors N] [--out DIR] [--write-docs]
    The release binary before four servers, under load, churn and faults; looks for growth and for answers that crossed.
cargo xtask release
    The binary for users, ordered by a profile of calls that it plays itself: two builds. Wants `rustup component add llvm-tools`.
cargo xtask bench [--ordered] [ARGUMENTS...]
    The benchmark, in the release profile: everything, or what the options say (--help lists them). --ordered: of the
    binary that `release` makes, with the plain one beside it.
cargo xtask bench overload [--quick] [--seconds N] [--out FILE] [--page FILE]
    Asks the gateway for three and five times of what can be done, and judges goodput, refusals, memory, recovery.
cargo xtask instructions [NAME...] [--accept REASON [--all]]
    Counts the instructions of pieces of work with valgrind and compares with bench/instructions.json; a rise above 3 %
    fails. NAME: only those whose name begins so. --accept: writes down what moved by more than that, and why; --all:
    every count, also where it moved less.

Environment: CARGO_TARGET_DIR, TRUNKLINE_PEERS (where the test software is installed), TRUNKLINE_BIN (the gateway to test,
instead of one that is built).";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = if arguments.is_empty() { String::new() } else { arguments.remove(0) };
    match run(&command, &arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(command: &str, arguments: &[String]) -> Result<bool> {
    match command {
        "test" => test::run(arguments),
        "conformance" => conformance::run(arguments),
        conformance::BEHIND => conformance::behind(arguments),
        "matrix" => matrix::run(arguments),
        // Ours, to listen to a pipe.
        "__tee" => matrix::tee(arguments),
        "e2e" => e2e::run(arguments),
        "faults" => e2e::run_faults(arguments),
        "hostile" => e2e::run_hostile(arguments),
        "fuzz" => fuzz::run(arguments),
        "bench" => build::bench(arguments),
        "instructions" => instructions::run(arguments),
        "release" => release::run(arguments),
        "run" => demo::run(arguments),
        "simulate" => simulate::run(arguments),
        "soak" => soak::run(arguments),
        "" | "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(true)
        }
        unknown => anyhow::bail!("no command '{unknown}'\n\n{USAGE}"),
    }
}
