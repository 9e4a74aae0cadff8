//! What must hold when a history is over. `again.rs` is about calls that were sent more than once or elsewhere, `budget.rs`
//! about how many of them there may be, `probes.rs` about breakers that are half open.

mod again;
mod budget;
mod probes;

use std::time::Duration;

use tokio::time::Instant;
use trunkline_observe::metrics::Format;

use crate::client::Verdict;
use crate::server::{Arrival, Server};
use crate::world::World;

pub(crate) use probes::Probe;

/// Gauges of things that exist: none of them does any more.
const EMPTY: [&str; 4] =
    ["trunkline_sessions", "trunkline_streams", "trunkline_upstream_up", "trunkline_children"];
/// Gauges of calls that are under way or wait for it.
const AT_REST: [&str; 4] = [
    "trunkline_calls_in_flight",
    "trunkline_calls_waiting",
    "trunkline_upstream_calls_in_flight",
    "trunkline_upstream_calls_waiting",
];
/// Reasons for refusing a call that are none when nothing else is under way.
const CROWDED: [&str; 3] = ["circuit_open", "overloaded", "rate_limited"];

/// How long the word that a call was taken back may be on its way.
const TAKEN_BACK: Duration = Duration::from_secs(3);

/// Looks at what is there when every client has left for long, and the gateway goes on.
pub(crate) fn when_quiet(world: &World) {
    for server in world.servers.iter().filter(|server| !server.http) {
        let processes = server.processes();
        let how = format_args!("{processes} of {}", server.name);
        world.history.law("conversations of clients end with them", processes <= 1, how);
        let stops = world.setup_of(&server.name).is_some_and(|setup| setup.options.idle_stop.is_some());
        world.history.law("a program that nobody uses is stopped", processes == 0 || !stops, how);
    }
}

/// Looks at what became of one more call to each server after that.
pub(crate) fn when_quiet_again(world: &World) {
    for record in world.records().iter().filter(|record| record.call.starts_with("call-9-")) {
        let crowded = match &record.heard.verdict {
            Verdict::DidNotRun(reason) => CROWDED.contains(&reason.as_str()),
            _ => false,
        };
        let how = format_args!("{}: {}", record.server, record.heard.verdict.told());
        world.history.law("a server that was left in peace takes calls", !crowded, how);
    }
    gauges(world, &AT_REST, "every permit came home");
    for source in world.gateway().sources() {
        let running: usize = source.members.iter().map(|member| member.running).sum();
        let how = format_args!("{running} at {}", source.rules.server);
        world.history.law("no member counts a call that has ended", running == 0, how);
    }
}

fn gauges(world: &World, names: &[&str], law: &str) {
    let text = world.metrics.encode(Format::OpenMetrics);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let name = series.split('{').next().unwrap_or_default();
        if names.contains(&name) {
            world.history.law(law, value == "0", line);
        }
    }
}

/// A call that began to run at `server`: not while the breaker has been open since before it can have been sent.
pub(crate) fn on_run(world: &World, server: &Server, call: &str) {
    probes::note(world, server, call);
    let open = world.open_since(&server.of);
    let (Some(open), Some(sent)) = (open, may_have_been_sent(world, server, call)) else { return };
    let how = format_args!("{call} ran at {}", server.name);
    world.history.law("an open breaker lets nothing through", sent <= open, how);
}

/// The server that a call came to.
fn server<'a>(world: &'a World, arrival: &Arrival) -> Option<&'a Server> {
    world.servers.iter().find(|server| server.name == arrival.server).map(|server| &**server)
}

/// When a call that comes to `server` was sent, at the earliest.
fn may_have_been_sent(world: &World, server: &Server, call: &str) -> Option<Instant> {
    let sent = world.when_sent(call)?;
    if world.setup_of(&server.name).is_some_and(|setup| setup.hedges()) {
        return Some(sent);
    }
    // It was sent after the last time had ended; where that ended here it is known when.
    let arrivals = world.ledger.of(call);
    let before = arrivals.iter().rev().find(|one| world.upstream_of(&one.server) == Some(&*server.of));
    Some(before.and_then(Arrival::ended_itself).map_or(sent, |ended| ended.max(sent)))
}

/// Looks at what is left. `gone` says whether nobody holds the gateway; `ours` how many tasks of the world still run.
pub(crate) fn at_the_end(world: &World, gone: bool, ours: usize) {
    let history = &world.history;
    for record in world.records().iter() {
        again::look(world, record);
    }
    budget::look(world);
    probes::look(world);
    history.law("nobody holds a gateway that stopped", gone, "somebody does");
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    history.law("no task is left", tasks == 0, format_args!("{tasks} are alive, {ours} of them the world's"));
    gauges(world, &EMPTY, "everything came home");
}
