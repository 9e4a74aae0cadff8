//! `trunkline version`.

use std::fmt::Write;

use crate::stop::{Code, Stop};
use crate::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// What this build can do beyond the minimum: each is a transport or a revision family that clients and servers may
/// speak. Those that only servers may speak say so.
const FEATURES: [&str; 6] =
    ["streamable-http", "stdio", "upstream-http-sse", "upstream-websocket", "era-modern", "era-legacy"];

/// Prints version, commit, compiler, target and features.
pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Code, Stop> {
    let facts = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("commit", env!("TRUNKLINE_BUILD_COMMIT")),
        ("rustc", env!("TRUNKLINE_BUILD_RUSTC")),
        ("target", env!("TRUNKLINE_BUILD_TARGET")),
    ];
    let text = match args.output {
        Output::Text => {
            let mut text = format!("trunkline {}\n", facts[0].1);
            for (name, value) in &facts[1..] {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{name:<9}{value}");
            }
            text + &format!("{:<9}{}\n", "features", FEATURES.join(", "))
        }
        Output::Json => {
            let mut object: serde_json::Map<String, serde_json::Value> =
                facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
            object.insert("features".to_owned(), FEATURES.to_vec().into());
            super::pretty(&object.into())
        }
    };
    terminal.print(&text)?;
    Ok(Code::OK)
}
