//! JSON-RPC and the MCP revisions: wire to model and back, and the bridges between revisions.
//!
//! Pure: no I/O, no task, no clock. Nothing outside this crate spells a method name, a revision date or a protocol key.

pub mod annotations;
pub mod asks;
pub mod bridge;
pub mod canonical;
pub mod capabilities;
pub mod compose;
pub mod extensions;
pub mod fault;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod headers;
pub mod hello;
pub mod json;
pub mod kept;
pub mod list;
pub mod meta;
pub mod method;
pub mod mirror;
pub mod offers;
pub mod request;
pub mod revision;
pub mod rounds;
pub mod scan;
pub mod streamed;
pub mod tasks;
pub mod uris;

pub use compose::Message;
pub use revision::Revision;
pub use scan::{ScanError, Scanned, Shape, scan};
