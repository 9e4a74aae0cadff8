//! From text to tree: one loader per format, the same budgets for all.

mod json;
mod toml;
mod yaml;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use crate::source::{Format, SOURCE_BYTES_MAX, Source};
use crate::tree::{Node, Value};

/// Deepest nesting that is read. The document itself needs eight levels.
const DEPTH_MAX: usize = 32;

/// Most values in one document, aliases expanded.
const NODES_MAX: usize = 50_000;

/// The text cannot be read: where, and why.
#[derive(Debug)]
pub(crate) struct Syntax {
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
}

/// Reads the text into a tree. An empty document is an empty map.
pub(crate) fn parse(source: &Source) -> Result<Node, Vec<Syntax>> {
    let text = source.text.as_str();
    if text.len() > SOURCE_BYTES_MAX {
        let message = format!("the document is larger than {} KiB", SOURCE_BYTES_MAX >> 10);
        return Err(vec![Syntax { range: 0..0, message }]);
    }
    let mut root = match source.format() {
        Format::Yaml => yaml::parse(text)?,
        Format::Json => json::parse(text)?,
        Format::Toml => toml::parse(text)?,
    };
    if matches!(root.value, Value::Null) {
        root.value = Value::Map(Vec::new());
    }
    let mut found = Vec::new();
    let mut left = NODES_MAX;
    survey(&root, DEPTH_MAX, &mut left, &mut found);
    if !found.is_empty() {
        return Err(found);
    }
    root.label(Arc::from(""));
    Ok(root)
}

/// Budgets and duplicate keys, for every format alike.
fn survey(node: &Node, depth_left: usize, left: &mut usize, found: &mut Vec<Syntax>) {
    let range = match &node.spot.place {
        crate::tree::Place::Text(range) => range.clone(),
        crate::tree::Place::Outside(_) => 0..0,
    };
    if *left == 0 {
        return;
    }
    *left -= 1;
    if *left == 0 {
        found.push(Syntax { range, message: format!("the document has more than {NODES_MAX} values") });
        return;
    }
    if depth_left == 0 {
        found.push(Syntax { range, message: format!("nested deeper than {DEPTH_MAX} levels") });
        return;
    }
    match &node.value {
        Value::List(items) => {
            for item in items {
                survey(item, depth_left - 1, left, found);
            }
        }
        Value::Map(entries) => {
            let mut seen = HashSet::new();
            for entry in entries {
                if !seen.insert(entry.key.as_str())
                    && let crate::tree::Place::Text(range) = &entry.key_spot.place
                {
                    found
                        .push(Syntax { range: range.clone(), message: "this key is given twice".to_owned() });
                }
                survey(&entry.value, depth_left - 1, left, found);
            }
        }
        _ => {}
    }
}
