//! A strict, single-pass reader over JSON text that remembers where things are instead of building trees.
//!
//! Everything a peer sends is walked to its end with the grammar of RFC 8259, so that no two parsers further on can
//! disagree about it: no trailing text, no control characters in strings, no lone surrogates, bounded depth, and no
//! doubled key in any object that the gateway reads.

mod edit;
mod object;
mod reader;
#[cfg(test)]
mod tests;

pub use edit::{escape_into, splice};
pub use object::{Object, elements, quoted, string};
pub use reader::{JsonError, Key, Problem, Reader, Str};

/// Deepest nesting accepted, arrays and objects together. The same bound as serde_json's, so that a document which
/// passes here can be opened by every typed parser behind us.
pub const DEPTH_MAX: u32 = 128;
