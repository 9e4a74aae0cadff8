//! Tasks of a legacy server for modern clients: what came of a task and what it asks stands in the answer to `tasks/get`
//! (`bridging.md` 9.1).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use trunkline_model::{Call, Era, Fault, Kind, Notes, Operation, Outcome, Quiet, Reply, TaskRequest, Text};
use trunkline_protocol::tasks::{self, Status, Task};
use trunkline_protocol::{Revision, bridge};
use trunkline_upstream::Upstream;

use super::Tasks;
use super::held::Held;
use super::requests::{Server, about};

/// How long an answer waits for the questions that a server says it has.
const QUESTIONS_COME: Duration = Duration::from_secs(1);

fn server<'a>(upstream: &'a Arc<Upstream>, held: &'a Held) -> Server<'a> {
    Server { upstream, hold: held.hold.as_ref() }
}

/// How a task stands, with what came of it or what it asks.
pub(crate) async fn get(
    tasks: &Arc<Tasks>,
    upstream: &Arc<Upstream>,
    call: &Call,
    held: &Arc<Held>,
) -> Outcome {
    let kept = held.state().outcome.clone();
    if let Some(outcome) = kept {
        let task = held.state().task.clone();
        return detailed(held, task, outcome);
    }
    let mut task = match server(upstream, held).get(call, &held.original).await {
        Ok(task) => task,
        Err(other) => return other,
    };
    held.heard(&task);
    match task.status {
        Status::Completed | Status::Failed => {
            let fetch = about(call, TaskRequest::Result, &held.original, Arc::new(Quiet));
            let outcome = server(upstream, held).call(&fetch, &held.original).await;
            return detailed(held, task, outcome);
        }
        Status::Cancelled => {}
        Status::InputRequired | Status::Working => {
            if task.status == Status::InputRequired {
                listen(tasks, upstream, call, held);
                held.inbox.wait(QUESTIONS_COME).await;
            }
            task.asks = held.inbox.listed();
            // A task whose questions are all answered, or have not come yet, is on its way.
            task.status = if task.asks.is_some() { Status::InputRequired } else { Status::Working };
        }
    }
    Outcome::Result(Reply { raw: task.say(Era::Modern, &held.id, Some("complete")), era: Era::Modern })
}

/// A task that has ended, with what came of it. A result is a completed task even if it reports a failure; only an error
/// is a failed one (SEP-2663, task status).
fn detailed(held: &Held, mut task: Task, outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Result(reply) => {
            let bare = Reply { raw: tasks::unrelated(&reply.raw), ..reply };
            let called = Operation::CallTool(Text::default());
            match bridge::result(&bare, Revision::MODERN_LATEST, &called) {
                Ok(raw) => task.result = Some(raw),
                Err(fault) => return fault.into(),
            }
            task.status = Status::Completed;
        }
        Outcome::Error(error) => {
            task.error = Some(bridge::error(&error, Era::Modern, None).1);
            task.status = Status::Failed;
        }
        fault @ Outcome::Fault(_) => return fault,
    }
    Outcome::Result(Reply { raw: task.say(Era::Modern, &held.id, Some("complete")), era: Era::Modern })
}

/// Waits for the task at its server, in the background: that is where its questions come, and where the answers to them
/// belong. At most one waits.
fn listen(tasks: &Arc<Tasks>, upstream: &Arc<Upstream>, call: &Call, held: &Arc<Held>) {
    if !held.inbox.begin_listening() {
        return;
    }
    let inbox = Arc::clone(&held.inbox) as Arc<dyn Notes>;
    let mut wait = about(call, TaskRequest::Result, &held.original, inbox);
    // What the server may ask was settled when the task was made.
    if let Some(maker) = &held.maker {
        wait.caller = Arc::clone(maker);
    }
    let (weak, upstream, held) = (Arc::downgrade(tasks), Arc::clone(upstream), Arc::clone(held));
    tasks.workers.spawn(async move {
        let outcome = tokio::select! {
            outcome = server(&upstream, &held).call(&wait, &held.original) => Some(outcome),
            () = held.over.cancelled() => None,
        };
        held.inbox.stop_listening();
        if let Some(outcome @ Outcome::Result(_)) = outcome
            && weak.upgrade().is_some_and(|tasks| tasks.may_keep(&outcome))
        {
            // Some servers say it once.
            held.state().outcome = Some(outcome);
        }
    });
}

/// Takes answers to the task's questions.
pub(crate) fn update(call: &Call, held: &Held) -> Outcome {
    let Some(responses) = tasks::responses(&call.params.raw) else {
        return Fault::client(Kind::InvalidParams, "params.inputResponses must be an object").into();
    };
    held.inbox.answer(&responses);
    acknowledged()
}

/// Gives a task up. That it had ended before is nothing to complain of in this dialect.
pub(crate) async fn cancel(upstream: &Arc<Upstream>, call: &Call, held: &Held) -> Outcome {
    let cancel = about(call, TaskRequest::Cancel, &held.original, Arc::new(Quiet));
    match server(upstream, held).call(&cancel, &held.original).await {
        Outcome::Result(_) | Outcome::Error(_) => acknowledged(),
        fault @ Outcome::Fault(_) => fault,
    }
}

fn acknowledged() -> Outcome {
    Outcome::Result(Reply { raw: Bytes::from_static(b"{\"resultType\":\"complete\"}"), era: Era::Modern })
}
