//! Lines for machines.

use std::fmt::Write;

use super::fields::Value;
use super::layer::{LINE_BYTES_MAX, Line};
use crate::printable::{Cut, is_hidden};
use crate::time::Rfc3339;

/// Where a string is cut, in bytes as written.
const STRING_BYTES_MAX: usize = 1 << 10;

/// Said when a field did not fit. Room for it is kept.
const TRUNCATED: &str = ",\"truncated\":true}\n";

/// Names a line has of its own; a field of such a name gets an underscore.
const OWN_NAMES: [&str; 5] = ["time", "level", "target", "message", "truncated"];

/// One JSON object and a line end.
pub(super) fn render(line: &Line<'_>) -> String {
    let mut out = String::with_capacity(256);
    // Writing to a string cannot fail, so the results are of no interest.
    let _ = write!(out, "{{\"time\":\"{}\",\"level\":\"{}\"", Rfc3339(line.time), line.level);
    member(&mut out, "target", false, &Value::Text(line.target.to_owned()));
    member(&mut out, "message", false, &Value::Text(line.message.to_owned()));
    let mut truncated = false;
    for (name, value) in line.fields {
        let before = out.len();
        member(&mut out, name, OWN_NAMES.contains(name), value);
        if out.len() > LINE_BYTES_MAX - TRUNCATED.len() {
            out.truncate(before);
            truncated = true;
        }
    }
    out.push_str(if truncated { TRUNCATED } else { "}\n" });
    out
}

fn member(out: &mut String, name: &str, taken: bool, value: &Value) {
    out.push(',');
    string(out, name, if taken { "_" } else { "" });
    out.push(':');
    match value {
        Value::Bare(text) => out.push_str(text),
        Value::Text(text) => string(out, text, ""),
    }
}

/// A JSON string. Hidden characters are escaped although JSON does not demand it of all: terminals obey them.
fn string(out: &mut String, text: &str, suffix: &str) {
    out.push('"');
    let mut cut = Cut::new(out, STRING_BYTES_MAX);
    for character in text.chars() {
        let _ = match character {
            '"' => cut.write_whole("\\\""),
            '\\' => cut.write_whole("\\\\"),
            '\n' => cut.write_whole("\\n"),
            '\t' => cut.write_whole("\\t"),
            hidden if is_hidden(hidden) => cut.write_whole(&format!("\\u{:04x}", u32::from(hidden))),
            shown => cut.write_char(shown),
        };
    }
    out.push_str(suffix);
    out.push('"');
}
