//! One process after another at the same port, under load of both eras.
//!
//! `TRUNKLINE_ROLLS=20 cargo nextest run -p trunkline-e2e rolling` is the long form.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::load::{Load, Plan, echo};

use super::{clients, none_failed};

/// Rolls, unless the environment says otherwise.
const ROLLS: usize = 3;

#[test]
fn processes_are_rolled_behind_one_port_and_no_call_fails() {
    let rolls = std::env::var("TRUNKLINE_ROLLS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROLLS);
    let (legacy, modern) = (echo(false), echo(true));
    let document = |listen: &str| {
        json!({
            "listen": listen,
            "reusePort": true,
            "shutdown": { "delay": "1s", "grace": "10s" },
            "mcpServers": { "legacy": legacy.entry(), "modern": modern.entry() },
        })
    };
    let mut current = Gateway::with(document("127.0.0.1:0"));
    let address = current.address();
    // Legacy sessions live in a process: at a shared port each call of a session must find its own, so such a client
    // keeps its connection. Modern ones go wherever they are sent.
    let keep = |plan: Plan| Plan { kept: usize::MAX, ..plan };
    let load = Load::start(
        clients(address, 8, 400, ["legacy__echo", "modern__echo"]).into_iter().map(keep).chain(
            clients(address, 8, 100, ["legacy__echo", "modern__echo"])
                .into_iter()
                .filter(|plan| plan.era == trunkline_e2e::client::Era::Modern)
                .map(|plan| Plan { kept: 3, ..plan }),
        ),
    );
    load.more(100);
    let began = Instant::now();
    for roll in 0..rolls {
        let next = Gateway::with(document(&address.to_string()));
        assert_eq!(next.address(), address);
        load.more(50);
        current.signal(Signal::SIGTERM);
        assert_eq!(current.ended(Duration::from_secs(20)).code(), Some(0), "roll {roll}");
        let log = current.log().join("\n");
        assert!(!log.contains("did not end in time") && !log.contains("may have been lost"), "{log}");
        current = next;
        load.more(50);
    }
    let took = began.elapsed();
    let tally = load.finish();
    println!("{rolls} rolls in {took:?}: {} calls, {} sessions opened anew", tally.calls, tally.sessions);
    none_failed(&tally, rolls * 100);
}
