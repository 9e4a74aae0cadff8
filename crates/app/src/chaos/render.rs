//! The report on a scenario.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Seen;
use crate::clock;
use crate::table;
use crate::terminal::{Paint, Terminal, one_line};

/// For programs.
pub(crate) fn as_json(name: &str, seen: &[Seen]) -> Value {
    let phase = |seen: &Seen| {
        let ms = seen.times.map(|time| time.as_secs_f64() * 1e3);
        json!({
            "name": seen.name,
            "ok": seen.broken.is_empty(),
            "calls": seen.calls,
            "answered": seen.answered,
            "successPercent": seen.success(),
            "p50Ms": ms[0],
            "p99Ms": ms[1],
            "maxMs": ms[2],
            "reasons": seen.reasons,
            "broken": seen.broken,
        })
    };
    json!({
        "scenario": name,
        "ok": seen.iter().all(|seen| seen.broken.is_empty()),
        "phases": seen.iter().map(phase).collect::<Vec<_>>(),
    })
}

/// For people.
pub(crate) fn as_text(name: &str, seen: &[Seen], terminal: &Terminal) -> String {
    let headings =
        ["phase", "calls", "answered", "p50", "p99", "longest", "no answer because", "as expected"];
    let mut phases = table::table(terminal.out_terminal, &headings);
    for one in seen {
        let reasons: Vec<String> =
            one.reasons.iter().map(|(reason, times)| format!("{} {times}", one_line(reason))).collect();
        let [p50, p99, longest] = one.times.map(clock::short);
        let verdict = if one.broken.is_empty() { "yes" } else { "NO" };
        let (calls, answered) = (one.calls.to_string(), format!("{:.1} %", one.success()));
        phases.add_row([
            one_line(&one.name),
            calls,
            answered,
            p50,
            p99,
            longest,
            reasons.join(", "),
            verdict.to_owned(),
        ]);
    }
    let mut text = format!("{}\n\n{}", one_line(name), table::text(&phases));
    for one in seen {
        for broken in &one.broken {
            let phase = terminal.paint_out(Paint::Bad, &one_line(&one.name));
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{phase}: {}", one_line(broken));
        }
    }
    text
}
