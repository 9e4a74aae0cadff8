//! Single values: text, booleans, numbers, durations, sizes, and lists of text.

use std::time::Duration;

use crate::check::Check;
use crate::tree::{Node, Value};

/// Longest duration accepted: ten years. Sums of two never overflow a clock.
const DURATION_MAX: Duration = Duration::from_hours(10 * 365 * 24);

impl Check<'_> {
    /// Text, and nothing else.
    pub(crate) fn text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        if let Value::String(text) = &node.value {
            return Some(text);
        }
        self.expected("text", node);
        None
    }

    /// Text, or a number or boolean as it is written: what a variable of a child process may be.
    pub(crate) fn text_like(&mut self, node: &Node) -> Option<String> {
        match &node.value {
            Value::String(text) | Value::Number(text) => Some(text.clone()),
            Value::Bool(boolean) => Some(boolean.to_string()),
            _ => {
                self.expected("text", node);
                None
            }
        }
    }

    pub(crate) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Bool(boolean) => return Some(*boolean),
            Value::String(text) if node.soft => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => return Some(true),
                "false" | "0" | "no" | "off" | "" => return Some(false),
                _ => {}
            },
            _ => {}
        }
        self.expected("true or false", node);
        None
    }

    /// A whole number within `range`.
    pub(crate) fn whole(&mut self, node: &Node, range: std::ops::RangeInclusive<usize>) -> Option<usize> {
        let text = match &node.value {
            Value::Number(text) => text,
            Value::String(text) if node.soft => text,
            _ => {
                self.expected("a whole number", node);
                return None;
            }
        };
        let number =
            text.trim().replace('_', "").parse::<usize>().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            self.problem(&node.spot, format!("expected a whole number from {least} to {most}"), "");
        }
        number
    }

    /// A duration longer than zero.
    pub(crate) fn duration(&mut self, node: &Node) -> Option<Duration> {
        let parsed = match &node.value {
            Value::Number(text) | Value::String(text) => parse_duration(text),
            _ => {
                self.expected("a duration", node);
                return None;
            }
        };
        match parsed {
            Some(duration) if duration.is_zero() => {
                self.problem(&node.spot, "a duration must be longer than zero", "");
                None
            }
            Some(duration) if duration > DURATION_MAX => {
                self.problem(&node.spot, "a duration of more than ten years", "");
                None
            }
            Some(duration) => Some(duration),
            None => {
                let hint = "write a number with a unit, as in \"500ms\", \"30s\", \"2m\" or \"1h\"; a bare number means seconds";
                self.problem(&node.spot, "not a duration", hint);
                None
            }
        }
    }

    /// A number of bytes within `range`.
    pub(crate) fn bytes(&mut self, node: &Node, range: std::ops::RangeInclusive<usize>) -> Option<usize> {
        let parsed = match &node.value {
            Value::Number(text) | Value::String(text) => parse_bytes(text),
            _ => {
                self.expected("a size", node);
                return None;
            }
        };
        match parsed {
            None => {
                let hint = "write a number of bytes, or one with a unit, as in \"512KiB\" or \"4MiB\"";
                self.problem(&node.spot, "not a size", hint);
                None
            }
            Some(size) if !range.contains(&size) => {
                let message = format!("expected a size from {} to {} bytes", range.start(), range.end());
                self.problem(&node.spot, message, "");
                None
            }
            size => size,
        }
    }

    /// The items of a list; a single text that came from a variable is split at commas.
    pub(crate) fn list(&mut self, node: &Node) -> Vec<Node> {
        match &node.value {
            Value::List(items) => items.clone(),
            Value::String(text) if node.soft => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Node { value: Value::String(item.to_owned()), ..node.clone() })
                .collect(),
            _ => {
                self.expected("a list", node);
                Vec::new()
            }
        }
    }

    pub(crate) fn expected(&mut self, wanted: &str, node: &Node) {
        self.problem(&node.spot, format!("expected {wanted}, found {}", node.kind()), "");
    }
}

/// `30s`, `500ms`, `2m`, `1h30m`, `1d`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].trim_start();
        let length = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
        let scale = match &unit[..length] {
            "ms" => 0.001,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        sum = sum.checked_add(Duration::try_from_secs_f64(number * scale).ok()?)?;
        rest = unit[length..].trim_start();
    }
    (!text.trim().is_empty()).then_some(sum)
}

/// `4MiB`, `512 KiB`, `1MB`, `100`; units without `i` are decimal.
fn parse_bytes(text: &str) -> Option<usize> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let number: usize = text[..digits].replace('_', "").parse().ok()?;
    let scale = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::{parse_bytes, parse_duration};
    use std::time::Duration;

    #[test]
    fn durations_have_units_and_bare_numbers_are_seconds() {
        let cases = [("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("1h30m", 5_400_000), ("1.5", 1500)];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "5 parsecs", "-3", "-3s", "1e400", "NaN", "1..2s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        let cases = [("4MiB", 4 << 20), ("512 KiB", 512 << 10), ("1MB", 1_000_000), ("17", 17)];
        for (text, bytes) in cases {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "4 apples", "99999999999999999999", "99999999999GiB"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }
}
