//! The floor: what a hop costs when it does nothing but pass on. Every ratio is taken against it.

mod pipe;
mod proxy;

use std::ffi::OsString;

/// Which floor to be.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Port on 127.0.0.1
    #[arg(long)]
    port: u16,
    /// Where to pass requests on to, `http://host:port`; the path is kept
    #[arg(long, required_unless_present = "child")]
    to: Option<http::Uri>,
    /// Relay to one child's stdin and stdout instead: program and arguments
    #[arg(long, num_args = 1.., allow_hyphen_values = true, conflicts_with = "to")]
    child: Vec<OsString>,
}

/// Serves until killed.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    // Two threads, as in the figures of the design.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match &options.to {
        Some(to) => runtime.block_on(proxy::serve(options.port, to)),
        None => runtime.block_on(pipe::serve(options.port, &options.child)),
    }
}
