//! The commands: one file each, one list.

mod call;
mod chaos;
mod check;
mod completions;
mod connect;
mod doctor;
mod import;
mod init;
mod schema;
mod serve;
mod stdio;
mod tools;
mod version;

use clap::{Parser, Subcommand};

use crate::environment::Environment;
use crate::stop::{Code, Stop};
use crate::terminal::{Color, Terminal};

/// One MCP endpoint in front of many MCP servers.
#[derive(Debug, Parser)]
#[command(
    name = "trunkline",
    version,
    arg_required_else_help = true,
    propagate_version = false,
    after_help = "Start: trunkline init, trunkline serve, trunkline connect claude-code"
)]
pub(crate) struct Cli {
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Say nothing but results and failures
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve all configured servers at one HTTP endpoint
    Serve(serve::Args),
    /// Serve all configured servers on stdin and stdout
    Stdio(stdio::Args),
    /// Write a commented configuration to start from
    Init(init::Args),
    /// Take over the servers that MCP clients on this machine have
    Import(import::Args),
    /// Point an MCP client at Trunkline
    Connect(connect::Args),
    /// Report every problem of the configuration
    Check(check::Args),
    /// Start every server once and report how each is
    Doctor(doctor::Args),
    /// List the tools of all servers
    Tools(tools::Args),
    /// Call a tool
    Call(call::Args),
    /// Break a gateway on purpose, by a script, and report what its users saw
    Chaos(chaos::Args),
    /// Print version, commit and compiler
    Version(version::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print the JSON Schema of the configuration
    Schema,
}

/// Runs a command to its exit code.
///
/// # Errors
/// When it could not do what it was asked for.
pub(crate) fn run(command: Command, environment: &Environment, terminal: &Terminal) -> Result<Code, Stop> {
    match command {
        Command::Serve(args) => serve::run(args, environment, terminal),
        Command::Stdio(args) => stdio::run(args, environment, terminal),
        Command::Init(args) => init::run(&args, terminal),
        Command::Import(args) => import::run(&args, environment, terminal),
        Command::Connect(args) => connect::run(&args, environment, terminal),
        Command::Check(args) => check::run(&args, environment, terminal),
        Command::Doctor(args) => doctor::run(&args, environment, terminal),
        Command::Tools(args) => tools::run(&args, environment, terminal),
        Command::Call(args) => call::run(&args, environment, terminal),
        Command::Chaos(args) => chaos::run(&args, terminal),
        Command::Version(args) => version::run(&args, terminal),
        Command::Completions(args) => completions::run(&args, terminal),
        Command::Schema => schema::run(terminal),
    }
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Listing {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// A JSON value as it is printed.
pub(crate) fn pretty(value: &serde_json::Value) -> String {
    // A `Value` has nothing in it that cannot be written.
    serde_json::to_string_pretty(value).unwrap_or_default()
}
