//! The real clients.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::servers::{Eras, Place, Server, Wire};
use super::tap::side;
use crate::build;
use crate::peers::Peers;

/// One client over one wire.
pub(crate) struct Client {
    /// As on the command line and in the record.
    pub(crate) id: &'static str,
    /// As a reader knows it.
    pub(crate) label: &'static str,
    /// The newest revision it speaks.
    pub(crate) revision: &'static str,
    pub(crate) wire: Wire,
    pub(crate) eras: Eras,
    /// The program: names of paths of install.sh, files of `clients/`, arguments.
    pub(crate) program: &'static [&'static str],
    /// What its SDK has.
    pub(crate) can: Can,
    /// Whether the default run tries it against every server, or only against the leading ones.
    pub(crate) leading: bool,
}

/// What a client can do.
pub(crate) struct Can {
    pub(crate) elicit: bool,
    pub(crate) progress: bool,
    pub(crate) complete: bool,
    /// Whether its report shows the wire. Otherwise results are what the SDK made of them, with fewer members.
    pub(crate) show_the_wire: bool,
}

const OLD: Can = Can { elicit: false, progress: true, complete: true, show_the_wire: true };
const NEW: Can = Can { elicit: true, progress: true, complete: true, show_the_wire: true };

/// All of them.
pub(crate) const CLIENTS: &[Client] = &[
    Client {
        id: "ts-1.0-stdio",
        label: "TypeScript SDK 1.0.4",
        revision: "2024-11-05",
        wire: Wire::Stdio,
        eras: Eras::Legacy,
        program: &["PEER_NODE", "clients/ts-old.mjs", "--mode", "1.0"],
        can: OLD,
        leading: false,
    },
    Client {
        id: "ts-1.7-sse",
        label: "TypeScript SDK 1.7.0",
        revision: "2024-11-05",
        wire: Wire::Sse,
        eras: Eras::Legacy,
        program: &["PEER_NODE", "clients/ts-old.mjs", "--mode", "1.7"],
        can: OLD,
        leading: false,
    },
    Client {
        id: "ts-1.12-http",
        label: "TypeScript SDK 1.12.3",
        revision: "2025-03-26",
        wire: Wire::Http,
        eras: Eras::Legacy,
        program: &["PEER_NODE", "clients/ts-old.mjs", "--mode", "1.12"],
        can: OLD,
        leading: false,
    },
    Client {
        id: "ts-1.17-http",
        label: "TypeScript SDK 1.17.5",
        revision: "2025-06-18",
        wire: Wire::Http,
        eras: Eras::Legacy,
        program: &["PEER_NODE", "clients/ts-old.mjs", "--mode", "1.17"],
        can: NEW,
        leading: false,
    },
    Client {
        id: "ts-1.32-http",
        label: "TypeScript SDK 1.32.2",
        revision: "2025-11-25",
        wire: Wire::Http,
        eras: Eras::Legacy,
        program: &["PEER_NODE", "clients/ts1.mjs"],
        can: NEW,
        leading: true,
    },
    Client {
        id: "ts-1.32-ws",
        label: "TypeScript SDK 1.32.2",
        revision: "2025-11-25",
        wire: Wire::Ws,
        eras: Eras::Legacy,
        program: &["PEER_NODE", "clients/ts1.mjs"],
        can: NEW,
        leading: false,
    },
    Client {
        id: "py-1.6-sse",
        label: "Python mcp 1.6.0",
        revision: "2024-11-05",
        wire: Wire::Sse,
        eras: Eras::Legacy,
        program: &["PEER_PYTHON_1_6", "-Wignore", "clients/py_old.py"],
        can: Can { progress: false, ..OLD },
        leading: false,
    },
    Client {
        id: "py-1.6-ws",
        label: "Python mcp 1.6.0",
        revision: "2024-11-05",
        wire: Wire::Ws,
        eras: Eras::Legacy,
        program: &["PEER_PYTHON_1_6", "-Wignore", "clients/py_old.py"],
        can: Can { progress: false, ..OLD },
        leading: false,
    },
    Client {
        id: "py-1.16-http",
        label: "Python mcp 1.16.0",
        revision: "2025-06-18",
        wire: Wire::Http,
        eras: Eras::Legacy,
        program: &["PEER_PYTHON_1", "-Wignore", "clients/py116.py"],
        can: NEW,
        leading: false,
    },
    Client {
        id: "py-1.30-http",
        label: "Python mcp 1.30.0",
        revision: "2025-11-25",
        wire: Wire::Http,
        eras: Eras::Legacy,
        program: &["PEER_PYTHON_1_30", "-Wignore", "clients/py_old.py"],
        can: NEW,
        leading: false,
    },
    Client {
        id: "rmcp-0.1-stdio",
        label: "rmcp 0.1.5",
        revision: "2024-11-05",
        wire: Wire::Stdio,
        eras: Eras::Legacy,
        program: &["PEER_RMCP_OLD_CLIENT"],
        can: Can { elicit: false, progress: false, complete: false, show_the_wire: false },
        leading: false,
    },
    Client {
        id: "ts-2-modern-http",
        label: "TypeScript client 2.4.0, pinned",
        revision: "2026-07-28",
        wire: Wire::Http,
        eras: Eras::Modern,
        program: &["PEER_NODE", "clients/ts2.mjs", "--mode", "modern"],
        can: NEW,
        leading: true,
    },
    Client {
        id: "ts-2-modern-stdio",
        label: "TypeScript client 2.4.0, pinned",
        revision: "2026-07-28",
        wire: Wire::Stdio,
        eras: Eras::Modern,
        program: &["PEER_NODE", "clients/ts2.mjs", "--mode", "modern"],
        can: NEW,
        leading: false,
    },
    Client {
        id: "ts-2-auto-http",
        label: "TypeScript client 2.4.0",
        revision: "2026-07-28",
        wire: Wire::Http,
        eras: Eras::Both,
        program: &["PEER_NODE", "clients/ts2.mjs", "--mode", "auto"],
        can: NEW,
        leading: false,
    },
    Client {
        id: "py-2-modern-http",
        label: "Python mcp 2.3.0, pinned",
        revision: "2026-07-28",
        wire: Wire::Http,
        eras: Eras::Modern,
        program: &["PEER_PYTHON_2", "-Wignore", "clients/py2.py", "--mode", "modern"],
        can: NEW,
        leading: false,
    },
];

