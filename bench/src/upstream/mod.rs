//! A minimal MCP server that speaks both eras: the far end of every measurement.
//!
//! It does as little as a server can do while still being one, so that what is measured is what stands before it.

mod answer;
pub(crate) mod catalogue;
mod http;
mod message;
mod stdio;

use std::sync::Arc;

use anyhow::bail;

/// What `upstream` is asked to be.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Port on 127.0.0.1
    #[arg(long, required_unless_present = "stdio")]
    port: Option<u16>,
    /// Speak over stdin and stdout instead
    #[arg(long, conflicts_with = "port")]
    stdio: bool,
    /// Filler tools besides `echo`, `payload` and `slow`
    #[arg(long, default_value_t = 7)]
    tools: usize,
    /// Which eras to speak
    #[arg(long, value_enum, default_value_t = Spoken::Both)]
    era: Spoken,
    /// Over HTTP: how long each tool call takes, in milliseconds
    #[arg(long, default_value_t = 0)]
    service_ms: u64,
    /// Over HTTP: how many tool calls are worked on at a time; more wait. With 0 all of them
    #[arg(long, default_value_t = 0)]
    width: usize,
}

/// Which eras the server accepts; one alone makes the gateway cross eras.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Spoken {
    /// Either, told by the message
    Both,
    /// 2026-07-28 only
    Modern,
    /// 2025-11-25 only
    Legacy,
}

/// Serves until killed, or until stdin ends.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let server = Arc::new(answer::Server::new(options.era, options.tools));
    match options.port {
        _ if options.stdio => stdio::serve(&server),
        // One thread: the upstream shall not take both cores from what is measured.
        Some(port) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(http::serve(server, port, http::Work::new(options.service_ms, options.width))),
        None => bail!("give --port or --stdio"),
    }
}
