//! `${NAME}` and its relatives in text values. What is put in is never printed.

use std::path::Path;

use crate::check::Check;
use crate::surroundings::Surroundings;
use crate::tree::{Node, Place, Spot, Value};

/// Largest file that `${file:...}` puts in, in bytes. Keys and tokens are far smaller.
const FILE_BYTES_MAX: usize = 64 << 10;

/// Largest text after substitution, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Substitutes every text value below `node`. Servers that are switched off keep their text: their variables
/// need not exist.
pub(crate) fn substitute(node: &mut Node, world: &Surroundings<'_>, check: &mut Check<'_>) {
    if switched_off(node) {
        return;
    }
    match &mut node.value {
        Value::List(items) => {
            for item in items {
                substitute(item, world, check);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                substitute(&mut entry.value, world, check);
            }
        }
        Value::String(text) if !node.soft && text.contains("${") => {
            if let Some(expanded) = expand(text, &node.spot, world, check) {
                node.soft = expanded.substituted;
                *text = expanded.text;
            }
        }
        _ => {}
    }
}

fn switched_off(node: &Node) -> bool {
    let is = |key: &str, wanted: bool| matches!(node.get(key).map(|node| &node.value), Some(Value::Bool(b)) if *b == wanted);
    is("disabled", true) || is("enabled", false)
}

struct Expanded {
    text: String,
    substituted: bool,
}

fn expand(text: &str, spot: &Spot, world: &Surroundings<'_>, check: &mut Check<'_>) -> Option<Expanded> {
    let mut out = Expanded { text: String::new(), substituted: false };
    let mut rest = text;
    let mut whole = true;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.text.push_str(&rest[..at]);
            out.text.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        out.text.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else {
            check.problem(spot, "`${` without `}`", "write `$${` for a literal `${`");
            return None;
        };
        let reference = &rest[at + 2..at + end];
        match look_up(reference, world) {
            Ok(value) if out.text.len() + value.len() <= TEXT_BYTES_MAX => out.text.push_str(&value),
            Ok(_) => {
                check.problem(spot, "the text is too long after substitution", "");
                return None;
            }
            Err((message, hint)) => {
                check.problem(&within(spot, reference, check), message, hint);
                whole = false;
            }
        }
        out.substituted = true;
        rest = &rest[at + end + 1..];
    }
    out.text.push_str(rest);
    whole.then_some(out)
}

/// The place of one reference, when it is written in the document just like that.
fn within(spot: &Spot, reference: &str, check: &Check<'_>) -> Spot {
    let Place::Text(range) = &spot.place else { return spot.clone() };
    let written = format!("${{{reference}}}");
    let found = check.source().text.get(range.clone()).and_then(|text| text.find(&written));
    let Some(at) = found else { return spot.clone() };
    let start = range.start + at;
    Spot { place: Place::Text(start..start + written.len()), path: spot.path.clone() }
}

/// The value of one reference, or what is wrong with it and what to do.
fn look_up(reference: &str, world: &Surroundings<'_>) -> Result<String, (String, String)> {
    if let Some(path) = reference.strip_prefix("file:") {
        return file(path, world);
    }
    let reference = reference.strip_prefix("env:").unwrap_or(reference);
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if let Some(input) = name.strip_prefix("input:") {
        let variable = variable_for(input);
        let hint = format!("VS Code would ask for it; here, set the environment variable {variable}");
        return (world.env)(&variable).ok_or((format!("`${{input:{input}}}` has no value"), hint));
    }
    if name == "userHome" {
        return (world.env)("HOME").ok_or(("the home directory is not known".to_owned(), String::new()));
    }
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        let hint = "known are ${NAME}, ${NAME:-default}, ${env:NAME} and ${file:/path}; write `$${` for a literal `${`";
        return Err(("this is not the name of a variable".to_owned(), hint.to_owned()));
    }
    match ((world.env)(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => {
            let hint = match name {
                "workspaceFolder" => "editors know a workspace folder; write the path".to_owned(),
                _ => format!("set it, or give a default: ${{{name}:-...}}"),
            };
            Err((format!("the environment variable {name} is not set"), hint))
        }
    }
}

fn file(path: &str, world: &Surroundings<'_>) -> Result<String, (String, String)> {
    let text = (world.read_file)(Path::new(path))
        .map_err(|error| (format!("the file cannot be read: {}", error.kind()), String::new()))?;
    if text.len() > FILE_BYTES_MAX {
        return Err((format!("the file is larger than {} KiB", FILE_BYTES_MAX >> 10), String::new()));
    }
    // Editors and `echo` end files with a newline that no token has.
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// `perplexity-key` becomes `PERPLEXITY_KEY`.
fn variable_for(input: &str) -> String {
    input.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
