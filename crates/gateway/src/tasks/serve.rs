//! Requests about tasks: whose task it is, and who knows it.

use std::sync::Arc;

use trunkline_model::{Call, Era, Fault, Kind, Outcome, Reply, TaskRequest, Text};
use trunkline_protocol::tasks::{self, Status};
use trunkline_upstream::Upstream;

use super::downward::{self, terminal};
use super::driven::finished;
use super::held::Held;
use super::ids::Named;
use super::requests::{Renaming, Server, declaring};
use super::{Place, listing, unknown, upward};

/// Answers a request about one task; with the number of the server that was asked, if one was.
pub(crate) async fn serve(
    place: Place<'_>,
    call: &Call,
    request: TaskRequest,
    id: &Text,
) -> (Outcome, Option<usize>) {
    if call.caller.era == Era::Modern && !tasks::declared(&call.caller.capabilities) {
        let text = "requests about tasks need the tasks extension among the client's capabilities";
        return (Fault::client(Kind::MissingCapability(tasks::NEEDED.into()), text).into(), None);
    }
    let owner = place.owner(&call.caller);
    match place.tasks.ids.open(&owner, id) {
        None => (unknown(), None),
        Some(Named::Remote { server, id: original }) => {
            let Some((number, upstream)) = place.upstream(&server) else { return (unknown(), None) };
            (remote(upstream, call, id, &original).await, Some(number))
        }
        Some(Named::Held(key)) => {
            let Some(held) = place.tasks.find(&owner, &key) else { return (unknown(), None) };
            let Some((number, upstream)) = place.upstream(&held.server) else { return (unknown(), None) };
            (kept(place, upstream, call, request, &held).await, Some(number))
        }
    }
}

/// One page of the caller's tasks.
pub(crate) async fn list(place: Place<'_>, call: &Call, cursor: Option<&Text>) -> Outcome {
    listing::list(place, call, cursor).await
}

/// A modern server's task, for a modern client.
async fn remote(upstream: &Arc<Upstream>, call: &Call, id: &Text, original: &Text) -> Outcome {
    match upstream.call(call, Some(original), &[]).await {
        Outcome::Result(reply) => Outcome::Result(Reply { raw: tasks::renumbered(&reply.raw, id), ..reply }),
        other => other,
    }
}

async fn kept(
    place: Place<'_>,
    upstream: &Arc<Upstream>,
    call: &Call,
    request: TaskRequest,
    held: &Arc<Held>,
) -> Outcome {
    match (call.caller.era, held.back, request) {
        (Era::Modern, _, TaskRequest::Get | TaskRequest::Result) => {
            upward::get(place.tasks, upstream, call, held).await
        }
        (Era::Modern, _, TaskRequest::Update) => upward::update(call, held),
        (Era::Modern, _, TaskRequest::Cancel) => upward::cancel(upstream, call, held).await,
        (Era::Legacy, Era::Legacy, _) => same(upstream, call, request, held).await,
        (Era::Legacy, Era::Modern, _) => lowered(upstream, call, request, held).await,
    }
}

/// A legacy server's task, for a legacy client.
async fn same(upstream: &Arc<Upstream>, call: &Call, request: TaskRequest, held: &Arc<Held>) -> Outcome {
    let server = Server { upstream, hold: held.hold.as_ref() };
    if request == TaskRequest::Result {
        let notes = Arc::new(Renaming { inner: Arc::clone(&call.notes), id: held.id.clone() });
        let call = Call { notes, ..call.clone() };
        let task = held.state().task.clone();
        return match finished(server, &call, &task).await {
            Outcome::Result(reply) => {
                Outcome::Result(Reply { raw: tasks::renamed(&reply.raw, &held.id), ..reply })
            }
            other => other,
        };
    }
    match server.call(call, &held.original).await {
        Outcome::Result(reply) => {
            if let Some(task) = tasks::Task::read(&reply.raw) {
                held.heard(&task);
            }
            Outcome::Result(Reply { raw: tasks::renumbered(&reply.raw, &held.id), ..reply })
        }
        other => other,
    }
}

/// A modern server's task, for a legacy client.
async fn lowered(upstream: &Arc<Upstream>, call: &Call, request: TaskRequest, held: &Arc<Held>) -> Outcome {
    let server = Server { upstream, hold: None };
    let declaring = declaring(call);
    let (known, kept) = {
        let state = held.state();
        (state.task.clone(), state.outcome.clone())
    };
    let gone = known.status == Status::Cancelled;
    match request {
        TaskRequest::Get if gone || kept.is_some() => said(&known, held),
        TaskRequest::Get => match server.get(&declaring, &held.original).await {
            Ok(task) => {
                held.heard(&task);
                said(&task, held)
            }
            Err(other) => other,
        },
        TaskRequest::Result => {
            let outcome = match kept {
                Some(outcome) => outcome,
                None if gone => Fault::client(Kind::InvalidParams, "the task was cancelled").into(),
                None => match server.get(&declaring, &held.original).await {
                    Ok(task) => {
                        held.heard(&task);
                        tokio::select! {
                            outcome = downward::until_done(server, &declaring, task, Some(held)) => outcome,
                            () = held.given_up.cancelled() => {
                                Fault::client(Kind::InvalidParams, "the task was cancelled").into()
                            }
                        }
                    }
                    Err(other) => other,
                },
            };
            match outcome {
                Outcome::Result(reply) => {
                    Outcome::Result(Reply { raw: tasks::related_to(&reply.raw, &held.id), ..reply })
                }
                other => other,
            }
        }
        TaskRequest::Cancel if gone || kept.is_some() => terminal(known.status),
        TaskRequest::Cancel => downward::cancel(server, &declaring, held).await,
        // No legacy client can send it.
        TaskRequest::Update => Fault::internal("an update of a legacy client").into(),
    }
}

fn said(task: &tasks::Task, held: &Held) -> Outcome {
    Outcome::Result(Reply { raw: task.say(Era::Legacy, &held.id, None), era: Era::Legacy })
}
