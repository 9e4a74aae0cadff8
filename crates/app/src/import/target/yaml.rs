//! YAML: new lines are put behind the line of the key; no other line changes.

use std::fmt::Write;

use serde_json::Value;

pub(super) fn add(text: &str, key: &str, entries: &[(String, Value)]) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let heading = lines.iter().position(|line| is_heading(line, key));
    let Some(at) = heading else {
        let mut out = text.to_owned();
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        if !out.is_empty() {
            out.push('\n');
        }
        return Ok(out + &format!("{key}:\n") + &block(entries, 2));
    };
    let value = rest_of(&lines[at]).to_owned();
    match value.as_str() {
        "" => {}
        "{}" | "null" | "~" => lines[at] = format!("{key}:"),
        _ => return Err(format!("`{key}` is written on one line there")),
    }
    let indent = lines[at + 1..].iter().find(|line| is_content(line)).map_or(0, |line| indent_of(line));
    let indent = if indent == 0 { 2 } else { indent };
    let mut out = lines[..=at].join("\n") + "\n" + &block(entries, indent);
    for line in &lines[at + 1..] {
        out.push_str(line);
        out.push('\n');
    }
    Ok(out)
}

fn is_heading(line: &str, key: &str) -> bool {
    let quoted = [format!("{key}:"), format!("\"{key}\":"), format!("'{key}':")];
    quoted.iter().any(|start| {
        line.strip_prefix(start.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    })
}

/// What stands behind the key, without a comment.
fn rest_of(line: &str) -> &str {
    let rest = line.split_once(':').map_or("", |(_, rest)| rest);
    rest.split(" #").next().unwrap_or_default().trim()
}

fn is_content(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn block(entries: &[(String, Value)], indent: usize) -> String {
    let mut out = String::new();
    for (name, value) in entries {
        member(&mut out, name, value, indent);
    }
    out
}

fn member(out: &mut String, key: &str, value: &Value, indent: usize) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{:indent$}{}:", "", scalar(key));
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            for (key, value) in map {
                member(out, key, value, indent + 2);
            }
        }
        Value::Array(list) => {
            let items: Vec<String> = list.iter().map(inline).collect();
            let _ = writeln!(out, " [{}]", items.join(", "));
        }
        other => {
            let _ = writeln!(out, " {}", inline(other));
        }
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        // JSON is YAML.
        other => other.to_string(),
    }
}

/// A text without quotes where no reader of YAML can take it for anything else.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_lowercase().as_str())
        && !text.ends_with('.');
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}
