//! What the parts of a call cost, in instructions: pieces of work over fixed input, each run alone under callgrind by
//! `cargo xtask instructions`, which holds the counts against `bench/instructions.json`.
//!
//! The counts are of everything that a piece of work causes: its allocations and the dropping of its result, too.

mod benchmark;
mod bridging;
mod observing;
mod protocol;
mod routing;
mod samples;
mod whole;

use anyhow::{Context, bail};

use benchmark::Benchmark;

// What is counted should be what runs in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
trunkline-instructions list          names, and how often each piece of work is repeated
trunkline-instructions run NAME      does one of them; counting is the business of whoever starts this";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["list"] => {
            for benchmark in all() {
                println!("{} {}", benchmark.name, benchmark.pieces());
            }
            Ok(())
        }
        ["run", name] => {
            let found = all().into_iter().find(|benchmark| benchmark.name == *name);
            found.with_context(|| format!("there is no benchmark '{name}'"))?.run();
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}

/// Every benchmark, in the order in which they are shown.
fn all() -> Vec<Benchmark> {
    let groups =
        [protocol::benchmarks(), bridging::benchmarks(), routing::benchmarks(), observing::benchmarks()];
    let mut all: Vec<Benchmark> = groups.into_iter().flatten().collect();
    all.extend(whole::benchmarks());
    all
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_given_once() {
        let names: Vec<&str> = all().iter().map(|benchmark| benchmark.name).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{names:?}");
    }

    /// Each checks its own results while it prepares, and panics when they are not what its name says.
    #[test]
    fn every_piece_of_work_can_be_done() {
        for benchmark in all() {
            benchmark.once();
        }
    }
}
