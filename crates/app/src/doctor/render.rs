//! The report on all servers.

use std::fmt::Write;

use serde_json::{Value, json};
use trunkline_gateway::status::circuit_json;
use trunkline_model::ListKind;

use super::Report;
use super::defaults::Check;
use crate::clock;
use crate::table;
use crate::terminal::{Paint, Terminal, one_line};

/// Lines of stderr shown of a server that failed.
const STDERR_LINES: usize = 10;

/// For programs.
pub(crate) fn as_json(reports: &[Report], checks: &[Check]) -> Value {
    let server = |report: &Report| {
        let (name, version) = match &report.offer {
            Some(offer) => offer.introduction.name_and_version(),
            None => (None, None),
        };
        json!({
            "name": &*report.name,
            "ok": report.is_well(),
            "state": report.status.phase.as_str(),
            "since": trunkline_observe::time::Rfc3339(report.status.since).to_string(),
            "reason": report.reason(),
            "transport": report.transport,
            "era": report.era(),
            "revision": report.revision(),
            "handshakeMs": report.handshake_ms(),
            "circuit": report.circuit.as_ref().map(circuit_json),
            "server": { "name": name, "version": version },
            "tools": report.count(ListKind::Tools),
            "prompts": report.count(ListKind::Prompts),
            "resources": report.count(ListKind::Resources),
            "resourceTemplates": report.count(ListKind::Templates),
            "stderr": report.status.stderr,
        })
    };
    let check = |check: &Check| json!({ "check": check.name, "ok": check.ok, "detail": check.detail });
    json!({
        "ok": reports.iter().all(Report::is_well),
        "servers": reports.iter().map(server).collect::<Vec<_>>(),
        "checks": checks.iter().map(check).collect::<Vec<_>>(),
    })
}

/// For people.
pub(crate) fn as_text(reports: &[Report], checks: &[Check], terminal: &Terminal) -> String {
    let headings =
        ["server", "state", "transport", "era", "revision", "handshake", "tools", "prompts", "resources"];
    let mut servers = table::table(terminal.out_terminal, &headings);
    for report in reports {
        let number = |kind| report.count(kind).map_or("-".to_owned(), |count| count.to_string());
        let handshake = report.status.handshake.map_or("-".to_owned(), clock::short);
        servers.add_row([
            one_line(&report.name),
            report.status.phase.as_str().to_owned(),
            report.transport.to_owned(),
            report.era().unwrap_or("-").to_owned(),
            report.revision().unwrap_or("-").to_owned(),
            handshake,
            number(ListKind::Tools),
            number(ListKind::Prompts),
            number(ListKind::Resources),
        ]);
    }
    let mut text = table::text(&servers);
    for report in reports {
        failure(&mut text, report, terminal);
        if let Some(decree) = report.decree() {
            let name = terminal.paint_out(Paint::Warn, &one_line(&report.name));
            let _ = writeln!(text, "\n{name}: {decree}");
        }
    }
    text.push('\n');
    for check in checks {
        let (paint, word) = if check.ok { (Paint::Good, "ok") } else { (Paint::Warn, "warning") };
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "{} {}: {}", terminal.paint_out(paint, word), check.name, one_line(&check.detail));
    }
    text
}

fn failure(text: &mut String, report: &Report, terminal: &Terminal) {
    let Some(reason) = report.reason() else { return };
    let name = terminal.paint_out(Paint::Bad, &one_line(&report.name));
    let _ = writeln!(text, "\n{name}: {}", one_line(reason));
    let skipped = report.status.stderr.len().saturating_sub(STDERR_LINES);
    for line in &report.status.stderr[skipped..] {
        let _ = writeln!(text, "  | {}", one_line(line));
    }
}
