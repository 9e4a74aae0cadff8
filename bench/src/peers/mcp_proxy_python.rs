//! mcp-proxy of PyPI: from HTTP to one child, in Python.

use std::process::Command;

use super::peer::{Claims, Installed, Peer, Stage, Wire};
use super::shelf::Shelf;
use crate::era::Era;

#[derive(Debug)]
pub(super) struct McpProxyPython;

impl Peer for McpProxyPython {
    fn claims(&self) -> &'static Claims {
        &Claims {
            name: "mcp-proxy-python",
            title: "mcp-proxy (PyPI)",
            wires: &[Wire::Stdio],
            eras: &[Era::Legacy],
            progress: &[],
            path: "/mcp",
            prefix: "",
        }
    }

    fn find(&self, shelf: &Shelf) -> anyhow::Result<Installed> {
        let program = shelf.file("python/mcp-proxy/bin/mcp-proxy", "python")?;
        Ok(Installed { program, script: None, version: shelf.python_version("mcp-proxy", "mcp-proxy")? })
    }

    fn command(&self, installed: &Installed, stage: Stage<'_>) -> anyhow::Result<Command> {
        let mut command = Command::new(&installed.program);
        command.args([
            "--host",
            "127.0.0.1",
            "--port",
            &stage.port.to_string(),
            "--log-level",
            "ERROR",
            "--",
        ]);
        command.args(stage.upstream.child()?);
        Ok(command)
    }
}
