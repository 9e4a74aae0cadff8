//! Which parts of a document may hold credentials. They are never shown.

use std::ops::Range;

use crate::tree::{Entry, Node, Place, Value};

/// Maps whose values are credentials more often than not, in every client's spelling.
const SECRET_MAPS: [&str; 6] = ["env", "headers", "environment", "envs", "http_headers", "requestInit"];

/// Parts of a name that say its value is a credential.
const SECRET_NAMES: [&str; 9] =
    ["token", "secret", "password", "passwd", "apikey", "authorization", "credential", "bearer", "cookie"];

/// Whether a variable, header, flag or key of this name holds a credential.
pub(crate) fn secret_name(name: &str) -> bool {
    let name: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SECRET_NAMES.iter().any(|part| name.contains(part)) || name.ends_with("key") || name == "auth"
}

/// The parts of the text that hold, or may hold, credentials.
pub(crate) fn in_tree(root: &Node) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    walk(root, false, &mut found);
    found
}

fn walk(node: &Node, secret: bool, found: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Map(entries) => entries.iter().for_each(|entry| {
            let secret = secret || SECRET_MAPS.contains(&entry.key.as_str()) || secret_name(&entry.key);
            walk(&entry.value, secret, found);
        }),
        Value::List(items) => {
            let mut after_flag = false;
            for item in items {
                walk(item, secret || after_flag, found);
                after_flag =
                    matches!(&item.value, Value::String(text) if text.starts_with('-') && secret_name(text));
            }
        }
        Value::String(text) if secret || holds_credentials(text) => mark(node, text, found),
        Value::Number(text) if secret => mark(node, text, found),
        _ => {}
    }
}

fn mark(node: &Node, text: &str, found: &mut Vec<Range<usize>>) {
    if let Place::Text(range) = &node.spot.place
        && !only_references(text)
    {
        found.push(range.clone());
    }
}

/// A URL with a user or a query, or a header or an assignment written as one text.
fn holds_credentials(text: &str) -> bool {
    let url = text.contains("://") && (text.contains('@') || text.contains('?'));
    let assignment = || text.split_once([':', '=']).is_some_and(|(name, _)| secret_name(name));
    url || assignment()
}

/// `${TOKEN}` and `Bearer ${TOKEN}` name a secret without holding it.
pub(crate) fn only_references(text: &str) -> bool {
    let mut rest = text.trim_start_matches("Bearer ").trim_start_matches("Basic ").trim();
    if rest.is_empty() {
        return text.trim().is_empty();
    }
    while let Some(reference) = rest.strip_prefix("${") {
        let Some((name, after)) = reference.split_once('}') else { return false };
        if name.contains(":-") {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

/// The first value in the document that is a credential written out, rather than a reference to one.
pub(crate) fn first_literal(root: &Node) -> Option<&Node> {
    fn of_entry(entry: &Entry, inside: bool) -> Option<&Node> {
        if let Value::String(text) = &entry.value.value
            && inside
            && secret_name(&entry.key)
            && !only_references(text)
        {
            return Some(&entry.value);
        }
        let inside = inside || SECRET_MAPS.contains(&entry.key.as_str());
        entry.value.entries().iter().find_map(|entry| of_entry(entry, inside))
    }
    root.entries().iter().find_map(|entry| of_entry(entry, false))
}

#[cfg(test)]
mod tests {
    use super::{only_references, secret_name};

    #[test]
    fn names_of_credentials_are_known() {
        for name in ["GITHUB_TOKEN", "X-Api-Key", "Authorization", "--password", "OPENAI_API_KEY"] {
            assert!(secret_name(name), "{name}");
        }
        for name in ["PORT", "Accept", "--verbose", "KEYBOARD"] {
            assert!(!secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_reference_is_no_secret_but_a_default_is() {
        assert!(only_references("Bearer ${TOKEN}"));
        assert!(!only_references("${TOKEN:-hunter2}"));
        assert!(!only_references("Bearer abc"));
    }
}
