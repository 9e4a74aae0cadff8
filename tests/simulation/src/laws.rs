//! What must hold when a history is over.

use std::time::Duration;

use trunkline_observe::metrics::Format;

use crate::client::Verdict;
use crate::server::Server;
use crate::world::World;

/// Gauges of things that exist: none of them does any more.
const EMPTY: [&str; 4] =
    ["trunkline_sessions", "trunkline_streams", "trunkline_upstream_up", "trunkline_children"];

/// How long the word that a call was taken back may be on its way.
const TAKEN_BACK: Duration = Duration::from_secs(3);

/// Looks at what is there when every client has left for long, and the gateway goes on.
pub(crate) fn when_quiet(world: &World) {
    for server in world.servers.iter().filter(|server| !server.http) {
        let processes = server.processes();
        let how = format_args!("{processes} of {}", server.name);
        world.history.law("conversations of clients end with them", processes <= 1, how);
    }
}

/// A call that began to run at `server`: not while its breaker has been open since before the call was made.
pub(crate) fn on_run(world: &World, server: &Server, call: &str) {
    let (Some(open), Some(sent)) = (world.open_since(&server.name), world.when_sent(call)) else { return };
    let how = format_args!("{call} ran at {}", server.name);
    world.history.law("an open breaker lets nothing through", sent <= open, how);
}

/// Looks at what is left. `gone` says whether nobody holds the gateway; `ours` how many tasks of the world still run.
pub(crate) fn at_the_end(world: &World, gone: bool, ours: usize) {
    let history = &world.history;
    for record in world.records().iter() {
        let Some(server) = world.servers.iter().find(|server| server.name == record.server) else { continue };
        let ran = server.ran(&record.call);
        let how = format_args!("{} ran {} times: {:?}", record.call, ran.times, record.verdict.told());
        history.law("no call runs twice", ran.times <= 1, how);
        match &record.verdict {
            Verdict::Ran => history.law("what is answered ran once", ran.times == 1, how),
            Verdict::DidNotRun(_) => history.law("what did not run did not", ran.times == 0, how),
            Verdict::Cancelled(at) => {
                let late = ran.over.is_some_and(|over| over > *at + TAKEN_BACK);
                let excused = world.has_jumped() || server.has_stalled();
                history.law("what is cancelled ends at its server", !late || excused, how);
            }
            Verdict::Unknown(_) | Verdict::Left => {}
        }
    }
    history.law("nobody holds a gateway that stopped", gone, "somebody does");
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    history.law("no task is left", tasks == 0, format_args!("{tasks} are alive, {ours} of them the world's"));
    let text = world.metrics.encode(Format::OpenMetrics);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let name = series.split('{').next().unwrap_or_default();
        if EMPTY.contains(&name) {
            history.law("everything came home", value == "0", line);
        }
    }
}
