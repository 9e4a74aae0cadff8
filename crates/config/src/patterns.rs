//! Include and exclude patterns, kept as text so that two configurations can be compared.

use globset::{Glob, GlobSet, GlobSetBuilder};
use trunkline_gateway::options::Filter;
use trunkline_upstream::Globs;

use crate::check::Check;
use crate::tree::{Node, Value};

/// Longest pattern, in bytes. Names have at most 128.
const PATTERN_BYTES_MAX: usize = 512;

/// Most patterns in one list.
const PATTERNS_MAX: usize = 1000;

/// Checked patterns; exclude wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Patterns {
    pub(crate) include: Option<Vec<String>>,
    pub(crate) exclude: Vec<String>,
}

impl Patterns {
    /// Adds a list of globs, or of exact names, to what is included.
    pub(crate) fn include(&mut self, node: Option<&Node>, exact: bool, check: &mut Check<'_>) {
        if let Some(node) = node {
            self.include.get_or_insert_default().extend(patterns(node, exact, check));
        }
    }

    /// Adds a list of globs, or of exact names, to what is excluded.
    pub(crate) fn exclude(&mut self, node: Option<&Node>, exact: bool, check: &mut Check<'_>) {
        if let Some(node) = node {
            self.exclude.extend(patterns(node, exact, check));
        }
    }

    /// The compiled filter. `node` is blamed when the patterns together are too large.
    pub(crate) fn compile(&self, node: &Node, check: &mut Check<'_>) -> Filter {
        let include = self.include.as_ref().map(|patterns| set(patterns, node, check));
        let exclude = (!self.exclude.is_empty()).then(|| set(&self.exclude, node, check));
        Filter { include, exclude }
    }
}

/// A list of globs as one that can be compared.
pub(crate) fn globs(node: &Node, check: &mut Check<'_>) -> Globs {
    let texts = patterns(node, false, check);
    let set = set(&texts, node, check);
    Globs::new(texts, set)
}

pub(crate) fn patterns(node: &Node, exact: bool, check: &mut Check<'_>) -> Vec<String> {
    let items = check.list(node);
    if items.len() > PATTERNS_MAX {
        check.problem(&node.spot, format!("more than {PATTERNS_MAX} patterns"), "");
        return Vec::new();
    }
    let mut list = Vec::new();
    for item in &items {
        let Some(text) = check.text(item) else { continue };
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX {
            check.problem(&item.spot, format!("a pattern has 1 to {PATTERN_BYTES_MAX} bytes"), "");
        } else if exact {
            list.push(globset::escape(text));
        } else if let Err(error) = Glob::new(text) {
            let hint = "`*` matches any text, `?` one character, `{a,b}` either; escape with `[*]`";
            check.problem(&item.spot, format!("not a pattern: {}", error.kind()), hint);
        } else {
            list.push(text.to_owned());
        }
    }
    list
}

fn set(patterns: &[String], node: &Node, check: &mut Check<'_>) -> GlobSet {
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        if let Ok(glob) = Glob::new(pattern) {
            builder.add(glob);
        }
    }
    builder.build().unwrap_or_else(|_| {
        check.problem(&node.spot, "these patterns are too large together", "");
        GlobSet::empty()
    })
}

/// Whether a node is a list or a text that is read as one.
pub(crate) fn is_list(node: &Node) -> bool {
    matches!(node.value, Value::List(_))
}
