//! Patterns on names that can be compared.

use globset::GlobSet;

/// Patterns on names; equal when their texts are.
#[derive(Clone, Debug, Default)]
pub struct Globs {
    texts: Vec<String>,
    set: Option<GlobSet>,
}

impl Globs {
    /// Patterns that were compiled from these texts.
    pub fn new(texts: Vec<String>, set: GlobSet) -> Self {
        Self { set: (!texts.is_empty()).then_some(set), texts }
    }

    /// Whether a name matches one of them.
    pub fn admit(&self, name: &str) -> bool {
        self.set.as_ref().is_some_and(|set| set.is_match(name))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.set.is_none()
    }
}

impl PartialEq for Globs {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}
