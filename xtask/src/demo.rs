//! `cargo xtask run`: Trunkline in front of three real servers, on a machine that may lack some of what they need.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::build;

const EVERYTHING: &str = "@modelcontextprotocol/server-everything@2026.8.31";
const MEMORY: &str = "@modelcontextprotocol/server-memory@2026.8.31";
const TIME: &str = "mcp-server-time==2026.10.10";
const ENDPOINT: &str = "127.0.0.1:8808";
const ADMIN: &str = "127.0.0.1:8809";
/// Time for the servers to come up; the first start downloads them.
const PATIENCE: Duration = Duration::from_mins(3);

/// Builds, starts, shows; ends with the gateway, or at once with `--once`.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let release = arguments.iter().any(|a| a == "--release");
    let once = arguments.iter().any(|a| a == "--once");
    let binary = program(release)?;
    let folder = build::target_dir().join("demo");
    std::fs::create_dir_all(&folder)?;
    let config = folder.join("trunkline.json");
    std::fs::write(&config, serde_json::to_vec_pretty(&document(&binary, &folder))?)?;
    let mut gateway = Gateway::start(&binary, &config)?;
    gateway.wait_until_ready()?;
    show(&binary, &config)?;
    if once {
        return gateway.stop();
    }
    println!("Stop it with Ctrl-C.");
    let status = gateway.0.wait()?;
    Ok(status.success())
}

fn program(release: bool) -> Result<PathBuf> {
    println!("Building Trunkline (a few minutes the first time) ...");
    if !release {
        return build::gateway();
    }
    let built =
        build::cargo(&["build", "--quiet", "--release", "--package", "trunkline", "--bin", "trunkline"]);
    let status = { built }.status().context("cargo")?;
    if !status.success() {
        bail!("the gateway does not build");
    }
    Ok(build::target_dir().join("release/trunkline"))
}

/// The configuration: real servers where the machine can run them, the built-in sample where it cannot.
fn document(binary: &Path, folder: &Path) -> Value {
    let mut servers = serde_json::Map::new();
    let sample = |why: &str, name: &str| {
        println!("  {name}: {why}; a small built-in sample server stands in for it.");
        json!({ "command": binary, "args": ["__sample"] })
    };
    let npx = works("npx", &["--version"]);
    for (name, package) in [("everything", EVERYTHING), ("memory", MEMORY)] {
        let server = if npx {
            json!({ "command": "npx", "args": ["-y", package], "timeouts": { "connect": "120s", "probe": "90s" } })
        } else {
            sample("npx is missing", name)
        };
        servers.insert(name.to_owned(), server);
    }
    let time = match python(folder) {
        Ok(python) => json!({ "command": python, "args": ["-m", "mcp_server_time"] }),
        Err(why) => sample(&why.to_string(), "time"),
    };
    servers.insert("time".to_owned(), time);
    json!({ "listen": ENDPOINT, "admin": { "listen": ADMIN }, "mcpServers": servers })
}

fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A Python that has the time server: a virtual environment of the demo's own.
fn python(folder: &Path) -> Result<PathBuf> {
    let venv = folder.join("venv");
    let python = venv.join("bin/python");
    let has_it = || works(&python.to_string_lossy(), &["-c", "import mcp_server_time"]);
    if has_it() {
        return Ok(python);
    }
    if !works("python3", &["--version"]) {
        bail!("python3 is missing");
    }
    println!("Installing {TIME} into {} ...", venv.display());
    let place = venv.to_string_lossy().into_owned();
    if !works("python3", &["-m", "venv", &place]) {
        bail!("python3 has no venv");
    }
    if !works(&python.to_string_lossy(), &["-m", "pip", "install", "--quiet", TIME]) || !has_it() {
        bail!("pip could not install {TIME}");
    }
    Ok(python)
}

struct Gateway(Child);

impl Gateway {
    fn start(binary: &Path, config: &Path) -> Result<Self> {
        println!("Starting {} with {} ...", binary.display(), config.display());
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(config).args(["--log-level", "warn"]).stdin(Stdio::null());
        Ok(Self(command.spawn().context("cannot start the gateway")?))
    }

    /// Ready means more than listening here: the first start of a package downloads it.
    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait()? {
                bail!("the gateway ended with {status}");
            }
            if let Ok(health) = get(ADMIN, "/health") {
                let servers = health["upstreams"].as_object().cloned().unwrap_or_default();
                if !servers.is_empty() && servers.values().all(|s| s["state"] == "ready") {
                    return Ok(());
                }
                if Instant::now() > deadline {
                    println!("Some servers are not ready; see {ADMIN}/health");
                    return Ok(());
                }
            }
            if Instant::now() > deadline {
                bail!("the gateway was not ready within {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn stop(&mut self) -> Result<bool> {
        let pid = self.0.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().context("kill")?;
        Ok(self.0.wait()?.success())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // After a failure above; one that has ended already does not mind.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn show(binary: &Path, config: &Path) -> Result<()> {
    let tools = tools()?;
    println!("\nTrunkline serves {} tools at http://{ENDPOINT}/mcp\n", tools.len());
    for tool in &tools {
        let text = tool["description"].as_str().unwrap_or_default();
        let line: String = text.lines().next().unwrap_or_default().chars().take(72).collect();
        println!("  {:<48} {line}", tool["name"].as_str().unwrap_or_default());
    }
    let (binary, config) = (binary.display(), config.display());
    println!(
        "\nConnect a client:\n  \
         {binary} connect claude-code            (or cursor, vscode, codex, zed, ...; --dry-run shows the change)\n  \
         claude mcp add --transport http trunkline http://{ENDPOINT}/mcp\n  \
         any client that starts a command: {binary} stdio --config {config}\n\
         Call a tool from here:\n  \
         {binary} call --config {config} everything__echo --arg message=hello\n\
         How the servers are: http://{ADMIN}/health and {binary} doctor --config {config}\n"
    );
    Ok(())
}

/// The merged tools. A server that has just become ready may take a moment to be in the list.
fn tools() -> Result<Vec<Value>> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let listed = post(ENDPOINT, "tools/list")?;
        let tools = listed["result"]["tools"].as_array().cloned().unwrap_or_default();
        let has = |server: &str| tools.iter().any(|t| t["_meta"]["io.trunkline/server"] == server);
        if ["everything", "memory", "time"].into_iter().all(has) || Instant::now() > deadline {
            return Ok(tools);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One request of the modern era.
fn post(address: &str, method: &str) -> Result<Value> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body =
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "_meta": meta } }).to_string();
    exchange(
        address,
        &format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Accept: application/json\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

fn get(address: &str, path: &str) -> Result<Value> {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

fn exchange(address: &str, request: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").context("an HTTP answer")?.1;
    serde_json::from_str(body).context("a JSON answer")
}
