//! A strict, single-pass reader over JSON text that remembers where things are instead of building trees.
//!
//! Everything a peer sends is walked to its end with the grammar of RFC 8259, so that no two parsers further on can
//! disagree about it: no trailing text, no control characters in strings, no lone surrogates, bounded depth, and no
//! doubled key in any object that the gateway reads.

#[expect(clippy::inline_always, reason = "a few instructions each, in every loop of the scan")]
mod block;
mod edit;
mod flow;
#[expect(clippy::inline_always, reason = "a few instructions each, in every loop of the scan")]
mod literal;
mod object;
mod pieces;
mod problem;
mod reader;
#[cfg(any(test, fuzzing))]
pub(crate) mod reference;
#[expect(clippy::inline_always, reason = "a few instructions each, in every loop of the scan")]
mod seen;
#[expect(clippy::inline_always, reason = "a few instructions each, in every loop of the scan")]
mod skip;
#[cfg(test)]
mod tests;
#[expect(clippy::inline_always, reason = "a few instructions each, in every loop of the scan")]
pub(crate) mod walk;

pub use edit::{escape_into, splice};
pub(crate) use flow::{Event, Flow};
pub(crate) use literal::space;
pub use object::{Object, elements, quoted, string};
pub use problem::{JsonError, Problem};
pub(crate) use problem::{Read, fail};
pub use reader::{Key, Reader, Str};
pub(crate) use skip::{passed, value};

/// Deepest nesting accepted, arrays and objects together. The same bound as serde_json's, so that a document which
/// passes here can be opened by every typed parser behind us.
pub const DEPTH_MAX: u32 = 128;
