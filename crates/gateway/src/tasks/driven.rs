//! Waiting for tasks of a legacy server: on behalf of callers that know no tasks, and of legacy clients that wait for a
//! result.
//!
//! `tasks/result` blocks until the end and is where the task's questions come (2025-11-25, result retrieval), so it is
//! opened at once. The server is asked how the task stands only for callers that want to hear of progress, and where the
//! waiting itself was interrupted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use trunkline_model::{Call, Era, Fault, Kind, Outcome, Reply, TaskRequest};
use trunkline_protocol::tasks::{self, Task};
use trunkline_upstream::Upstream;

use super::pace::Pace;
use super::requests::{GivingUp, Server, Telling, about};

/// Longest time that somebody waits for one task.
pub(crate) const WAIT_MAX: Duration = Duration::from_hours(1);

/// Runs a call whose tool knows only tasks, to its result. Dropped before the end, the task is cancelled.
pub(crate) async fn driven(
    upstream: &Arc<Upstream>,
    call: &Call,
    target: Option<&str>,
    extra: &[(String, String)],
) -> Outcome {
    let asking = Call { params: tasks::with_task(&call.params), ..call.clone() };
    let (outcome, hold) = upstream.call_holding(&asking, target, extra).await;
    let created = match &outcome {
        Outcome::Result(reply) if reply.era == Era::Legacy => tasks::created(&reply.raw, Era::Legacy),
        _ => None,
    };
    let Some(task) = created else { return outcome };
    let giving_up = GivingUp::new(upstream, hold, call, &task.id);
    let outcome = finished(giving_up.server(), call, &task).await;
    if ended(&outcome) {
        giving_up.over();
    }
    match outcome {
        Outcome::Result(reply) => Outcome::Result(Reply { raw: tasks::unrelated(&reply.raw), ..reply }),
        other => other,
    }
}

/// Whether the server itself said what came of the task.
fn ended(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Fault(_))
}

/// Waits for the end of a task; questions go to the call's notes.
pub(crate) async fn finished(server: Server<'_>, call: &Call, task: &Task) -> Outcome {
    let id = &task.id;
    let give_up = Instant::now() + WAIT_MAX;
    let wait = about(call, TaskRequest::Result, id, Arc::clone(&call.notes));
    let (mut pace, mut telling) = (Pace::of(task), Telling::new(call));
    telling.tell(task);
    let mut look = Instant::now() + pace.wait(task, true);
    let mut waiting = Box::pin(server.call(&wait, id));
    loop {
        tokio::select! {
            biased;
            outcome = &mut waiting => {
                if !interrupted(&outcome) {
                    return outcome;
                }
                match server.get(call, id).await {
                    // It ended while nobody waited, or the answer was what came of it.
                    Ok(task) if task.status.is_final() && !ended(&outcome) => {}
                    Ok(task) if !task.status.is_final() => sleep(pace.wait(&task, false)).await,
                    _ => return outcome,
                }
                waiting = Box::pin(server.call(&wait, id));
            }
            () = sleep_until(look), if telling.wanted() => {
                let now = server.get(call, id).await;
                let wait = match now {
                    Ok(task) => {
                        let news = telling.tell(&task);
                        pace.wait(&task, news)
                    }
                    Err(_) => pace.wait(task, false),
                };
                look = Instant::now() + wait;
            }
            () = sleep_until(give_up) => return Fault::timed_out(server.upstream.name(), WAIT_MAX).into(),
        }
    }
}

/// Whether an outcome says nothing about the task: the waiting was cut short, or was refused.
fn interrupted(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Fault(fault) => {
            matches!(fault.kind, Kind::TimedOut | Kind::Unavailable | Kind::OutcomeUnknown)
        }
        Outcome::Error(_) => true,
        Outcome::Result(_) => false,
    }
}
