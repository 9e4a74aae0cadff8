//! The real servers, and for each the steps that try its features.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::features::Feature::{self, Call, Complete, Elicit, Errors, Progress, Prompt, Read, Roots, Sample};
use crate::build;
use crate::guard::{Guarded, Output};
use crate::peers::Peers;

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wire {
    /// Standard input and output.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// The HTTP+SSE transport of 2024-11-05.
    Sse,
    /// WebSocket, one message a frame, subprotocol `mcp`.
    Ws,
}

impl Wire {
    /// As in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "HTTP",
            Self::Sse => "SSE",
            Self::Ws => "WebSocket",
        }
    }
}

/// What a server or client can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eras {
    /// 2024-11-05 to 2025-11-25.
    Legacy,
    /// 2026-07-28.
    Modern,
    /// All.
    Both,
}

impl Eras {
    /// Whether two peers understand each other without a gateway.
    pub(crate) fn meet(self, other: Self) -> bool {
        self == other || self == Self::Both || other == Self::Both
    }
}

/// One server over one wire.
pub(crate) struct Server {
    /// As on the command line and in the record.
    pub(crate) id: &'static str,
    /// As a reader knows it.
    pub(crate) label: &'static str,
    /// The newest revision it speaks.
    pub(crate) revision: &'static str,
    pub(crate) wire: Wire,
    pub(crate) eras: Eras,
    /// The program: the name of a path of install.sh, or `fixtures/...`, then its arguments. A path that is a script is
    /// preceded by the program that runs it.
    pub(crate) program: &'static [&'static str],
    /// What to try, in this order.
    pub(crate) steps: &'static [(Feature, &'static [&'static str])],
    /// Whether the default run has it with every client, or only with a few.
    pub(crate) leading: bool,
}

/// For a server to be up. Python on a busy machine takes its time.
const START_LIMIT: Duration = Duration::from_mins(1);

const UNKNOWN: (Feature, &[&str]) = (Errors, &["--call", "no_such_tool", "{}"]);

