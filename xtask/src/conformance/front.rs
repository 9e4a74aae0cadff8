//! The gateway in front of one upstream, the way the suite needs it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::guard::{Guarded, Output};

/// Starts the gateway in front of one transparent upstream; the address is that of its front. What the gateway writes
/// lies in `dir`.
pub(crate) fn start(
    binary: &Path,
    upstream: &str,
    dir: &Path,
    start_limit: Duration,
) -> Result<(Guarded, String)> {
    let state = dir.join("state");
    fs::create_dir_all(&state)?;
    let config = dir.join("trunkline.json");
    let document = serde_json::json!({
        "listen": "127.0.0.1:0",
        "admin": { "listen": "127.0.0.1:0" },
        "log": { "format": "json" },
        "stateDir": state,
        "mcpServers": { "fixture": { "url": upstream, "transparent": true } },
    });
    fs::write(&config, serde_json::to_vec_pretty(&document)?)?;
    let mut command = Command::new(binary);
    command.arg("serve").arg("--config").arg(&config);
    let gateway = Guarded::start("the gateway", command, Output::Stderr)?;
    let listening = gateway.wait_for(start_limit, ready)?;
    let port = listening.rsplit(':').next().context("an address ends with a port")?;
    let port = port.split('/').next().unwrap_or(port);
    if port.parse::<u16>().is_err() {
        bail!("the gateway says that it listens on {listening}");
    }
    // By name: the suite's rebinding scenario wants it so.
    Ok((gateway, format!("http://localhost:{port}/mcp")))
}

/// The front's address, from the log line that says that the gateway is ready.
fn ready(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    line.get("message")?.as_str().filter(|message| message.contains("ready"))?;
    ["endpoint", "listen", "address", "url"].iter().find_map(|key| line.get(key)?.as_str().map(str::to_owned))
}
