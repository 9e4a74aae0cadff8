//! How much: rates, calls at a time, overload.
//!
//! [`Limits`] is one compiled set of limits, swapped whole by a reload; what was taken lives on in it. A call is
//! [`asked`](Limits::admit) for once, when its tool and server are known, and gets a [`Permit`] or a fault:
//!
//! 1. `pressure.rs`: memory and event loop;
//! 2. the rates are looked at (`gcra.rs`, `store.rs`), so that nobody waits for a turn that cannot be used;
//! 3. limits of calls at a time, those of the document (`concurrency.rs`) and those that protect a server and the gateway
//!    (`gate.rs`, `adaptive.rs`); here a call may wait for its turn;
//! 4. the rates are taken, all of them or none.
//!
//! Whatever refuses, everything that was taken before comes home by itself. What is never asked for: lists and other
//! answers of our own, notifications, cancellations, answers to questions, health checks, the admin listener.

mod adaptive;
mod concurrency;
mod gate;
mod gcra;
pub mod options;
mod pressure;
mod rules;
mod store;
mod valve;
mod who;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use trunkline_model::{Fault, Quota};
use trunkline_observe::metrics::{LimitHandle, Metrics};

use gate::{Gate, Pass, Patience};
use options::{Options, Overload};
use rules::{ConcurrencyLimit, RateLimit};
use store::{Local, Refused, Store, Take};
use valve::{Course, Valves};

pub use pressure::Pressure;
pub use who::Who;

/// When a caller that was refused for want of room may try again. Nobody knows when there will be some; much less would
/// only bring it back into the crowd.
const AGAIN: Duration = Duration::from_secs(1);

/// What limits need to know of a call.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Who makes it.
    pub who: Who<'a>,
    /// Its method.
    pub method: &'a str,
    /// The tool it calls, by the name that clients see.
    pub tool: Option<&'a str>,
    /// The server that will answer, by number in the snapshot and by name.
    pub server: Option<(usize, &'a Arc<str>)>,
    /// Whether it goes on with what has begun: a retry with answers of a user. Asked only when room is scarce.
    pub goes_on: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked")
            .field("method", &self.method)
            .field("tool", &self.tool)
            .finish_non_exhaustive()
    }
}

/// One compiled set of limits.
#[derive(Debug)]
pub struct Limits {
    rates: Box<[RateLimit]>,
    store: Arc<dyn Store>,
    concurrency: Box<[ConcurrencyLimit]>,
    overload: Overload,
    all: Arc<Gate>,
    valves: Valves,
    pressure: Arc<Pressure>,
    crowded: LimitHandle,
    pressed: LimitHandle,
}

impl Limits {
    /// Compiles `options` for these servers, in the order of the snapshot. What was taken under `old` still counts where
    /// a limit has kept its name and what it counts apart, whatever its numbers are now.
    pub fn new(options: &Options, servers: &[Arc<str>], old: Option<&Self>, metrics: &Metrics) -> Self {
        let store: Arc<dyn Store> =
            old.map_or_else(|| Arc::new(Local::new(Instant::now())) as _, |old| Arc::clone(&old.store));
        let overload = options.overload.clone();
        let all = match old {
            Some(old) => {
                old.all.set_limit(overload.in_flight);
                Arc::clone(&old.all)
            }
            None => Gate::new(overload.in_flight),
        };
        if old.is_none() {
            metrics.crowds().gateway(&all);
        }
        Self {
            rates: options.rates.iter().map(|rule| RateLimit::new(rule, metrics)).collect(),
            concurrency: options
                .concurrency
                .iter()
                .map(|rule| {
                    let before = old.and_then(|old| old.concurrency.iter().find(|one| one.is(rule)));
                    ConcurrencyLimit::new(rule, before, metrics)
                })
                .collect(),
            valves: Valves::new(&overload, servers, old.map(|old| &old.valves), metrics),
            pressure: old.map_or_else(Arc::default, |old| Arc::clone(&old.pressure)),
            crowded: metrics.limit("in_flight"),
            pressed: metrics.limit("pressure"),
            store,
            all,
            overload,
        }
    }

