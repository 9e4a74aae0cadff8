//! The floors: what a hop costs when it does nothing but pass on, and what an answer costs that only has to be sent.
//! Every ratio is taken against one of them.

mod memory;
mod pipe;
mod proxy;

use std::borrow::Cow;
use std::ffi::OsString;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Which floor to be.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Port on 127.0.0.1
    #[arg(long)]
    port: u16,
    /// Pass requests on to `http://host:port`; the path is kept
    #[arg(long, required_unless_present_any = ["child", "memory"])]
    to: Option<http::Uri>,
    /// Relay to one child's stdin and stdout: program and arguments
    #[arg(long, num_args = 1.., allow_hyphen_values = true, conflicts_with = "to")]
    child: Vec<OsString>,
    /// Send a finished `tools/list` with so many filler tools from memory
    #[arg(long, value_name = "TOOLS", conflicts_with_all = ["to", "child"])]
    memory: Option<usize>,
}

/// As much of a message as a floor may look at.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Cow<'a, str>,
}

/// Serves until killed.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    // Two threads, as in the figures of the design.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match (&options.to, options.memory) {
        (Some(to), _) => runtime.block_on(proxy::serve(options.port, to)),
        (None, Some(fillers)) => runtime.block_on(memory::serve(options.port, fillers)),
        (None, None) => runtime.block_on(pipe::serve(options.port, &options.child)),
    }
}
