//! agentgateway: the nearest relative, in Rust. No registry has its binary, so it is named by hand.
//!
//! Its port cannot be bound to one address: while it runs, it can be reached from outside unless the machine keeps
//! others away.

use std::process::Command;

use serde_json::{Value, json};

use super::peer::{Claims, Installed, Peer, Stage, Upstream, Wire};
use super::shelf::{Shelf, by_hand};
use crate::era::Era;

#[derive(Debug)]
pub(super) struct Agentgateway;

impl Peer for Agentgateway {
    fn claims(&self) -> &'static Claims {
        &Claims {
            name: "agentgateway",
            title: "agentgateway",
            wires: &[Wire::Http, Wire::Stdio],
            eras: &[Era::Modern, Era::Legacy],
            // From a child it goes to the stream of its session, which a caller of the modern era does not have.
            progress: &[(Wire::Http, Era::Modern), (Wire::Http, Era::Legacy)],
            path: "/mcp",
            prefix: "",
        }
    }

    fn find(&self, shelf: &Shelf) -> anyhow::Result<Installed> {
        by_hand(shelf.agentgateway.as_ref(), "--agentgateway", "-V")
    }

    fn command(&self, installed: &Installed, stage: Stage<'_>) -> anyhow::Result<Command> {
        let file = stage.folder.join("agentgateway.yaml");
        // JSON is YAML, and its strings need no second thought.
        std::fs::write(&file, configuration(stage.port, stage.upstream).to_string())?;
        let mut command = Command::new(&installed.program);
        command.arg("-f").arg(file).env("RUST_LOG", "error");
        Ok(command)
    }
}

fn configuration(port: u16, upstream: &Upstream) -> Value {
    // One target alone: names keep their spelling.
    let target = match upstream {
        Upstream::Http(url) => json!({"name": "bench", "mcp": {"host": url.to_string()}}),
        Upstream::Child(words) => {
            json!({"name": "bench", "stdio": {"cmd": words.first(), "args": words.get(1..)}})
        }
    };
    // What else it listens on goes to any free port of the loopback.
    let aside = "127.0.0.1:0";
    json!({
        "config": {"workerThreads": 2, "adminAddr": aside, "statsAddr": aside, "readinessAddr": aside},
        "binds": [{"port": port, "listeners": [{"routes": [{"backends": [{"mcp": {"targets": [target]}}]}]}]}],
    })
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    fn target(upstream: &Upstream) -> Value {
        let configuration = configuration(81, upstream);
        assert_eq!(configuration["binds"][0]["port"], 81);
        configuration["binds"][0]["listeners"][0]["routes"][0]["backends"][0]["mcp"]["targets"].clone()
    }

    #[test]
    fn it_is_told_of_either_kind_of_upstream() {
        let http = Upstream::Http(Uri::from_static("http://127.0.0.1:82/mcp"));
        assert_eq!(target(&http), json!([{"name": "bench", "mcp": {"host": "http://127.0.0.1:82/mcp"}}]));
        let child = Upstream::Child(vec!["a b".into(), "--c".into()]);
        assert_eq!(target(&child), json!([{"name": "bench", "stdio": {"cmd": "a b", "args": ["--c"]}}]));
    }

    #[test]
    fn without_a_binary_it_says_why_it_is_not_measured() {
        let reason = |agentgateway: Option<&str>| {
            let shelf = Shelf { agentgateway: agentgateway.map(Into::into), ..Shelf::at("/nowhere".into()) };
            Agentgateway.find(&shelf).unwrap_err().to_string()
        };
        assert!(reason(None).contains("--agentgateway"));
        assert_eq!(reason(Some("/nowhere")), "no binary at /nowhere");
    }
}