    /// How the gateway is: to be told now and then, and asked by whoever says whether it is ready.
    pub fn pressure(&self) -> &Arc<Pressure> {
        &self.pressure
    }

    /// What memory and the lateness of the event loop may be.
    pub fn pressure_max(&self) -> (Option<usize>, Option<Duration>) {
        (self.overload.memory, self.overload.lag)
    }

    /// Admits a call or refuses it. The call may be under way as long as the permit is kept.
    ///
    /// # Errors
    /// [`Kind::RateLimited`](trunkline_model::Kind::RateLimited) when a limit of the document refuses,
    /// [`Kind::Overloaded`](trunkline_model::Kind::Overloaded) when a server or the gateway has enough to do.
    pub async fn admit(&self, asked: &Asked<'_>) -> Result<Permit, Fault> {
        let now = Instant::now();
        if asked.server.is_some()
            && let Some(why) = self.pressure.sheds()
            && !(asked.goes_on)()
        {
            self.pressed.refused();
            return Err(Fault::overloaded(why));
        }
        let takes = self.takes(asked);
        if !takes.is_empty() {
            self.store.look(&takes, now).map_err(|refused| self.late(asked, &refused))?;
        }
        let mut passes = Vec::new();
        for limit in self.concurrency.iter().filter(|limit| limit.concerns(asked)) {
            passes.push(limit.enter(asked, now).await?);
        }
        let course = self.begin(asked, now).await?;
        if !takes.is_empty() {
            self.store.take(&takes, Instant::now()).await.map_err(|refused| self.late(asked, &refused))?;
            self.rates.iter().filter(|limit| limit.concerns(asked)).for_each(RateLimit::admitted);
        }
        Ok(Permit { course, _passes: passes })
    }

    fn takes(&self, asked: &Asked<'_>) -> Vec<Take> {
        if self.rates.is_empty() {
            return Vec::new();
        }
        self.rates.iter().filter(|limit| limit.concerns(asked)).map(|limit| limit.take(asked)).collect()
    }

    fn late(&self, asked: &Asked<'_>, refused: &Refused) -> Fault {
        match self.rates.iter().filter(|limit| limit.concerns(asked)).nth(refused.at) {
            Some(limit) => limit.late(refused.late),
            None => Fault::internal("a limit that is not there has refused"),
        }
    }

    /// Room at the server and in the gateway. Lists and other answers of our own need none.
    async fn begin(&self, asked: &Asked<'_>, now: Instant) -> Result<Option<Course>, Fault> {
        let Some((number, server)) = asked.server else { return Ok(None) };
        let patience = || Patience {
            until: now + self.overload.queue_age,
            queue: self.overload.queue,
            sensible: true,
            urgent: (asked.goes_on)(),
        };
        let valve = self.valves.get(number);
        // First the server's: who waits for a slow one must not hold the gateway's room meanwhile.
        let own = match valve {
            Some(valve) => Some(valve.enter(now, patience, server).await?),
            None => None,
        };
        let all = match self.all.try_enter(false) {
            Some(pass) => Ok(pass),
            None => self.all.enter(now, patience()).await,
        };
        let all = all.map_err(|gate::Full| {
            self.crowded.refused();
            Fault::overloaded("the gateway has as many calls under way as it may; try again later")
        })?;
        Ok(Some(Course::new(valve, own, all, asked.tool)))
    }
}

/// Leave for one call, for as long as it is kept.
#[derive(Debug)]
#[must_use = "the call may be under way only as long as this is kept"]
pub struct Permit {
    course: Option<Course>,
    _passes: Vec<Pass>,
}

impl Permit {
    /// Tells how the server did; what it learns about servers that are slow comes from here. `answered` is `false` when no
    /// answer came in time. A call that was given up is not told of.
    pub fn ended(&mut self, answered: bool) {
        if let Some(course) = &mut self.course {
            course.ended(answered);
        }
    }
}

/// A caller that comes too often, as a fault.
fn too_often(name: &Arc<str>, quota: Option<Quota>, after: Option<Duration>) -> Fault {
    let text = match after {
        Some(_) => format!("too many calls (limit \"{name}\"); try again later"),
        None => format!("this call costs more than the limit \"{name}\" ever allows"),
    };
    Fault::rate_limited(text, quota, after)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