/// The client whose direct view of a server stands in where the client of a cell cannot reach it by itself.
pub(crate) fn reference(server: &Server) -> Client {
    let (label, program): (_, &'static [&'static str]) = match server.eras {
        Eras::Legacy => ("TypeScript SDK 1.32.2", &["PEER_NODE", "clients/ts1.mjs"]),
        Eras::Modern | Eras::Both => {
            ("TypeScript client 2.4.0", &["PEER_NODE", "clients/ts2.mjs", "--mode", "auto"])
        }
    };
    Client {
        id: "reference",
        label,
        revision: server.revision,
        wire: server.wire,
        eras: server.eras,
        program,
        can: NEW,
        leading: false,
    }
}

/// For one client to take all its steps. They have limits of their own, which are shorter.
const LIMIT: Duration = Duration::from_secs(90);
/// For one step.
const STEP_MS: &str = "12000";

impl Client {
    /// Whether it reaches the server without the gateway.
    pub(crate) fn reaches(&self, server: &Server) -> bool {
        self.wire == server.wire && self.eras.meet(server.eras)
    }

    /// Takes the server's steps and returns the report, or one that says that there is none. What the client says besides
    /// goes to `log.err`.
    pub(crate) fn run(&self, peers: &Peers, server: &Server, place: &Place, log: &Path) -> Result<Value> {
        let mut words = Vec::new();
        for word in self.program {
            words.push(if word.starts_with("PEER_") {
                peers.path(word)?
            } else if word.starts_with("clients/") {
                build::root().join("tests/peers").join(word)
            } else {
                (*word).into()
            });
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        if self.can.show_the_wire {
            command.args(["--timeout", STEP_MS]);
        }
        for (feature, step) in server.steps {
            if !self.can.complete && *feature == super::features::Feature::Complete {
                continue;
            }
            command.args(*step);
        }
        match (place, self.wire) {
            (Place::Command(words), _) => command.arg("--stdio").args(words),
            (Place::Url(url), Wire::Sse) => command.args(["--transport", "sse", "--http", url]),
            (Place::Url(url), Wire::Ws) => command.args(["--transport", "ws", "--http", url]),
            (Place::Url(url), _) => command.args(["--http", url]),
        };
        let output = bounded(command, File::create(side(log, "err"))?)
            .with_context(|| format!("cannot run {}", self.id))?;
        Ok(serde_json::from_str(output.lines().last().unwrap_or_default()).unwrap_or_else(|_| {
            serde_json::json!({ "failures": [{ "step": "client", "message": "the client ended without a report" }] })
        }))
    }
}

/// Runs a command for as long as it may take, and returns what it wrote to standard output.
fn bounded(mut command: Command, errors: File) -> Result<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn()?;
    let mut pipe = child.stdout.take().context("stdout was piped")?;
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        // What came before a broken pipe is still a report.
        let _ = std::io::Read::read_to_end(&mut pipe, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let deadline = Instant::now() + LIMIT;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(reader.join().unwrap_or_default())
}
