//! Large results of tools that are kept here, so that a model gets a preview and reads of the rest what it needs.
//!
//! `stage.rs` takes text out of results on their way back, and answers requests that read it. `store.rs` keeps it.
//! `protocol::kept` knows what results look like. Decision 0062.

mod options;
mod stage;
mod store;
#[cfg(test)]
mod tests;

pub use options::{Keeping, Options};
pub(crate) use stage::{Read, asked, keep, keeps};
pub(crate) use store::Results;
