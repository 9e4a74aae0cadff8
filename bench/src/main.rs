//! The measuring kit: an upstream, a floor, a load generator, and `run`, which plays them against the gateway.
//!
//! How it measures and why is told in `docs/performance.md`.

mod era;
mod floor;
mod load;
mod overload;
mod peers;
mod run;
mod sse;
mod train;
mod upstream;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about = "Measures Trunkline: CPU per call and latency added over a direct connection")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A small, fast MCP server that speaks both eras, over HTTP or stdio
    Upstream(upstream::Options),
    /// The floor: a bare reverse proxy, or a bare relay to a child's pipes
    Floor(floor::Options),
    /// Calls a server and checks every answer; prints JSON
    Load(load::Options),
    /// Starts one of the gateways Trunkline is compared with
    Peer(peers::Serve),
    /// Lists those gateways, or checks what each can
    Peers(peers::Check),
    /// Starts everything, measures in interleaved rounds, prints the table
    Run(run::Options),
    /// Asks the gateway for more than can be done, and judges what becomes of it
    Overload(overload::Options),
    /// Plays every kind of call before a build that learns from it, and ends it in order
    Train(train::Options),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Upstream(options) => upstream::run(&options),
        Command::Floor(options) => floor::run(&options),
        Command::Load(options) => load::run(&options),
        Command::Peer(options) => peers::serve(&options),
        Command::Peers(options) => peers::check(&options),
        Command::Run(options) => run::run(&options),
        Command::Overload(options) => overload::run(&options),
        Command::Train(options) => train::run(&options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(line: &str) -> bool {
        Cli::try_parse_from(line.split(' ')).is_ok()
    }

    #[test]
    fn a_floor_is_one_thing() {
        for kind in ["--to http://127.0.0.1:9", "--child cat -u", "--memory 7"] {
            assert!(taken(&format!("bench floor --port 9 {kind}")), "{kind}");
        }
        assert!(!taken("bench floor --port 9"));
        assert!(!taken("bench floor --port 9 --to http://127.0.0.1:9 --memory 7"));
    }

    #[test]
    fn a_run_can_be_short_or_of_a_part() {
        assert!(taken("bench run --quick --only inventory --check-goals"));
        assert!(taken(
            "bench run --rounds 7 --repeats 5 --peers nginx,fastmcp --calls-for-growth 10000000 --write-docs"
        ));
        assert!(!taken("bench run --rounds 0"));
    }
}
