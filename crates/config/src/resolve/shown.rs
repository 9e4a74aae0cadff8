//! What of a server is shown, and under which names.

use std::collections::BTreeMap;
use std::sync::Arc;

use trunkline_gateway::options::{Naming, Override, ServerRules};

use super::naming;
use crate::check::Check;
use crate::fields::Fields;
use crate::patterns::{Patterns, is_list};
use crate::settings::Shown;
use crate::tree::{Node, Spot, Value};

/// Longest prefix. It leaves room for the tool's own name in 64 characters.
const PREFIX_CHARS_MAX: usize = 20;

/// The keys of one server about names and filters, read.
pub(super) struct Read {
    pub(super) text: Shown,
    pub(super) prefix: (String, Spot),
    pub(super) transparent_spot: Option<Spot>,
}

pub(super) fn shown(
    fields: &mut Fields<'_>,
    name: &str,
    name_spot: &Spot,
    naming: &Naming,
    check: &mut Check<'_>,
) -> Read {
    let mut text = Shown::default();
    let transparent = fields.take("transparent", check);
    text.transparent = transparent.and_then(|node| check.boolean(node)).unwrap_or(false);
    let prefix = prefix(fields.take("prefix", check), name, name_spot, text.transparent, check);
    text.prefix = (prefix.0 != name).then(|| prefix.0.clone());
    // OpenCode and others write `tools` as a list of names to show.
    if let Some(node) = fields.take("tools", check) {
        if is_list(node) {
            text.tools.include(Some(node), false, check);
        } else {
            text.tool_overrides = filtered(node, &mut text.tools, Some(naming), check);
        }
    }
    for key in ["includeTools", "enabled_tools"] {
        text.tools.include(fields.take(key, check), true, check);
    }
    for key in ["excludeTools", "disabled_tools", "disabledTools"] {
        text.tools.exclude(fields.take(key, check), true, check);
    }
    if let Some(node) = fields.take("prompts", check) {
        text.prompt_overrides = filtered(node, &mut text.prompts, Some(naming), check);
    }
    if let Some(node) = fields.take("resources", check) {
        filtered(node, &mut text.resources, None, check);
    }
    let transparent_spot = transparent.filter(|_| text.transparent).map(|node| node.spot.clone());
    Read { text, prefix, transparent_spot }
}

impl Read {
    /// The compiled rules of server `name`.
    pub(super) fn rules(&self, name: &Arc<str>, node: &Node, check: &mut Check<'_>) -> ServerRules {
        ServerRules {
            prefix: self.text.prefix.clone(),
            transparent: self.text.transparent,
            tools: self.text.tools.compile(node, check),
            prompts: self.text.prompts.compile(node, check),
            resources: self.text.resources.compile(node, check),
            tool_overrides: self.text.tool_overrides.clone(),
            prompt_overrides: self.text.prompt_overrides.clone(),
            ..ServerRules::new(Arc::clone(name))
        }
    }
}

fn prefix(
    node: Option<&Node>,
    name: &str,
    name_spot: &Spot,
    transparent: bool,
    check: &mut Check<'_>,
) -> (String, Spot) {
    if let Some(node) = node {
        let text = check.text(node).unwrap_or_default();
        if !is_prefix(text) {
            let message = format!("a prefix has 1 to {PREFIX_CHARS_MAX} letters, digits, `_` or `-`");
            check.problem(&node.spot, message, "");
        }
        return (text.to_owned(), node.spot.clone());
    }
    if is_prefix(name) {
        return (name.to_owned(), name_spot.clone());
    }
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let mapped: String = name.chars().take(PREFIX_CHARS_MAX).map(legal).collect();
    if !transparent {
        let message = format!("the tools of this server get the prefix `{mapped}`");
        check.note(name_spot, message, "set `prefix` to choose another");
    }
    (mapped, name_spot.clone())
}

fn is_prefix(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=PREFIX_CHARS_MAX).contains(&text.len()) && text.chars().all(legal)
}

/// `{include, exclude}`, and `overrides` where `naming` says how names look.
pub(super) fn filtered(
    node: &Node,
    patterns: &mut Patterns,
    naming: Option<&Naming>,
    check: &mut Check<'_>,
) -> BTreeMap<String, Override> {
    let section = if naming.is_some() { "items" } else { "filter" };
    let mut all = BTreeMap::new();
    let Some(mut fields) = Fields::open(node, section, check) else { return all };
    patterns.include(fields.take("include", check), false, check);
    patterns.exclude(fields.take("exclude", check), false, check);
    if let Some(naming) = naming
        && let Some(node) = fields.take("overrides", check)
    {
        match &node.value {
            Value::Map(entries) => {
                let mut names: BTreeMap<String, &str> = BTreeMap::new();
                for entry in entries {
                    let Some(change) = change(&entry.value, naming, check) else { continue };
                    if let Some(name) = &change.name
                        && names.insert(name.clone(), &entry.key).is_some()
                    {
                        check.problem(&entry.value.spot, "this name is given to another one too", "");
                    }
                    all.insert(entry.key.clone(), change);
                }
            }
            _ => check.expected("a map of names and changes", node),
        }
    }
    fields.finish(check);
    all
}

fn change(node: &Node, naming: &Naming, check: &mut Check<'_>) -> Option<Override> {
    let mut fields = Fields::open(node, "override", check)?;
    let mut change = Override::default();
    if let Some(node) = fields.take("name", check)
        && let Some(text) = check.text(node)
    {
        let most = naming::length_max(naming.alphabet);
        if text.is_empty() || text.len() > most || !text.chars().all(|c| naming::admits(naming.alphabet, c)) {
            let message = format!("an exposed name has 1 to {most} characters of the alphabet");
            check.problem(
                &node.spot,
                message,
                "`naming.alphabet` says which: llm is [A-Za-z0-9_-], mcp also `.`",
            );
        }
        change.name = Some(text.to_owned());
    }
    let mut text = |key| fields.take(key, check).and_then(|node| check.text(node)).map(ToOwned::to_owned);
    change.title = text("title");
    change.description = text("description");
    fields.finish(check);
    Some(change)
}
