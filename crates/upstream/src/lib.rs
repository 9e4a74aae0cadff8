//! One upstream server as Trunkline uses it: detection, supervision, conversations, lists.
//!
//! [`Upstream`] is the handle. Behind it one task owns the process or connection (`supervise`), opens conversations
//! (`connect`), keeps the lists fresh (`lists`, `push`) and restarts what ends. A call goes straight through the current
//! `session` to the wire and never through that task.

mod answers;
mod asking;
pub mod breaker;
mod clients;
mod connect;
mod deadlines;
mod early;
mod extras;
pub mod faults;
mod flowing;
mod giving_up;
mod globs;
mod hearing;
mod lists;
mod loss;
mod manner;
mod options;
mod policies;
mod pool;
mod pooled;
mod push;
mod reason;
mod refresh;
#[cfg(test)]
mod script;
#[cfg(test)]
mod script_asks;
mod session;
mod spacing;
mod status;
mod stray;
mod supervise;
mod tools;
mod turns;
mod upstream;
mod verdict;

pub use globs::Globs;
pub use manner::Manner;
pub use options::{Backoff, Command, Endpoint, EraChoice, Live, Options, Reach, SessionScope, Timeouts};
pub use policies::Policies;
pub use status::{Offer, Phase, Status};
pub use tools::{CHANGES_BACKLOG, Tools};
pub use upstream::{Hold, Upstream};
pub use verdict::{Verdict, Verdicts};
