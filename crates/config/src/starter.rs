//! The file that `trunkline init` writes.

/// A commented YAML document to start from. It loads without problems.
pub fn starter() -> &'static str {
    include_str!("starter.yaml")
}
