//! supergateway: from HTTP to a child for each session, on Node.

use std::process::Command;

use super::peer::{Claims, Installed, Peer, Stage, Wire};
use super::shelf::Shelf;
use crate::era::Era;

/// It listens on every address and has no option for that.
const LOOPBACK: &str = include_str!("../../../tests/peers/fixtures/loopback.mjs");

#[derive(Debug)]
pub(super) struct Supergateway;

impl Peer for Supergateway {
    fn claims(&self) -> &'static Claims {
        &Claims {
            name: "supergateway",
            title: "supergateway",
            wires: &[Wire::Stdio],
            eras: &[Era::Modern, Era::Legacy],
            progress: &[(Wire::Stdio, Era::Modern), (Wire::Stdio, Era::Legacy)],
            path: "/mcp",
            prefix: "",
        }
    }

    fn find(&self, shelf: &Shelf) -> anyhow::Result<Installed> {
        Ok(Installed {
            program: shelf.file("npm/node", "npm")?,
            script: Some(shelf.file("npm/node_modules/supergateway/dist/index.js", "npm")?),
            version: shelf.npm_version("supergateway")?,
        })
    }

    fn command(&self, installed: &Installed, stage: Stage<'_>) -> anyhow::Result<Command> {
        let loopback = stage.folder.join("loopback.mjs");
        std::fs::write(&loopback, LOOPBACK)?;
        let mut command = Command::new(&installed.program);
        command.arg("--import").arg(loopback).args(&installed.script);
        // With sessions it is at its best: without them each legacy call starts a child, too.
        command.args(["--outputTransport", "streamableHttp", "--stateful", "--logLevel", "none"]);
        command.args(["--port", &stage.port.to_string(), "--stdio", &shell_line(stage.upstream.child()?)]);
        Ok(command)
    }
}

/// A line that a POSIX shell takes apart into these words.
fn shell_line(words: &[String]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    quoted.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gives_the_words_back() {
        let words = ["a b".to_owned(), "it's".to_owned(), "$HOME \"x\" \\".to_owned(), String::new()];
        let line = format!("printf '<%s>' {}", shell_line(&words));
        let said = Command::new("sh").args(["-c", &line]).output().unwrap().stdout;
        assert_eq!(String::from_utf8(said).unwrap(), "<a b><it's><$HOME \"x\" \\><>");
    }
}
