//! The driver clients: real SDKs that report what they saw.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::peers;

/// A client and how it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// TypeScript SDK 1.32.2.
    Ts1,
    /// TypeScript SDK 2.4.0, in a mode.
    Ts2(&'static str),
    /// Python SDK 1.16.0.
    Py1,
    /// Python SDK 2.3.0, in a mode.
    Py2(&'static str),
}

impl Driver {
    fn command(self) -> Command {
        let script = |name: &str| peers::root().join("tests/peers/clients").join(name);
        let (program, file, mode) = match self {
            Self::Ts1 => (peers::node(), script("ts1.mjs"), None),
            Self::Ts2(mode) => (peers::node(), script("ts2.mjs"), Some(mode)),
            Self::Py1 => (peers::path("python/client-1/bin/python"), script("py116.py"), None),
            Self::Py2(mode) => (peers::path("python/client-2/bin/python"), script("py2.py"), Some(mode)),
        };
        let mut command = Command::new(program);
        command.arg(file);
        if let Some(mode) = mode {
            command.args(["--mode", mode]);
        }
        command
    }

    /// Runs steps over HTTP and returns the report.
    pub fn http(self, url: &str, steps: &[&str]) -> Value {
        let mut command = self.command();
        command.args(steps).args(["--http", url]);
        report(&format!("{self:?}"), command)
    }

    /// Runs steps over a transport (`http`, `sse` or `ws`) and returns the report.
    pub fn over(self, transport: &str, url: &str, steps: &[&str]) -> Value {
        let mut command = self.command();
        command.args(["--transport", transport]).args(steps).args(["--http", url]);
        report(&format!("{self:?} over {transport}"), command)
    }

    /// Runs steps over the pipes of a command and returns the report.
    pub fn stdio(self, program: &str, arguments: &[&str], steps: &[&str]) -> Value {
        let mut command = self.command();
        command.args(steps).args(["--stdio", program]).args(arguments);
        report(&format!("{self:?}"), command)
    }
}

/// Uses every skill behind `url` with the TypeScript SDK in a mode (`legacy`, `modern`), and returns the report.
pub fn skills(mode: &str, url: &str) -> Value {
    let mut command = Command::new(peers::node());
    command.arg(peers::root().join("tests/peers/clients/skills.mjs")).args(["--mode", mode, "--http", url]);
    report(&format!("skills in {mode}"), command)
}

/// The TypeScript SDK 1.32.2 calling one tool as a task; its report has a form of its own.
pub fn ts1_task(url: &str, tool: &str, arguments: &str) -> Value {
    let mut command = Command::new(peers::node());
    command.arg(peers::root().join("tests/peers/clients/ts1-tasks.mjs")).args([url, tool, arguments]);
    report("ts1-tasks", command)
}

/// The client on crate rmcp; its report has a form of its own.
pub fn rmcp(url: &str, arguments: &[&str]) -> Value {
    let mut command = Command::new(peers::path("rmcp/bin/rmcp-client"));
    command.arg(url).args(arguments);
    report("rmcp-client", command)
}

fn report(name: &str, mut command: Command) -> Value {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(text.trim().lines().last().unwrap_or_default()).unwrap_or_else(|error| {
        panic!(
            "{name} gave no report ({error}): {text:.500}\n{:.2000}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// Fails unless the report is good; says what was wrong.
///
/// # Panics
/// When it is not.
pub fn assert_ok(report: &Value) {
    assert!(
        report["ok"] == true,
        "{} {}: failures {:#}\n{}",
        report["peer"],
        report["mode"],
        report["failures"],
        report["error"]
    );
}
