//! Exposed names: a pure function of server, original name and options, so that a name never changes because another
//! server joins, and every replica computes the same.

use std::collections::HashSet;
use std::sync::Arc;

use crate::options::{Alphabet, Naming};

/// Characters of the suffix that makes shortened and colliding names unique.
const SUFFIX: usize = 6;

impl Alphabet {
    const fn len_max(self) -> usize {
        match self {
            Self::Llm => 64,
            Self::Mcp => 128,
        }
    }

    const fn has(self, c: char) -> bool {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || (matches!(self, Self::Mcp) && c == '.')
    }
}

/// The exposed name of `original` on `server`, before collisions are considered.
pub fn expose(naming: &Naming, prefix: &str, server: &str, original: &str) -> String {
    let mut changed = false;
    let clean = original.chars().map(|c| {
        let legal = naming.alphabet.has(c);
        changed |= !legal;
        if legal { c } else { '_' }
    });
    let clean: String = clean.collect();
    let full = format!("{prefix}{}{clean}", naming.separator);
    if changed || full.len() > naming.alphabet.len_max() {
        suffixed(naming, &full, server, original)
    } else {
        full
    }
}

/// `name` cut and ended with a suffix that only this server and original name have.
pub fn suffixed(naming: &Naming, name: &str, server: &str, original: &str) -> String {
    let room = naming.alphabet.len_max() - SUFFIX - 1;
    let kept: String = name.chars().take(room).collect();
    format!("{kept}_{}", suffix(server, original))
}

/// Six base32 characters (RFC 4648 alphabet, lower case) of a hash over both parts, each with its length, so that
/// `a_` + `b` and `a` + `_b` differ.
fn suffix(server: &str, original: &str) -> String {
    let mut hash = blake3::Hasher::new();
    for part in [server, original] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let bytes = hash.finalize();
    let digits = b"abcdefghijklmnopqrstuvwxyz234567";
    bytes.as_bytes().iter().take(SUFFIX).map(|b| char::from(digits[usize::from(b & 31)])).collect()
}

/// Gives out names so that no two are equal: the first in order keeps the plain one.
#[derive(Debug, Default)]
pub struct Taken {
    names: HashSet<Arc<str>>,
}

impl Taken {
    /// `wanted`, or its suffixed form when it is taken already. `None` when even that is, which takes a second item of
    /// the same original name on the same server.
    pub fn claim(&mut self, naming: &Naming, wanted: &str, server: &str, original: &str) -> Option<Arc<str>> {
        let name: Arc<str> = Arc::from(wanted);
        if self.names.insert(Arc::clone(&name)) {
            return Some(name);
        }
        let other: Arc<str> = Arc::from(suffixed(naming, wanted, server, original));
        let fresh = self.names.insert(Arc::clone(&other));
        tracing::info!(
            name = wanted,
            server,
            exposed = &*other,
            fresh,
            "a name is taken by an earlier server"
        );
        fresh.then_some(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_get_the_prefix_and_nothing_else() {
        let naming = Naming::default();
        assert_eq!(expose(&naming, "github", "github", "create_issue"), "github__create_issue");
    }

    #[test]
    fn long_and_illegal_names_end_in_a_stable_suffix_within_the_limit() {
        let naming = Naming::default();
        let long = "x".repeat(80);
        let name = expose(&naming, "srv", "srv", &long);
        assert_eq!(name.len(), 64);
        assert_eq!(name, expose(&naming, "srv", "srv", &long));
        let odd = expose(&naming, "srv", "srv", "ä b.c");
        assert!(odd.starts_with("srv____b_c_") && odd.is_ascii(), "{odd}");
        assert_ne!(expose(&naming, "s", "s", "a b"), expose(&naming, "s", "s", "a.b"));
    }

    #[test]
    fn the_first_of_two_equal_names_keeps_it() {
        let naming = Naming { separator: "_".into(), ..Naming::default() };
        let mut taken = Taken::default();
        let first = expose(&naming, "a_b", "one", "c");
        let second = expose(&naming, "a", "two", "b_c");
        assert_eq!(first, second);
        assert_eq!(&*taken.claim(&naming, &first, "one", "c").unwrap(), "a_b_c");
        let other = taken.claim(&naming, &second, "two", "b_c").unwrap();
        assert!(other.starts_with("a_b_c_") && other.len() == "a_b_c_".len() + 6);
    }
}
