//! `TRUNKLINE__SECTION__KEY` variables and command line flags, laid over the document.

use std::sync::Arc;

use crate::check::Check;
use crate::fields::folded;
use crate::surroundings::Surroundings;
use crate::tree::{Entry, Node, Place, Spot, Value, child};

const PREFIX: &str = "TRUNKLINE__";

/// Most sections a variable's name may have.
const SECTIONS_MAX: usize = 8;

/// Lays variables and then flags over `root`; a flag wins over a variable, a variable over the document.
pub(crate) fn overlay(root: &mut Node, world: &Surroundings<'_>, check: &mut Check<'_>) {
    let mut variables: Vec<_> = world.variables.iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    for (name, value) in variables {
        let origin: Arc<str> = format!("environment variable {name}").into();
        let sections: Vec<&str> = name[PREFIX.len()..].split("__").collect();
        if sections.len() > SECTIONS_MAX || sections.iter().any(|section| section.is_empty()) {
            let spot = Spot { place: Place::Outside(origin), path: Arc::from("") };
            check.problem(&spot, "this name does not lead to a setting", "");
            continue;
        }
        put(root, &sections, value, &origin, check);
    }
    let flags = &world.overrides;
    let listen: (&str, &[&str], _) = ("--listen", &["listen"], &flags.listen);
    let admin: (&str, &[&str], _) = ("--admin-listen", &["admin", "listen"], &flags.admin_listen);
    let level: (&str, &[&str], _) = ("--log-level", &["log", "level"], &flags.log_level);
    for (flag, sections, value) in [listen, admin, level] {
        if let Some(value) = value {
            put(root, sections, value, &format!("flag {flag}").into(), check);
        }
    }
}

fn put(node: &mut Node, sections: &[&str], value: &str, origin: &Arc<str>, check: &mut Check<'_>) {
    let path = Arc::clone(&node.spot.path);
    let Some((section, below)) = sections.split_first() else {
        *node = outside(Value::String(value.to_owned()), origin, path);
        return;
    };
    if matches!(node.value, Value::Null | Value::String(_)) {
        *node = outside(Value::Map(Vec::new()), origin, Arc::clone(&path));
    }
    let Value::Map(entries) = &mut node.value else {
        let spot = Spot { place: Place::Outside(Arc::clone(origin)), path: node.spot.path.clone() };
        check.problem(
            &spot,
            format!("`{}` is not a map, so nothing below it can be set", node.spot.path),
            "",
        );
        return;
    };
    let verbatim = path.ends_with(".env") || path.ends_with(".headers");
    let wanted = folded(section);
    let known = |entry: &Entry| {
        if verbatim { entry.key.eq_ignore_ascii_case(section) } else { folded(&entry.key) == wanted }
    };
    let at = entries.iter().position(known).unwrap_or_else(|| {
        let key = if verbatim { (*section).to_owned() } else { camel(section) };
        let path = child(&path, &key);
        let key_spot = Spot { place: Place::Outside(Arc::clone(origin)), path: Arc::clone(&path) };
        entries.push(Entry { key, key_spot, value: outside(Value::Null, origin, path) });
        entries.len() - 1
    });
    put(&mut entries[at].value, below, value, origin, check);
}

fn outside(value: Value, origin: &Arc<str>, path: Arc<str>) -> Node {
    Node { value, spot: Spot { place: Place::Outside(Arc::clone(origin)), path }, soft: true }
}

/// `BODY_BYTES` becomes `bodyBytes`.
fn camel(section: &str) -> String {
    let mut out = String::new();
    for (index, word) in section.split('_').filter(|word| !word.is_empty()).enumerate() {
        let word = word.to_ascii_lowercase();
        match word.chars().next() {
            Some(first) if index > 0 => {
                out.push(first.to_ascii_uppercase());
                out.push_str(&word[first.len_utf8()..]);
            }
            _ => out.push_str(&word),
        }
    }
    out
}
