//! How many calls try a server at a time whose breaker is half open.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use trunkline_upstream::breaker::State;

use super::{TAKEN_BACK, may_have_been_sent, server};
use crate::client::{Record, Verdict};
use crate::server::{Arrival, Fate, Server};
use crate::world::World;

/// A call that came to a server whose breaker was half open, and cannot have been let through before.
#[derive(Debug)]
pub(crate) struct Probe {
    /// The server as the operator named it.
    of: String,
    /// How often the breaker had opened.
    openings: u64,
    call: String,
    /// Which of the times it is that the call came to a server.
    number: usize,
    at: Instant,
}

/// Notes that a call comes to a server, if it is a probe. After a reload nobody knows which breaker let it through.
pub(super) fn note(world: &World, server: &Server, call: &str) {
    let Some((State::HalfOpen, openings, opened)) = world.circuit(&server.of) else { return };
    let sent_since = may_have_been_sent(world, server, call).is_some_and(|sent| sent > opened);
    if sent_since && !world.has_reloaded() {
        let (of, call, number) = (server.of.clone(), call.to_owned(), world.ledger.times(call));
        world.probes().push(Probe { of, openings, call, number, at: Instant::now() });
    }
}

/// Holds what was noted against what was allowed.
pub(super) fn look(world: &World) {
    let probes = world.probes();
    for (last, probe) in probes.iter().enumerate() {
        let options = world.setups.iter().find(|setup| setup.name == probe.of);
        let Some(breaker) = options.and_then(|setup| setup.options.live.breaker.as_ref()) else { continue };
        let same = |one: &&Probe| one.of == probe.of && one.openings == probe.openings;
        let under_way: Vec<&Probe> =
            probes[..last].iter().filter(same).filter(|one| one.is_under_way(world, probe.at)).collect();
        let times = under_way.len() + 1;
        let kept = times <= breaker.probes as usize;
        let how = format_args!("{times} at {}: {probe}, {under_way:?}", probe.of);
        world.history.law("no more calls try a server at a time than may", kept, how);
    }
}

impl Probe {
    /// Whether the gateway certainly still waited for its end then: it is what the client was told later, or went on for longer
    /// than a server goes on with what was taken back.
    fn is_under_way(&self, world: &World, then: Instant) -> bool {
        let arrivals = world.ledger.of(&self.call);
        let Some(arrival) = arrivals.get(self.number) else { return false };
        let records = world.records();
        let Some(record) = records.iter().find(|record| record.call == self.call) else { return false };
        let goes_on = |after: Duration| arrival.over.is_none_or(|over| over > then + after);
        let heeds = !world.has_jumped() && !server(world, arrival).is_some_and(Server::has_stalled);
        goes_on(Duration::ZERO) && was_heard(arrival, record) || heeds && goes_on(TAKEN_BACK)
    }
}

/// Whether this was the answer that the client got.
fn was_heard(arrival: &Arrival, record: &Record) -> bool {
    arrival.fate == Fate::Answered
        && record.heard.verdict == Verdict::Ran
        && record.heard.by.as_deref() == Some(&*arrival.server)
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after opening {}", self.call, self.openings)
    }
}
