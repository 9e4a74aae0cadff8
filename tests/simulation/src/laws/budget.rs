//! How many calls were sent again: a share of all calls and so many a second, saved up for ten seconds
//! (docs/configuration.md, `retry.budget`).

use std::time::Duration;

use tokio::time::Instant;

use crate::client::SLACK;
use crate::setup::Setup;
use crate::world::World;

/// How long the allowance of each second can be saved up.
const SAVED_SECS: f64 = 10.0;
/// The share of so many calls can be saved up.
const SAVED_CALLS: f64 = 100.0;

/// Holds every server against its budget.
pub(super) fn look(world: &World) {
    for setup in &world.setups {
        let again = sent_again(world, setup);
        if !again.is_empty() {
            since_the_beginning(world, setup, &again);
            // Where time has leapt it is not known when something was decided.
            if !world.has_jumped() {
                at_any_time(world, setup, &again);
            }
        }
    }
}

/// When calls came to a server once more. Rounds of questions are calls of their own.
fn sent_again(world: &World, setup: &Setup) -> Vec<Instant> {
    let mut again = Vec::new();
    for record in world.records().iter().filter(|record| !(record.asks && record.asked)) {
        let arrivals = world.ledger.of(&record.call);
        let here = arrivals.iter().filter(|one| world.upstream_of(&one.server) == Some(&*setup.name));
        again.extend(here.skip(1).map(|one| one.at));
    }
    again.sort_unstable();
    again
}

fn since_the_beginning(world: &World, setup: &Setup, again: &[Instant]) {
    let (share, each_second) = setup.budget();
    let demanded = world.demanded(&setup.name);
    for (number, at) in again.iter().enumerate() {
        let calls = demanded.iter().filter(|demanded| *demanded <= at).count();
        let secs = (*at - world.began).as_secs_f64() + setup.begun() as f64;
        let allowed = each_second * secs + share * calls as f64;
        law(world, setup, number + 1, allowed, *at);
    }
}

fn at_any_time(world: &World, setup: &Setup, again: &[Instant]) {
    let (share, each_second) = setup.budget();
    let demanded = world.demanded(&setup.name);
    let saved = (each_second * SAVED_SECS).max(share * SAVED_CALLS).max(1.0);
    // From when it is decided until it arrives: two waits at most, and connections.
    let under_way = setup.longest_wait() * 2 + world.timeouts.connect * 3 + SLACK;
    for (from, first) in again.iter().enumerate() {
        let begin = first.checked_sub(under_way).unwrap_or(world.began);
        for (until, last) in again.iter().enumerate().skip(from) {
            let calls = demanded.iter().filter(|at| (begin..=*last).contains(at)).count();
            let time: Duration = *last - begin;
            let secs = time.as_secs_f64() + (setup.begun() - 1) as f64;
            let allowed = saved + each_second * secs + share * calls as f64;
            law(world, setup, until - from + 1, allowed, *last);
        }
    }
}

fn law(world: &World, setup: &Setup, times: usize, allowed: f64, at: Instant) {
    let ms = (at - world.began).as_millis();
    let how = format_args!("{times} times at {} until {ms}, of {allowed:.2}", setup.name);
    world.history.law("no more is sent again than the budget allows", times as f64 <= allowed + 1e-6, how);
}
