//! Calls that were sent more than once, or to another server: whether they might be, when, and what was said of it.

use std::fmt;
use std::sync::PoisonError;

use super::{TAKEN_BACK, server};
use crate::client::{Record, SLACK, Verdict};
use crate::server::{Arrival, Fate, Server, Speaks};
use crate::setup::Setup;
use crate::world::World;

/// One call at one server, with every time that it came to a member.
struct Place<'a> {
    world: &'a World,
    record: &'a Record,
    setup: &'a Setup,
    arrivals: Vec<&'a Arrival>,
}

/// Holds everything that is known of a call against the laws.
pub(super) fn look(world: &World, record: &Record) {
    let arrivals = world.ledger.of(&record.call);
    let at = |name: &str| -> Vec<&Arrival> {
        arrivals.iter().filter(|one| world.upstream_of(&one.server) == Some(name)).collect()
    };
    truth(world, record, &arrivals);
    taken_back(world, record, &arrivals);
    handed_on(world, record, &arrivals);
    let own = world.setups.iter().find(|setup| setup.name == record.server);
    let stands_in = own.and_then(|setup| setup.fallback.as_deref());
    let began = !at(&record.server).is_empty();
    for setup in &world.setups {
        let place = Place { world, record, setup, arrivals: at(&setup.name) };
        if place.arrivals.is_empty() {
            continue;
        }
        if setup.name != record.server {
            place.law(
                "a call goes to its server, or to the one that stands in",
                stands_in == Some(&*setup.name),
            );
            place.law("one stands in only for what never began", !began);
        }
        place.how_often();
        place.when();
        place.patience();
        place.what_for();
    }
}

/// What the client was told is what happened.
fn truth(world: &World, record: &Record, arrivals: &[Arrival]) {
    let runs = arrivals.iter().filter(|one| one.ran()).count();
    let how = format_args!("{} ran {runs} times: {}", record.call, record.heard.verdict.told());
    match &record.heard.verdict {
        Verdict::Ran => {
            let by = record.heard.by.as_deref().unwrap_or_default();
            let answered = arrivals.iter().any(|one| one.fate == Fate::Answered && one.server == by);
            world.history.law("what is answered was answered there", answered, how);
        }
        Verdict::DidNotRun(_) => world.history.law("what did not run did not", runs == 0, how),
        Verdict::Unknown(_) | Verdict::Cancelled(_) | Verdict::Left => {}
    }
}

/// When the client has its answer, or has taken the call back, nothing of it goes on: not the slower of two either.
fn taken_back(world: &World, record: &Record, arrivals: &[Arrival]) {
    let (law, since) = match record.heard.verdict {
        Verdict::Cancelled(at) => ("what is cancelled ends at its server", at),
        // Rounds of questions may end before the server knows.
        _ if record.asks && record.asked => return,
        Verdict::Left => return,
        _ => ("what has its answer ends at every server", record.told),
    };
    for one in arrivals {
        let excused = world.has_jumped() || server(world, one).is_some_and(Server::has_stalled);
        let late = one.over.is_none_or(|over| over > since + TAKEN_BACK);
        world.history.law(law, !late || excused, format_args!("{} at {}", record.call, one.server));
    }
}

/// Once a client has some of the result there is no other.
fn handed_on(world: &World, record: &Record, arrivals: &[Arrival]) {
    let known = world.handed_on.lock().unwrap_or_else(PoisonError::into_inner).get(&record.call).copied();
    let Some(since) = known else { return };
    let later = arrivals.iter().any(|one| one.at > since);
    world.history.law("nothing is sent again once its result goes out", !later, &record.call);
}

impl Place<'_> {
    fn law(&self, law: &str, kept: bool) {
        self.world.history.law(law, kept, self);
    }

    /// Whether it may run twice here: by the tool's word and the operator's, and where nobody may have been asked.
    fn may_repeat(&self) -> bool {
        let Record { tool, has_key, asks, .. } = *self.record;
        self.setup.may_repeat(tool, has_key) && !(asks && self.setup.speaks == Speaks::Legacy)
    }

    /// Whether rounds of questions come as calls of their own.
    fn has_rounds(&self) -> bool {
        self.record.asks && self.record.asked
    }

    /// Whether nothing happened that would explain a connection that broke, or a wait.
    fn is_calm(&self) -> bool {
        let world = self.world;
        let reloaded = world.has_reloaded();
        let steady = |one: &&Arrival| server(world, one).is_some_and(Server::is_steady);
        !world.wires_break && !reloaded && self.arrivals.iter().all(steady)
    }

    fn how_often(&self) {
        let runs = self.arrivals.iter().filter(|one| one.ran()).count();
        self.law("what may not be repeated runs once", runs <= 1 || self.may_repeat());
        if !self.has_rounds() {
            let times = self.arrivals.len();
            self.law("what may not be repeated is sent once", times <= 1 || self.may_repeat());
            self.law("no call is sent more often than is allowed", times <= self.setup.attempts());
        }
    }

    fn when(&self) {
        let (world, Some(first)) = (self.world, self.arrivals.first()) else { return };
        if !world.asks && !world.has_jumped() {
            let end = first.at + world.timeouts.total + SLACK;
            self.law(
                "nothing is sent again past the deadline",
                self.arrivals.iter().all(|one| one.at <= end),
            );
        }
    }

    /// A server that asks for patience is given it, or is not asked again and the client is told.
    fn patience(&self) {
        if self.setup.hedges() || self.has_rounds() {
            return;
        }
        for pair in self.arrivals.windows(2) {
            if let Some(patience) = pair[0].patience() {
                self.law("a plea for patience is heard", pair[1].at >= pair[0].at + patience);
                self.law(
                    "a plea for more than that is not waited for",
                    patience <= self.setup.longest_wait(),
                );
            }
        }
        let last = self.arrivals.last().and_then(|one| one.patience());
        if let (Some(patience), Verdict::DidNotRun(_)) = (last, &self.record.heard.verdict) {
            self.law("a plea for patience is passed on", self.record.heard.retry_after == Some(patience));
        }
    }

    /// Only what failed is sent again, and what was not answered in time only elsewhere.
    fn what_for(&self) {
        if self.setup.hedges() || self.has_rounds() || self.world.has_jumped() {
            return;
        }
        let calm = self.is_calm();
        for pair in self.arrivals.windows(2) {
            self.law("what was answered is not asked for again", !calm || pair[0].fate != Fate::Answered);
            let elsewhere = !self.was_silent(pair[0]) || pair[0].server != pair[1].server;
            self.law("who did not answer in time is not asked again", elsewhere);
        }
    }

    /// Whether it was given up for its silence, as far as anybody can tell.
    fn was_silent(&self, one: &Arrival) -> bool {
        let silent = one.over.is_some_and(|over| over >= one.last_sign + self.world.timeouts.idle);
        one.hangs && one.fate == Fate::GivenUp && silent
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { call, tool, has_key, server, heard, .. } = self.record;
        write!(f, "{call} ({tool}, key: {has_key}) for {server} came to ")?;
        for one in &self.arrivals {
            let ms = (one.at - self.world.began).as_millis();
            write!(f, "{} at {ms} ({:?}), ", one.server, one.fate)?;
        }
        write!(f, "and was told {}, again after {:?}", heard.verdict.told(), heard.retry_after)
    }
}
