//! Lines for people.

use std::fmt::Write;

use tracing::Level;

use super::fields::Value;
use super::layer::{LINE_BYTES_MAX, Line};
use crate::printable::{Cut, write_printable};
use crate::time::TimeOfDay;

/// Where a value is cut, in bytes as written.
const VALUE_BYTES_MAX: usize = 1 << 10;

const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// One line: time, level, message, fields.
pub(super) fn render(line: &Line<'_>, ansi: bool) -> String {
    let paint = |code: &'static str| if ansi { code } else { "" };
    let mut out = String::with_capacity(160);
    // Writing to a string cannot fail, so the results are of no interest.
    let _ = write!(out, "{}{}{} ", paint(DIM), TimeOfDay(line.time), paint(PLAIN));
    let _ = write!(out, "{}{:>5}{} ", paint(colour(line.level)), line.level, paint(PLAIN));
    let _ = write_printable(&mut Cut::new(&mut out, VALUE_BYTES_MAX), line.message);
    for (name, value) in line.fields {
        let before = out.len();
        let _ = write!(out, " {}{name}={}", paint(DIM), paint(PLAIN));
        field(&mut out, value);
        if out.len() > LINE_BYTES_MAX - " …\n".len() {
            out.truncate(before);
            out.push_str(" …");
            break;
        }
    }
    out.push('\n');
    out
}

/// Quoted when it would otherwise not be seen where the value ends.
fn field(out: &mut String, value: &Value) {
    let (Value::Bare(text) | Value::Text(text)) = value;
    let quoted = text.is_empty() || text.contains([' ', '"', '=']);
    let mut cut = Cut::new(out, VALUE_BYTES_MAX);
    let _ = if quoted { write_quoted(&mut cut, text) } else { write_printable(&mut cut, text) };
    if quoted {
        out.push('"');
    }
}

fn write_quoted(out: &mut impl Write, text: &str) -> std::fmt::Result {
    out.write_char('"')?;
    for part in text.split_inclusive('"') {
        let (plain, quote) = part.strip_suffix('"').map_or((part, ""), |plain| (plain, "\\\""));
        write_printable(out, plain)?;
        out.write_str(quote)?;
    }
    Ok(())
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}
