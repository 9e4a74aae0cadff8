//! Playing a scenario against a gateway that runs: load as users make it, faults by its admin listener, and what the users
//! saw of them.

mod control;
mod render;
mod tally;
mod users;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::task::TaskTracker;
use trunkline_config::{Load, Phase, Scenario};

use crate::stop::Stop;
use crate::terminal::{Terminal, one_line};

pub(crate) use control::Control;
pub(crate) use render::{as_json, as_text};
pub(crate) use tally::Seen;
use tally::{Tally, Told};
use users::Users;

/// How long faults stay that nobody asks for again. A run that dies leaves them behind for no longer.
const LEASE: Duration = Duration::from_secs(10);
/// Between two times that faults are asked for.
const RENEW: Duration = Duration::from_secs(3);
/// How long calls may take that are under way when the last phase is over; what is left then has no answer.
const LAST_CALLS: Duration = Duration::from_secs(30);

/// Whether a scenario breaks anything.
pub(crate) fn breaks(scenario: &Scenario) -> bool {
    scenario.phases.iter().any(|phase| phase.faults != json!([]))
}

/// Plays the whole scenario at the endpoint `url`. `control` is needed where the scenario breaks something.
///
/// # Errors
/// When the gateway cannot be reached, or does not let itself be broken.
pub(crate) async fn play(
    scenario: &Scenario,
    url: &str,
    control: Option<&Control>,
    terminal: &Terminal,
) -> Result<Vec<Seen>, Stop> {
    let users = Arc::new(Users::connect(url, scenario).await?);
    let (told, mut heard) = unbounded_channel();
    let crowd = Crowd { users: Arc::clone(&users), calls: TaskTracker::new(), told };
    let played = phases(scenario, control, &crowd, terminal).await;
    if let Some(control) = control {
        control.clear().await?;
    }
    played?;
    crowd.calls.close();
    let _ = timeout(LAST_CALLS, crowd.calls.wait()).await;
    let mut tallies: Vec<Tally> = scenario.phases.iter().map(|_| Tally::default()).collect();
    while let Ok(told) = heard.try_recv() {
        if let Some(tally) = tallies.get_mut(told.phase()) {
            tally.take(told);
        }
    }
    users.stop().await;
    Ok(scenario.phases.iter().zip(tallies).map(|(phase, tally)| tally.judged(phase)).collect())
}

/// Everybody who calls.
#[derive(Clone)]
struct Crowd {
    users: Arc<Users>,
    calls: TaskTracker,
    told: UnboundedSender<Told>,
}

async fn phases(
    scenario: &Scenario,
    control: Option<&Control>,
    crowd: &Crowd,
    terminal: &Terminal,
) -> Result<(), Stop> {
    for (number, phase) in scenario.phases.iter().enumerate() {
        if let Some(control) = control {
            control.set(&phase.faults, LEASE).await?;
        }
        let faults = phase.faults.as_array().map_or(0, Vec::len);
        let name = one_line(&phase.name);
        terminal.say(&format!("{name}: {:.0} s, {faults} faults", phase.lasts.as_secs_f64()));
        let end = Instant::now() + phase.lasts;
        for load in &phase.load {
            crowd.calls.spawn(drive(crowd.clone(), load.clone(), number, end));
        }
        tokio::select! {
            () = sleep_until(end) => {}
            stopped = keep(control, phase) => return Err(stopped),
        }
    }
    Ok(())
}

/// Has the phase's faults stay in force; ends only when that fails.
async fn keep(control: Option<&Control>, phase: &Phase) -> Stop {
    let Some(control) = control else { return std::future::pending().await };
    loop {
        sleep(RENEW).await;
        if let Err(stop) = control.set(&phase.faults, LEASE).await {
            return stop;
        }
    }
}

/// Makes the calls of one load until `end`, at its pace whatever becomes of them: users do not wait for each other.
async fn drive(crowd: Crowd, load: Load, phase: usize, end: Instant) {
    let mut pace = interval(Duration::from_secs_f64(1.0 / load.rate));
    // A machine that cannot keep up makes its calls late, and their time counts from when they were due.
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let load = Arc::new(load);
    for number in 0_usize.. {
        let due = pace.tick().await;
        if due >= end {
            return;
        }
        let era = load.eras[number % load.eras.len()];
        let _ = crowd.told.send(Told::Begun { phase });
        let (crowd, load) = (crowd.clone(), Arc::clone(&load));
        let calls = crowd.calls.clone();
        calls.spawn(async move {
            let reason = crowd.users.call(era, &load.tool, &load.arguments).await;
            let _ = crowd.told.send(Told::Ended { phase, took: due.elapsed(), reason });
        });
    }
}
