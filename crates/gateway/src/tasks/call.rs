//! What becomes of a tool call where tasks are possible.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use trunkline_model::{Call, Era, Fault, Outcome, Reply};
use trunkline_observe::time::Rfc3339;
use trunkline_protocol::tasks::{self, Status, Support, Task};
use trunkline_upstream::Upstream;

use super::held::New;
use super::requests::declaring;
use super::{Place, downward};
use crate::stages::drive;

/// How long the result of a call that ended at once is kept for a client that asked for a task, in milliseconds.
const ENDED_TTL_MS: u64 = 10 * 60 * 1000;

/// How a tool call is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Like any other.
    Plain,
    /// It may become a task, as the server decides.
    Perhaps,
    /// The tool knows only tasks, the client knows none: the gateway waits for the task.
    Driven,
    /// The client gets a task.
    Task,
}

impl Way {
    pub(crate) fn of(support: Support, call: &Call) -> Self {
        let caller = &call.caller;
        match (support, caller.era) {
            (Support::None, _) => Self::Plain,
            (Support::Required, Era::Modern) if tasks::declared(&caller.capabilities) => Self::Task,
            (Support::Chosen, Era::Modern) if tasks::declared(&caller.capabilities) => Self::Perhaps,
            (_, Era::Legacy) if tasks::requested(&call.params.raw) => Self::Task,
            (Support::Required, _) => Self::Driven,
            (Support::Chosen, Era::Legacy) => Self::Perhaps,
            (Support::Optional | Support::Chosen, _) => Self::Plain,
        }
    }
}

/// Makes a task for a client that wants one, or can take one that there must be.
pub(crate) async fn made(
    place: Place<'_>,
    upstream: &Arc<Upstream>,
    support: Support,
    target: Option<&str>,
    extra: &[(String, String)],
    call: &Call,
) -> Outcome {
    let owner = place.owner(&call.caller);
    let room = match place.tasks.admit(&owner) {
        Ok(room) => room,
        Err(fault) => return fault.into(),
    };
    let (outcome, hold) = if support == Support::Chosen {
        let bare = Call { params: tasks::without_task(&call.params), ..declaring(call) };
        let first = upstream.call(&bare, target, extra).await;
        // What the server wants to know before there is a task is asked like at any call.
        (drive::drive(upstream, &bare, target, extra, first).await, None)
    } else {
        let asking = Call { params: tasks::with_task(&call.params), ..call.clone() };
        upstream.call_holding(&asking, target, extra).await
    };
    let Outcome::Result(reply) = &outcome else { return outcome };
    let task = tasks::created(&reply.raw, reply.era);
    if task.is_none() && !(reply.era == Era::Modern && call.caller.era == Era::Legacy) {
        // A legacy server that knows no tasks after all has run the call.
        return outcome;
    }
    if task.is_none() && !place.tasks.may_keep(&outcome) {
        return Fault::overloaded("too many results of tasks wait to be fetched; the call has run").into();
    }
    let (task, kept) = match task {
        Some(task) => (task, None),
        None => (Task::ended(&Rfc3339(SystemTime::now()).to_string(), ENDED_TTL_MS), Some(outcome.clone())),
    };
    let new = New {
        owner,
        server: Arc::clone(upstream.name()),
        back: reply.era,
        task: task.clone(),
        hold: hold.filter(|_| reply.era == Era::Legacy),
        maker: (call.caller.era == Era::Modern).then(|| Arc::clone(&call.caller)),
        outcome: kept,
    };
    let held = place.tasks.hold(room, &call.caller, new);
    tracing::debug!(server = &**upstream.name(), era = reply.era.as_str(), "a task was made");
    let (raw, era) = match (call.caller.era, reply.era) {
        (Era::Legacy, Era::Legacy) => (tasks::renumbered(&reply.raw, &held.id), Era::Legacy),
        (Era::Modern, _) => (task.say(Era::Modern, &held.id, Some("task")), Era::Modern),
        (Era::Legacy, Era::Modern) => {
            // Tasks begin as working ones, whatever has become of them since (2025-11-25, task status lifecycle).
            let begun = Task { status: Status::Working, ..task };
            (wrapped(&begun.say(Era::Legacy, &held.id, None)), Era::Legacy)
        }
    };
    Outcome::Result(Reply { raw, era })
}

/// The answer to a call that asked for a task (legacy).
fn wrapped(task: &Bytes) -> Bytes {
    Bytes::from([b"{\"task\":", &task[..], b"}"].concat())
}

/// What an outcome of a server that decides by itself means for its caller.
pub(crate) async fn settled(
    place: Place<'_>,
    upstream: &Arc<Upstream>,
    target: Option<&str>,
    extra: &[(String, String)],
    call: &Call,
    outcome: Outcome,
) -> Outcome {
    if call.caller.era == Era::Modern {
        return renamed(place, upstream, call, outcome);
    }
    match &outcome {
        Outcome::Error(error) if error.era == Era::Modern && tasks::is_missing(&error.raw) => {
            // The server runs this as a task or not at all. It has not run: the error says so.
            let declaring = declaring(call);
            let first = upstream.call(&declaring, target, extra).await;
            let outcome = drive::drive(upstream, &declaring, target, extra, first).await;
            downward::driven(upstream, &declaring, outcome).await
        }
        Outcome::Result(reply) if reply.era == Era::Modern => {
            downward::driven(upstream, &declaring(call), outcome).await
        }
        _ => outcome,
    }
}

/// A modern server's task under the id that its modern client will know.
fn renamed(place: Place<'_>, upstream: &Arc<Upstream>, call: &Call, outcome: Outcome) -> Outcome {
    let Outcome::Result(reply) = &outcome else { return outcome };
    if reply.era != Era::Modern || memchr::memmem::find(&reply.raw, b"\"task\"").is_none() {
        return outcome;
    }
    let Some(task) = tasks::created(&reply.raw, Era::Modern) else { return outcome };
    let id = place.tasks.remote(&place.owner(&call.caller), upstream.name(), &task.id);
    Outcome::Result(Reply { raw: tasks::renumbered(&reply.raw, &id), era: Era::Modern })
}
