//! What happens, as values: telling one of them writes the metric and the log line together.

mod call;
mod upstream;

#[cfg(test)]
mod tests;

pub use call::{CallFinished, CallSeries};
pub use upstream::{CircuitChanged, Condition, LinkStalled, MemberEjected, UpstreamState};
