//! Trunkline, the program: one MCP endpoint in front of many MCP servers.
//!
//! Open `commands/mod.rs` first: it lists every command, and each is one file or folder. `environment.rs` is the only
//! place that looks at the process it runs in, and this file the only one that ends it.

mod admin;
mod assemble;
mod call;
mod chaos;
mod client;
mod clock;
mod commands;
mod config_file;
mod discover;
mod doctor;
mod environment;
mod import;

mod serve;
mod stop;
mod suggest;
mod table;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use commands::Cli;
use environment::Environment;
use stop::Code;
use terminal::Terminal;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let environment = Environment::of_this_process();
    // Before any thread exists: the helper leaves its session and must not carry anything of ours along.
    if environment.is_shepherd() {
        trunkline_transport::process::shepherd::run(std::io::stdin());
        return ExitCode::SUCCESS;
    }
    if environment.is_sample() {
        let served = trunkline_sample::run(std::io::stdin().lock(), std::io::stdout().lock());
        return if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let cli = match Cli::try_parse_from(&environment.args) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help that nobody reads to the end is no failure.
            let _ = usage.print();
            return Code(u8::try_from(usage.exit_code()).unwrap_or(Code::USAGE.0)).into();
        }
    };
    let terminal = Terminal::new(&environment, cli.color, cli.quiet);
    match commands::run(cli.command, &environment, &terminal) {
        Ok(code) => code.into(),
        Err(stop) => {
            terminal.fail(&stop);
            stop.code.into()
        }
    }
}
