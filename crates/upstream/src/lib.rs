//! One upstream server as Trunkline uses it: detection, supervision, conversations, lists.
//!
//! [`Upstream`] is the handle; behind it is one `member`, or several equal ones (`group`). One task owns the process or
//! connection of each (`supervise`), opens conversations (`connect`), keeps the lists fresh (`lists`, `push`) and restarts
//! what ends. A call goes straight through the current `session` to the wire and never through that task.

mod answers;
mod asking;
pub mod breaker;
mod clients;
mod connect;
mod deadlines;
mod due;
mod early;
mod extras;
pub mod faults;
mod flowing;
mod giving_up;
mod globs;
pub mod group;
pub mod health;
mod hearing;
mod judged;
mod lists;
mod loss;
mod manner;
mod member;
mod options;
#[cfg(test)]
mod played;
mod policies;
mod pool;
mod pooled;
mod push;
mod reason;
mod refresh;
pub mod retry;
#[cfg(test)]
mod script;
#[cfg(test)]
mod script_asks;
mod session;
mod spacing;
mod status;
mod stray;
mod succession;
mod supervise;
mod tools;
mod turns;
mod upstream;
mod verdict;

pub use globs::Globs;
pub use manner::Manner;
pub use member::Hold;
pub use options::{Backoff, Command, Endpoint, EraChoice, Live, Options, Reach, SessionScope, Timeouts};
pub use policies::Policies;
pub use status::{Offer, Phase, Status};
pub use succession::Before;
pub use tools::{CHANGES_BACKLOG, Tools};
pub use upstream::Upstream;
pub use verdict::{Verdict, Verdicts};
