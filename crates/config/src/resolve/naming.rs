//! How exposed names are built.

use trunkline_gateway::options::{Alphabet, Naming};

use crate::check::Check;
use crate::fields::Fields;
use crate::tree::Node;

/// Longest separator. Names have 64 characters in all.
const SEPARATOR_CHARS_MAX: usize = 8;

/// Most items that one page of a list may be given.
const PAGE_ITEMS_MAX: usize = 100_000;

pub(super) fn naming(node: Option<&Node>, check: &mut Check<'_>) -> Naming {
    let mut naming = Naming::default();
    let Some(mut fields) = node.and_then(|node| Fields::open(node, "naming", check)) else {
        return naming;
    };
    if let Some(node) = fields.take("alphabet", check)
        && let Some(text) = check.text(node)
    {
        match text {
            "llm" => naming.alphabet = Alphabet::Llm,
            "mcp" => naming.alphabet = Alphabet::Mcp,
            _ => check.problem(
                &node.spot,
                "not an alphabet",
                "llm ([A-Za-z0-9_-], 64 characters) or mcp ([A-Za-z0-9_.-], 128)",
            ),
        }
    }
    if let Some(node) = fields.take("separator", check)
        && let Some(text) = check.text(node)
    {
        if text.is_empty()
            || text.len() > SEPARATOR_CHARS_MAX
            || !text.chars().all(|c| admits(naming.alphabet, c))
        {
            let message = format!("a separator has 1 to {SEPARATOR_CHARS_MAX} characters of the alphabet");
            check.problem(
                &node.spot,
                message,
                "the alphabet `llm` has letters, digits, `_` and `-`; `mcp` also `.`",
            );
        } else {
            text.clone_into(&mut naming.separator);
        }
    }
    if let Some(items) =
        fields.take("pageItems", check).and_then(|node| check.whole(node, 1..=PAGE_ITEMS_MAX))
    {
        naming.page_items = items;
    }
    fields.finish(check);
    naming
}

/// Whether exposed names may hold `c`.
pub(super) fn admits(alphabet: Alphabet, c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-' || (c == '.' && alphabet == Alphabet::Mcp)
}

/// Most characters of an exposed name.
pub(super) fn length_max(alphabet: Alphabet) -> usize {
    match alphabet {
        Alphabet::Llm => 64,
        Alphabet::Mcp => 128,
    }
}
