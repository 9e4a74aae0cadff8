//! Child processes that speak newline-delimited JSON-RPC on stdin and stdout.
//!
//! One child is four small tasks with one owner each: the [`ChildWriter`]'s drains a bounded queue into stdin, the
//! stderr task keeps the last lines, the keeper waits for the process and takes its whole group down, and whoever
//! called [`spawn`] reads stdout through the [`LineReader`]. The [`Shepherd`] outlives all of them, so that no child
//! survives a gateway that was killed.

mod child;
mod environment;
mod group;
mod guest;
mod keeper;
mod lane;
mod limits;
mod message;
mod reader;
pub mod shepherd;
mod spec;
mod stderr;
mod writer;

#[cfg(test)]
mod tests;

pub use child::{Cause, Child, Exit, spawn, welcome};
pub use environment::Environment;
pub use guest::{Guest, Launch, Launched, Output};
pub use limits::Limits;
pub use message::Message;
#[cfg(any(test, fuzzing))]
pub use message::written;
pub use reader::{LineError, LineReader};
pub use shepherd::Shepherd;
pub use spec::Spec;
pub use writer::{ChildWriter, WriteError};
