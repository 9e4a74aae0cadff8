//! YAML, edited line by line. There is no YAML editor that keeps comments, so this one knows block style only and
//! refuses the rest; the caller parses the result again and compares.

use serde_json::Value;

use super::Target;
use super::yaml_lines::{Block, Lines, find_block};
use crate::kind::Container;

/// Spaces before our keys, when the file does not show its own habit.
const INDENT: usize = 2;

pub(super) fn put(text: &str, target: &Target<'_>, wanted: &Value) -> Result<String, String> {
    let key = only_key(target)?;
    let mut lines = Lines::of(text);
    let Some(block) = find_block(&lines, key, target.container)? else {
        lines.push(format!("{key}:\n"));
        let end = lines.len();
        lines.insert(end, &entry(INDENT, target, wanted));
        return Ok(lines.text());
    };
    if block.entries.is_empty() {
        lines.set_header(&block, key, "");
        lines.insert(block.header + 1, &entry(INDENT, target, wanted));
        return Ok(lines.text());
    }
    let new = entry(block.indent, target, wanted);
    match existing(&lines, &block, target) {
        Some(old) => lines.replace(old, &new),
        None => lines.insert(block.end, &new),
    }
    Ok(lines.text())
}

pub(super) fn remove(text: &str, target: &Target<'_>) -> Result<String, String> {
    let key = only_key(target)?;
    let mut lines = Lines::of(text);
    let block = find_block(&lines, key, target.container)?.ok_or("its key was not found")?;
    let old = existing(&lines, &block, target).ok_or("its lines were not found")?;
    lines.replace(old, "");
    if block.entries.len() == 1 {
        let empty = if target.container == Container::Map { " {}" } else { " []" };
        lines.set_header(&block, key, empty);
    }
    Ok(lines.text())
}

fn only_key(target: &Target<'_>) -> Result<&'static str, String> {
    match target.keys {
        [key] => Ok(key),
        _ => Err("the servers are nested too deep".to_owned()),
    }
}

fn existing(lines: &Lines, block: &Block, target: &Target<'_>) -> Option<std::ops::Range<usize>> {
    match target.container {
        Container::Map => block
            .entries
            .iter()
            .find(|range| lines.key_at(range.start).as_deref() == Some(target.name))
            .cloned(),
        Container::List => block.entries.get(target.index?).cloned(),
    }
}

/// Our entry as lines, indented by `indent`.
fn entry(indent: usize, target: &Target<'_>, wanted: &Value) -> String {
    let pad = " ".repeat(indent);
    let inner = " ".repeat(indent + INDENT);
    let mut out = String::new();
    if target.container == Container::Map {
        out.extend([&pad, &scalar(target.name), ":\n"]);
    }
    for (index, (key, value)) in wanted.as_object().into_iter().flatten().enumerate() {
        let lead = match target.container {
            Container::List if index == 0 => format!("{pad}- "),
            _ => inner.clone(),
        };
        let value = value.as_str().map_or_else(|| value.to_string(), scalar);
        out.extend([&lead, &scalar(key), ": ", &value, "\n"]);
    }
    out
}

/// A text as YAML: bare when nobody could take it for anything else, else quoted as JSON, which YAML includes.
fn scalar(text: &str) -> String {
    let bare = text.starts_with(|char: char| char.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte));
    // Words that some YAML version reads as a boolean, null or number.
    let special = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "inf", "nan"];
    if bare && !special.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    Value::from(text).to_string()
}
