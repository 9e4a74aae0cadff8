//! Saying that we are ready: one line for machines, a short panel for people.

use std::fmt::Write;
use std::net::SocketAddr;

use trunkline_gateway::catalog::Source;
use trunkline_model::ListKind;
use trunkline_upstream::Phase;

use super::phase::is_up;

use crate::terminal::{Paint, Terminal, one_line};

/// Says that the gateway is ready.
pub(super) fn announce(
    sources: &[Source],
    endpoint: SocketAddr,
    admin: Option<SocketAddr>,
    terminal: &Terminal,
) {
    let up = sources.iter().filter(|source| is_up(&source.status.phase)).count();
    let (servers, endpoint_url) = (sources.len(), format!("http://{endpoint}/mcp"));
    let admin_url = admin.map(|admin| format!("http://{admin}"));
    if tracing::enabled!(tracing::Level::INFO) {
        tracing::info!(endpoint = endpoint_url, admin = admin_url, servers, up, "ready");
    } else {
        // Scripts wait for this word, whatever is logged.
        terminal.insist(&format!("ready endpoint={endpoint_url} servers={servers} up={up}"));
    }
    if terminal.interactive {
        terminal.say(&panel(sources, &endpoint_url, admin_url.as_deref(), terminal));
    }
}

fn panel(sources: &[Source], endpoint: &str, admin: Option<&str>, terminal: &Terminal) -> String {
    let mut text = format!("\n  {}  {endpoint}\n", terminal.paint_err(Paint::Bold, "Trunkline"));
    let width = sources.iter().map(|source| source.rules.server.chars().count()).max().unwrap_or(0).min(32);
    for source in sources {
        let (phase, name) = (&source.status.phase, one_line(&source.rules.server));
        let paint = match phase {
            Phase::Ready | Phase::Idle => Paint::Good,
            Phase::Starting | Phase::Impaired(_) | Phase::Stopped => Paint::Warn,
            Phase::Down { .. } => Paint::Bad,
        };
        let state = terminal.paint_err(paint, phase.as_str());
        // Writing to a string cannot fail.
        let _ = write!(text, "    {name:<width$}  {state}");
        if let Some(offer) = &source.offer {
            let tools = offer.list(ListKind::Tools).len();
            let _ = write!(text, ", {tools} tool{}", if tools == 1 { "" } else { "s" });
        }
        if let Some(reason) = phase.reason() {
            let _ = write!(text, ": {}", one_line(reason));
        }
        text.push('\n');
    }
    if sources.is_empty() {
        text.push_str("    no servers yet; `trunkline import` finds those of your MCP clients\n");
    }
    if let Some(admin) = admin {
        let _ = writeln!(text, "  {} {admin}/health", terminal.paint_err(Paint::Dim, "health "));
    }
    let hint = terminal.paint_err(Paint::Dim, "connect");
    text + &format!("  {hint} trunkline connect claude-code\n")
}
