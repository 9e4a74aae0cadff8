//! One upstream server as Trunkline uses it: detection, supervision, links, health.

mod options;

pub use options::{Backoff, Command, Endpoint, EraChoice, Options, Reach, Timeouts};