const EVERYTHING_0_6: &[(Feature, &[&str])] = &[
    (Call, &["--call", "echo", r#"{"message":"a\u0000 ü 😀"}"#]),
    (Call, &["--call", "add", r#"{"a":2,"b":3.5}"#]),
    (Errors, &["--call", "add", r#"{"a":"two"}"#]),
    UNKNOWN,
    (Progress, &["--call", "longRunningOperation", r#"{"duration":0.4,"steps":2}"#]),
    (Read, &["--read", "test://static/resource/1"]),
    (Prompt, &["--prompt", "complex_prompt", r#"{"temperature":"1","style":"plain"}"#]),
    (Sample, &["--call", "sampleLLM", r#"{"prompt":"p","maxTokens":5}"#]),
];

// It asks for roots once, at the start, on a stream that the client may not have opened yet: with or without us, chance
// decides whether it hears of them. So roots are not tried.
const EVERYTHING_2025: &[(Feature, &[&str])] = &[
    (Call, &["--call", "echo", r#"{"message":"a ü 😀"}"#]),
    (Call, &["--call", "structuredContent", r#"{"location":"Bern"}"#]),
    (Call, &["--call", "getResourceLinks", r#"{"count":2}"#]),
    (Errors, &["--call", "add", r#"{"a":"two"}"#]),
    UNKNOWN,
    (Progress, &["--call", "longRunningOperation", r#"{"duration":0.4,"steps":2}"#]),
    (Read, &["--read", "test://static/resource/1"]),
    (Prompt, &["--prompt", "complex_prompt", r#"{"temperature":"1","style":"plain"}"#]),
    (Complete, &["--complete", "prompt:complex_prompt", "style", "c"]),
    (Elicit, &["--call", "startElicitation", "{}"]),
    (Sample, &["--call", "sampleLLM", r#"{"prompt":"p","maxTokens":5}"#]),
];

// This server asks for roots a moment after the start; the long step before gives it the time.
const EVERYTHING_2026: &[(Feature, &[&str])] = &[
    (Call, &["--call", "echo", r#"{"message":"a ü 😀"}"#]),
    (Call, &["--call", "get-structured-content", r#"{"location":"New York"}"#]),
    (Call, &["--call", "get-resource-links", r#"{"count":2}"#]),
    (Errors, &["--call", "get-sum", r#"{"a":"two"}"#]),
    UNKNOWN,
    (Progress, &["--call", "trigger-long-running-operation", r#"{"duration":0.9,"steps":2}"#]),
    (Read, &["--read", "demo://resource/static/document/architecture.md"]),
    (Prompt, &["--prompt", "args-prompt", r#"{"city":"Bern"}"#]),
    (Complete, &["--complete", "prompt:completable-prompt", "department", "E"]),
    (Elicit, &["--call", "trigger-elicitation-request", "{}"]),
    (Sample, &["--call", "trigger-sampling-request", r#"{"prompt":"p","maxTokens":5}"#]),
    (Roots, &["--call", "get-roots-list", "{}"]),
];

const TIME: &[(Feature, &[&str])] = &[
    (
        Call,
        &[
            "--call",
            "convert_time",
            r#"{"source_timezone":"UTC","time":"12:00","target_timezone":"Asia/Tokyo"}"#,
        ],
    ),
    (
        Errors,
        &[
            "--call",
            "convert_time",
            r#"{"source_timezone":"Nowhere","time":"12:00","target_timezone":"UTC"}"#,
        ],
    ),
    UNKNOWN,
];

const RMCP_OLD: &[(Feature, &[&str])] = &[
    (Call, &["--call", "echo", r#"{"message":"a ü 😀"}"#]),
    (Call, &["--call", "add", r#"{"a":2,"b":3}"#]),
    (Errors, &["--call", "fail", "{}"]),
    UNKNOWN,
    (Read, &["--read", "rmcp-old://about"]),
    (Prompt, &["--prompt", "greet", r#"{"name":"Ada"}"#]),
];

const RMCP: &[(Feature, &[&str])] = &[
    (Call, &["--call", "echo", r#"{"message":"a ü 😀","n":[1,2.5,null]}"#]),
    (Errors, &["--call", "add", r#"{"a":"two","b":1}"#]),
    UNKNOWN,
    (Progress, &["--call", "slow", r#"{"ms":300,"steps":3}"#]),
    (Read, &["--read", "rmcp://about"]),
    (Prompt, &["--prompt", "greet", r#"{"name":"Ada"}"#]),
    (Complete, &["--complete", "prompt:greet", "name", "a"]),
];

const PYTHON: &[(Feature, &[&str])] = &[
    (Call, &["--call", "echo", r#"{"message":"a ü 😀"}"#]),
    (Call, &["--call", "add", r#"{"a":2,"b":3}"#]),
    (Errors, &["--call", "fail", "{}"]),
    UNKNOWN,
    (Progress, &["--call", "slow", r#"{"steps":3}"#]),
    (Read, &["--read", "py://about"]),
    (Prompt, &["--prompt", "greet", r#"{"name":"Ada"}"#]),
    (Elicit, &["--call", "ask_form", "{}"]),
    (Sample, &["--call", "ask_model", r#"{"prompt":"p"}"#]),
    (Roots, &["--call", "ask_roots", "{}"]),
];

// Its tools that ask do so in the way of sessions only.
const PYTHON_2: &[(Feature, &[&str])] = &[
    (Call, &["--call", "echo", r#"{"message":"a ü 😀"}"#]),
    (Call, &["--call", "add", r#"{"a":2,"b":3}"#]),
    (Errors, &["--call", "fail", "{}"]),
    UNKNOWN,
    (Progress, &["--call", "slow", r#"{"steps":3}"#]),
    (Read, &["--read", "py://about"]),
    (Prompt, &["--prompt", "greet", r#"{"name":"Ada"}"#]),
];

const TYPESCRIPT_2: &[(Feature, &[&str])] = &[
    (Call, &["--call", "echo", r#"{"message":"a ü 😀","n":[1,2.5,null]}"#]),
    (Call, &["--call", "test_multiple_content_types", "{}"]),
    (Errors, &["--call", "test_error_handling", "{}"]),
    UNKNOWN,
    (Progress, &["--call", "slow", r#"{"ms":300,"steps":3}"#]),
    (Read, &["--read", "test://static-text"]),
    (Prompt, &["--prompt", "test_prompt_with_arguments", r#"{"arg1":"x","arg2":"y"}"#]),
    (Complete, &["--complete", "prompt:test_prompt_with_arguments", "arg1", "par"]),
    (Elicit, &["--call", "test_input_required_result_elicitation", "{}"]),
    (Sample, &["--call", "test_input_required_result_sampling", "{}"]),
    (Roots, &["--call", "test_input_required_result_list_roots", "{}"]),
];

const LOOPBACK: &str = "fixtures/loopback.mjs";

/// All of them.
pub(crate) const SERVERS: &[Server] = &[
    Server {
        id: "everything-0.6-stdio",
        label: "everything 0.6.2",
        revision: "2024-11-05",
        wire: Wire::Stdio,
        eras: Eras::Legacy,
        program: &["PEER_NODE", "PEER_EVERYTHING_0_6"],
        steps: EVERYTHING_0_6,
        leading: false,
    },
    Server {
        id: "time-1.2-stdio",
        label: "time on Python mcp 1.2.1",
        revision: "2024-11-05",
        wire: Wire::Stdio,
        eras: Eras::Legacy,
        program: &["PEER_TIME_1_2", "--local-timezone", "UTC"],
        steps: TIME,
        leading: false,
    },
    Server {
        id: "time-1.6-stdio",
        label: "time on Python mcp 1.6.0",
        revision: "2024-11-05",
        wire: Wire::Stdio,
        eras: Eras::Legacy,
        program: &["PEER_TIME_1_6", "--local-timezone", "UTC"],
        steps: TIME,
        leading: false,
    },
    Server {
        id: "rmcp-0.1-stdio",
        label: "rmcp 0.1.5",
        revision: "2024-11-05",
        wire: Wire::Stdio,
        eras: Eras::Legacy,
        program: &["PEER_RMCP_OLD_SERVER", "--stdio"],
        steps: RMCP_OLD,
        leading: false,
    },
    Server {
        id: "rmcp-0.1-sse",
        label: "rmcp 0.1.5",
        revision: "2024-11-05",
        wire: Wire::Sse,
        eras: Eras::Legacy,
        program: &["PEER_RMCP_OLD_SERVER", "--port", "0"],
        steps: RMCP_OLD,
        leading: false,
    },
    Server {
        id: "everything-2025-http",
        label: "everything 2025.9.25",
        revision: "2025-06-18",
        wire: Wire::Http,
        eras: Eras::Legacy,
        program: &["PEER_NODE", "--import", LOOPBACK, "PEER_EVERYTHING_2025", "streamableHttp"],
        steps: EVERYTHING_2025,
        leading: false,
    },
    Server {
        id: "everything-2026-stdio",
        label: "everything 2026.8.31",
        revision: "2025-11-25",
        wire: Wire::Stdio,
        eras: Eras::Legacy,
        program: &["PEER_NODE", "PEER_EVERYTHING", "stdio"],
        steps: EVERYTHING_2026,
        leading: false,
    },
    Server {
        id: "everything-2026-http",
        label: "everything 2026.8.31",
        revision: "2025-11-25",
        wire: Wire::Http,
        eras: Eras::Legacy,
        program: &["PEER_NODE", "--import", LOOPBACK, "PEER_EVERYTHING", "streamableHttp"],
        steps: EVERYTHING_2026,
        leading: true,
    },
    Server {
        id: "everything-2026-sse",
        label: "everything 2026.8.31",
        revision: "2025-11-25",
        wire: Wire::Sse,
        eras: Eras::Legacy,
        program: &["PEER_NODE", "--import", LOOPBACK, "PEER_EVERYTHING", "sse"],
        steps: EVERYTHING_2026,
        leading: false,
    },
    Server {
        id: "py-1.30-http",
        label: "Python mcp 1.30.0",
        revision: "2025-11-25",
        wire: Wire::Http,
        eras: Eras::Legacy,
        program: &["PEER_PYTHON_1_30", "-Wignore", "fixtures/py-app.py", "--transport", "http"],
        steps: PYTHON,
        leading: false,
    },
    Server {
        id: "py-1.30-ws",
        label: "Python mcp 1.30.0",
        revision: "2025-11-25",
        wire: Wire::Ws,
        eras: Eras::Legacy,
        program: &["PEER_PYTHON_1_30", "-Wignore", "fixtures/py-app.py", "--transport", "ws"],
        steps: PYTHON,
        leading: false,
    },
    Server {
        id: "ts-2-modern-http",
        label: "TypeScript server 2.4.0, modern only",
        revision: "2026-07-28",
        wire: Wire::Http,
        eras: Eras::Modern,
        program: &["PEER_NODE", "fixtures/ts-server.mjs", "--mode", "modern-only", "--extra", "--port", "0"],
        steps: TYPESCRIPT_2,
        leading: true,
    },
    Server {
        id: "py-2.3-http",
        label: "Python mcp 2.3.0",
        revision: "2026-07-28",
        wire: Wire::Http,
        eras: Eras::Both,
        program: &["PEER_PYTHON_2", "-Wignore", "fixtures/py-app.py", "--transport", "http"],
        steps: PYTHON_2,
        leading: false,
    },
    Server {
        id: "rmcp-3.9-http",
        label: "rmcp 3.9.0",
        revision: "2026-07-28",
        wire: Wire::Http,
        eras: Eras::Both,
        program: &["PEER_RMCP_SERVER", "--port", "0"],
        steps: RMCP,
        leading: false,
    },
    Server {
        id: "rmcp-3.9-stdio",
        label: "rmcp 3.9.0",
        revision: "2026-07-28",
        wire: Wire::Stdio,
        eras: Eras::Both,
        program: &["PEER_RMCP_SERVER", "--stdio"],
        steps: RMCP,
        leading: false,
    },
];

impl Server {
    /// The program with its arguments.
    pub(crate) fn command(&self, peers: &Peers) -> Result<Vec<String>> {
        let word = |word: &&str| -> Result<String> {
            let path = if word.starts_with("PEER_") {
                peers.path(word)?
            } else if word.starts_with("fixtures/") {
                build::root().join("tests/peers").join(word)
            } else {
                return Ok((*word).to_owned());
            };
            Ok(path.to_str().context("paths are text")?.to_owned())
        };
        self.program.iter().map(word).collect()
    }

    /// Starts it as a process of its own, and says where it listens.
    pub(crate) fn start(&self, peers: &Peers) -> Result<(Guarded, String)> {
        let words = self.command(peers)?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("PORT", "0");
        command.env("LOOPBACK_PATH", if self.wire == Wire::Sse { "/sse" } else { "/mcp" });
        let server = Guarded::start(self.id, command, Output::Stdout)?;
        let url = server.wait_for(START_LIMIT, |line| {
            let said: Value = serde_json::from_str(line).ok()?;
            Some(said.get("url")?.as_str()?.to_owned())
        })?;
        Ok((server, url))
    }

    /// Its entry in the gateway's configuration. `command` or `url` is how it is reached.
    pub(crate) fn entry(&self, place: &Place) -> Value {
        let mut entry = match place {
            Place::Command(words) => json!({ "command": words[0], "args": words[1..] }),
            Place::Url(url) => json!({ "url": url }),
        };
        entry["transparent"] = json!(true);
        // Long enough for Python to be up on a busy machine; a silent server costs this much, once.
        entry["timeouts"] = json!({ "probe": "5s" });
        match self.wire {
            Wire::Sse => entry["type"] = json!("sse"),
            Wire::Ws => entry["type"] = json!("ws"),
            Wire::Stdio | Wire::Http => {}
        }
        entry
    }
}

/// How something is reached.
pub(crate) enum Place {
    /// By starting it.
    Command(Vec<String>),
    /// At an address.
    Url(String),
}

impl Place {
    /// The same behind a tee that writes what passes into `log`.
    pub(crate) fn teed(words: &[String], log: &Path) -> Result<Vec<String>> {
        let ours = std::env::current_exe().context("xtask has a path")?;
        let ours = ours.to_str().context("paths are text")?.to_owned();
        let log = log.to_str().context("paths are text")?.to_owned();
        Ok([vec![ours, "__tee".to_owned(), log], words.to_vec()].concat())
    }
}
