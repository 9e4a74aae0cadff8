//! FastMCP: the Python framework, as a proxy.

use std::process::Command;

use super::peer::{Claims, Installed, Peer, Stage, Wire};
use super::shelf::Shelf;
use crate::era::Era;

const SCRIPT: &str = include_str!("../../peers/fastmcp.py");

#[derive(Debug)]
pub(super) struct Fastmcp;

impl Peer for Fastmcp {
    fn claims(&self) -> &'static Claims {
        &Claims {
            name: "fastmcp",
            title: "FastMCP",
            wires: &[Wire::Http],
            eras: &[Era::Modern, Era::Legacy],
            progress: &[(Wire::Http, Era::Modern), (Wire::Http, Era::Legacy)],
            path: "/mcp",
            prefix: "",
        }
    }

    fn find(&self, shelf: &Shelf) -> anyhow::Result<Installed> {
        let program = shelf.file("python/fastmcp/bin/python", "python")?;
        Ok(Installed { program, script: None, version: shelf.python_version("fastmcp", "fastmcp")? })
    }

    fn command(&self, installed: &Installed, stage: Stage<'_>) -> anyhow::Result<Command> {
        let script = stage.folder.join("proxy.py");
        std::fs::write(&script, SCRIPT)?;
        let mut command = Command::new(&installed.program);
        command.arg(script).arg(stage.upstream.http()?.to_string()).arg(stage.port.to_string());
        // It would ask a registry whether there is a newer one.
        command.env("FASTMCP_CHECK_FOR_UPDATES", "off");
        Ok(command)
    }
}
