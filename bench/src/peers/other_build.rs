//! Another build of Trunkline itself: before a change and after it, or with and without a profile, in one run.

use std::process::Command;

use serde_json::{Value, json};

use super::peer::{Claims, Installed, Peer, Stage, Upstream, Wire};
use super::shelf::{Shelf, by_hand};
use crate::era::Era;

/// Its name on the command line.
pub(super) const OTHER_BUILD: &str = "other-build";

#[derive(Debug)]
pub(super) struct OtherBuild;

impl Peer for OtherBuild {
    fn claims(&self) -> &'static Claims {
        &Claims {
            name: OTHER_BUILD,
            title: "Trunkline, other build",
            wires: &[Wire::Http, Wire::Stdio],
            eras: &[Era::Modern, Era::Legacy],
            progress: &[
                (Wire::Http, Era::Modern),
                (Wire::Http, Era::Legacy),
                (Wire::Stdio, Era::Modern),
                (Wire::Stdio, Era::Legacy),
            ],
            path: "/mcp",
            prefix: "",
        }
    }

    fn find(&self, shelf: &Shelf) -> anyhow::Result<Installed> {
        by_hand(shelf.other_build.as_ref(), "--other-build", "--version")
    }

    fn command(&self, installed: &Installed, stage: Stage<'_>) -> anyhow::Result<Command> {
        let file = stage.folder.join("trunkline.json");
        std::fs::write(&file, configuration(stage.upstream).to_string())?;
        let mut command = Command::new(&installed.program);
        command.arg("serve").arg("--config").arg(file);
        command.args(["--listen", &format!("127.0.0.1:{}", stage.port)]);
        Ok(command)
    }
}

/// As the gateway itself is told, but for the administrative address: nobody asks there.
fn configuration(upstream: &Upstream) -> Value {
    let mut server = match upstream {
        Upstream::Http(url) => json!({"url": url.to_string()}),
        Upstream::Child(words) => json!({"command": words.first(), "args": words.get(1..)}),
    };
    server["transparent"] = true.into();
    json!({"admin": {"listen": "127.0.0.1:0"}, "mcpServers": {"bench": server}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_binary_it_says_why_it_is_not_measured() {
        let reason = |binary: Option<&str>| {
            let shelf = Shelf { other_build: binary.map(Into::into), ..Shelf::at("/nowhere".into()) };
            OtherBuild.find(&shelf).unwrap_err().to_string()
        };
        assert!(reason(None).contains("--other-build"));
        assert_eq!(reason(Some("/nowhere")), "no binary at /nowhere");
    }
}
