//! Where the MCP software that we did not write is installed. The names are those of `tests/peers/install.sh`.

use std::path::{Path, PathBuf};

fn cache() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("TRUNKLINE_PEERS").unwrap_or_else(|| {
        let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        cache.expect("HOME or TRUNKLINE_PEERS is set").join("trunkline/peers")
    })
}

/// The checkout.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("tests/e2e lies in the checkout").to_owned()
}

/// A file of the peers.
///
/// # Panics
/// When it is not installed: a test that cannot run has failed.
pub fn path(inside: &str) -> String {
    let path = cache().join(inside);
    assert!(
        path.exists(),
        "\n\n  The test peers are not installed: {} is missing.\n  Run: tests/peers/install.sh npm python rmcp old-npm old-python old-rmcp\n",
        path.display()
    );
    path.to_str().expect("the cache folder's name is text").to_owned()
}

/// A program and its arguments.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables set for it.
    pub env: Vec<(String, String)>,
}

impl Program {
    fn new(command: String, args: &[&str]) -> Self {
        Self { command, args: args.iter().map(|&arg| arg.to_owned()).collect(), env: Vec::new() }
    }

    /// The same with one more argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// The same with a variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// As an entry of `mcpServers`.
    pub fn entry(&self) -> serde_json::Value {
        let env: serde_json::Map<_, _> =
            self.env.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
        serde_json::json!({ "command": self.command, "args": self.args, "env": env })
    }
}

/// Node 24.
pub fn node() -> String {
    path("bin/node")
}

fn script(inside: &str, args: &[&str]) -> Program {
    let mut all = vec![path(inside)];
    all.extend(args.iter().map(|&arg| arg.to_owned()));
    Program { command: node(), args: all, env: Vec::new() }
}

/// `@modelcontextprotocol/server-everything` 2026.8.31 over stdio.
pub fn everything() -> Program {
    script("npm/legacy/node_modules/@modelcontextprotocol/server-everything/dist/index.js", &["stdio"])
}

/// `@modelcontextprotocol/server-everything` 0.6.2 over stdio.
pub fn everything_0_6() -> Program {
    script("npm/legacy/node_modules/server-everything-0.6/dist/index.js", &[])
}

/// `@modelcontextprotocol/server-filesystem` for one folder.
pub fn filesystem(folder: &Path) -> Program {
    let folder = folder.to_str().expect("the folder's name is text");
    script("npm/legacy/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js", &[folder])
}

/// `@modelcontextprotocol/server-memory` with its graph in `file`.
pub fn memory(file: &Path) -> Program {
    let file = file.to_str().expect("the file's name is text");
    script("npm/legacy/node_modules/@modelcontextprotocol/server-memory/dist/index.js", &[])
        .env("MEMORY_FILE_PATH", file)
}

/// `mcp-server-time`.
pub fn time() -> Program {
    Program::new(path("python/servers/bin/mcp-server-time"), &["--local-timezone", "Europe/Zurich"])
}

/// `mcp-server-git` for one repository.
pub fn git(repository: &Path) -> Program {
    let repository = repository.to_str().expect("the folder's name is text");
    Program::new(path("python/servers/bin/mcp-server-git"), &["--repository", repository])
}

/// Our fixture server in a mode, over stdio, with the extra tools.
pub fn ts_server(mode: &str) -> Program {
    let file = root().join("tests/peers/fixtures/ts-server.mjs");
    let file = file.to_str().expect("the checkout's name is text");
    // It looks for its packages there.
    let peers = cache().to_str().expect("the cache folder's name is text").to_owned();
    Program::new(node(), &[file, "--stdio", "--extra", "--mode", mode]).env("TRUNKLINE_PEERS", peers)
}

/// Our fixture server with skills, over stdio.
pub fn ts_skills(mode: &str, arguments: &[&str]) -> Program {
    let file = root().join("tests/peers/fixtures/ts-skills.mjs");
    let file = file.to_str().expect("the checkout's name is text");
    let peers = cache().to_str().expect("the cache folder's name is text").to_owned();
    let mut program = Program::new(node(), &[file, "--stdio", "--mode", mode]).env("TRUNKLINE_PEERS", peers);
    program.args.extend(arguments.iter().map(|&arg| arg.to_owned()));
    program
}

/// The suite's fixture on crate rmcp, over stdio: the one with skills that the SDK for TypeScript does not check.
pub fn rmcp_suite() -> Program {
    Program::new(path("rmcp/bin/rmcp-suite"), &["--stdio"])
}

/// The server on crate rmcp, over stdio.
pub fn rmcp_server() -> Program {
    Program::new(path("rmcp/bin/rmcp-server"), &["--stdio"])
}

/// `mcp-server-time` on a Python SDK of 2024 or 2025: `12` is mcp 1.2.1, `16` is mcp 1.6.0.
pub fn old_time(sdk: &str) -> Program {
    let program = path(&format!("python/old-{sdk}/bin/mcp-server-time"));
    Program::new(program, &["--local-timezone", "Europe/Zurich"])
}

/// The server on crate rmcp 0.1.5, over stdio.
pub fn rmcp_old_server() -> Program {
    Program::new(path("rmcp-old/bin/rmcp-old-server"), &["--stdio"])
}
