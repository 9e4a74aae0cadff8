//! Trunkline's nouns: calls, operations, outcomes, faults. No I/O and no wire format.
//!
//! A [`Call`] is one client request on its way through the line; it ends in exactly one [`Outcome`].
//! JSON travels through here as opaque [`bytes::Bytes`]; only `protocol` looks inside.

mod arriving;
mod call;
mod caller;
mod change;
mod fault;
mod operation;
mod outcome;
mod place;
mod secret;
mod text;

pub use arriving::{Arriving, Served, Source};
pub use call::{Ask, AskAnswer, Call, Note, Notes, Params, Quiet, Span};
pub use caller::{Caller, Offers, Stay};
pub use change::{Change, ListKind};
pub use fault::{Fault, Kind, Quota, Retry, Side, StateProblem};
pub use operation::{Level, Operation, Reference, TaskRequest, Watch};
pub use outcome::{Outcome, PeerError, Reply};
pub use place::Place;
pub use secret::Secret;
pub use text::Text;

/// The two ways of speaking MCP. Only `protocol` tells them apart by revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Era {
    /// 2024-11-05 to 2025-11-25: `initialize`, sessions, requests in both directions.
    Legacy,
    /// 2026-07-28 and later: every request carries its own metadata, nothing is remembered.
    Modern,
}

impl Era {
    /// Lower-case name for logs, metrics and status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}
