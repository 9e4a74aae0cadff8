//! Whole calls: bytes in at the front, through a real gateway to a server, and back, all on one thread.
//!
//! Client, gateway and server take turns on one event loop, so nothing depends on who is scheduled when. What client
//! and server of this harness cost themselves is in the count; `whole/harness-alone` tells how much that is.

mod client;
mod exchange;
mod gateway;
mod server;

use std::rc::Rc;

use tokio::runtime::{Builder, Runtime};
use trunkline_model::Era;

use crate::benchmark::{Benchmark, Repeat};
use client::Client;

/// Calls while counting. A call runs through tens of thousands of instructions.
const CALLS: u32 = 200;

pub(crate) fn benchmarks() -> Vec<Benchmark> {
    use Era::{Legacy, Modern};
    vec![
        Benchmark::new("whole/harness-alone", CALLS, harness),
        Benchmark::new("whole/modern-to-modern", CALLS, || through_gateway(Modern, Modern, true)),
        Benchmark::new("whole/legacy-to-legacy", CALLS, || through_gateway(Legacy, Legacy, true)),
        Benchmark::new("whole/modern-to-legacy", CALLS, || through_gateway(Modern, Legacy, true)),
        Benchmark::new("whole/legacy-to-modern", CALLS, || through_gateway(Legacy, Modern, true)),
        Benchmark::new("whole/modern-to-modern-prefixed", CALLS, || through_gateway(Modern, Modern, false)),
    ]
}

/// Client to server, with nothing in between.
fn harness() -> Repeat {
    let runtime = runtime();
    let client = runtime.block_on(async {
        let server = server::start(Era::Modern).await;
        Client::open(server, Era::Modern, false).await
    });
    calling(runtime, client)
}

fn through_gateway(client_era: Era, server_era: Era, transparent: bool) -> Repeat {
    let runtime = runtime();
    let client = runtime.block_on(async move {
        let server = server::start(server_era).await;
        let gateway = gateway::start(server, transparent).await;
        Client::open(gateway, client_era, !transparent).await
    });
    calling(runtime, client)
}

fn runtime() -> Rc<Runtime> {
    Rc::new(Builder::new_current_thread().enable_all().build().expect("an event loop can be made"))
}

fn calling(runtime: Rc<Runtime>, mut client: Client) -> Repeat {
    Box::new(move |times| {
        runtime.block_on(async {
            for _ in 0..times {
                client.call().await;
            }
        });
    })
}
