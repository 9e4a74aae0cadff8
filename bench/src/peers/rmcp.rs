//! The smallest proxy one would write on the Rust SDK: `bench/peers/rmcp-proxy`.

use std::process::Command;

use super::peer::{Claims, Installed, Peer, Stage, Wire};
use super::shelf::Shelf;
use crate::era::Era;

#[derive(Debug)]
pub(super) struct Rmcp;

impl Peer for Rmcp {
    fn claims(&self) -> &'static Claims {
        &Claims {
            name: "rmcp-proxy",
            title: "rmcp proxy",
            wires: &[Wire::Http],
            eras: &[Era::Modern, Era::Legacy],
            progress: &[],
            path: "/mcp",
            prefix: "",
        }
    }

    /// The version is the SDK's.
    fn find(&self, shelf: &Shelf) -> anyhow::Result<Installed> {
        let program = shelf.file("rmcp-proxy/rmcp-proxy", "rmcp")?;
        Ok(Installed { program, script: None, version: shelf.crate_version("rmcp")? })
    }

    fn command(&self, installed: &Installed, stage: Stage<'_>) -> anyhow::Result<Command> {
        let mut command = Command::new(&installed.program);
        command.arg(stage.port.to_string()).arg(stage.upstream.http()?.to_string());
        Ok(command)
    }
}
