//! The life of the process: reloads, the end, one after another at the same port, and what a service manager is told.

mod ending;
mod reloads;
mod rolling;
mod service;
mod watching;

use std::net::SocketAddr;
use std::time::Duration;

use trunkline_e2e::client::{ERAS, Era};
use trunkline_e2e::load::{Plan, Tally};

/// Some clients of both eras that call `tool`, together so many times a second.
fn clients(address: SocketAddr, number: u32, per_second: u32, tools: [&str; 2]) -> Vec<Plan> {
    let every = Duration::from_secs(1) * number / per_second;
    let plan = |at: u32| {
        let era = ERAS[at as usize % 2];
        let tool = tools[usize::from(era == Era::Modern)].to_owned();
        // Some clients keep their connection, others do not.
        let kept = if at % 4 < 2 { usize::MAX } else { 20 };
        Plan { address, era, tool, every, kept }
    };
    (0..number).map(plan).collect()
}

#[track_caller]
fn none_failed(tally: &Tally, at_least: usize) {
    assert!(tally.failures.is_empty(), "{tally:#?}");
    assert!(tally.calls >= at_least, "{tally:?}");
}
