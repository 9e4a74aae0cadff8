//! mcp-proxy of npm: from HTTP to one child, on Node.

use std::process::Command;

use super::peer::{Claims, Installed, Peer, Stage, Wire};
use super::shelf::Shelf;
use crate::era::Era;

#[derive(Debug)]
pub(super) struct McpProxyNpm;

impl Peer for McpProxyNpm {
    fn claims(&self) -> &'static Claims {
        &Claims {
            name: "mcp-proxy-npm",
            title: "mcp-proxy (npm)",
            wires: &[Wire::Stdio],
            eras: &[Era::Modern, Era::Legacy],
            // The answer overtakes the last event.
            progress: &[],
            path: "/mcp",
            prefix: "",
        }
    }

    fn find(&self, shelf: &Shelf) -> anyhow::Result<Installed> {
        Ok(Installed {
            program: shelf.file("npm/node", "npm")?,
            script: Some(shelf.file("npm/node_modules/mcp-proxy/dist/bin/mcp-proxy.mjs", "npm")?),
            version: shelf.npm_version("mcp-proxy")?,
        })
    }

    fn command(&self, installed: &Installed, stage: Stage<'_>) -> anyhow::Result<Command> {
        let mut command = Command::new(&installed.program);
        command.args(&installed.script);
        // It speaks the legacy era to its child, which is its default. Told to find out, it writes an error with a
        // stack to its log per call, because the bench upstream has no listen stream.
        command.args(["--host", "127.0.0.1", "--port", &stage.port.to_string(), "--server", "stream", "--"]);
        command.args(stage.upstream.child()?);
        Ok(command)
    }
}
