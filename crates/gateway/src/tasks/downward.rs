//! Tasks of a modern server for legacy clients: the gateway asks how a task stands, puts its questions to the client as
//! real requests, and takes the answers back (`bridging.md` 9.2).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};
use trunkline_model::{Call, Era, Fault, Outcome, PeerError, Quiet, Reply, Side, TaskRequest, Text};
use trunkline_protocol::asks::{self, Wanted};
use trunkline_protocol::bridge;
use trunkline_protocol::tasks::{self, Status, Task};
use trunkline_upstream::Upstream;

use super::driven::WAIT_MAX;
use super::held::{Held, QUESTIONS_MAX};
use super::pace::Pace;
use super::requests::{GivingUp, Server, Telling, with};
use crate::stages::drive;

/// How often in a row the server may fail to say how a task stands.
const FAILURES_MAX: usize = 5;

/// Waits for the task that a call without the wish for one became. `call` declares the extension.
pub(crate) async fn driven(upstream: &Arc<Upstream>, call: &Call, outcome: Outcome) -> Outcome {
    let task = match &outcome {
        Outcome::Result(reply) if memchr::memmem::find(&reply.raw, b"\"task\"").is_some() => {
            tasks::created(&reply.raw, reply.era)
        }
        _ => None,
    };
    let Some(task) = task else { return outcome };
    let giving_up = GivingUp::new(upstream, None, call, &task.id);
    let outcome = until_done(giving_up.server(), call, task, None).await;
    if !matches!(outcome, Outcome::Fault(_)) {
        giving_up.over();
    }
    outcome
}

/// Asks how a task stands until it has ended; `held` is what is known of it, if the client knows it.
pub(crate) async fn until_done(
    server: Server<'_>,
    call: &Call,
    first: Task,
    held: Option<&Arc<Held>>,
) -> Outcome {
    let own = Mutex::new(HashSet::new());
    let id = first.id.clone();
    let give_up = Instant::now() + WAIT_MAX;
    let (mut pace, mut telling) = (Pace::of(&first), Telling::new(call));
    let (mut task, mut failures) = (first, 0);
    let mut visited = HashSet::new();
    loop {
        let news = telling.tell(&task);
        match task.status {
            Status::Completed => {
                let raw = task.result.unwrap_or_else(|| Bytes::from_static(b"{}"));
                return Outcome::Result(Reply { raw, era: Era::Modern });
            }
            Status::Failed => {
                let raw = task
                    .error
                    .unwrap_or_else(|| Bytes::from_static(br#"{"code":-32603,"message":"the task failed"}"#));
                return Outcome::Error(PeerError { code: bridge::code_of(&raw), raw, era: Era::Modern });
            }
            Status::Cancelled => {
                let mut fault = Fault::cannot_bridge(server.upstream.name(), "the task was cancelled");
                fault.side = Side::Upstream;
                return fault.into();
            }
            Status::InputRequired => {
                let asked = ask(server, call, &id, &task, held, &own, &mut visited).await;
                if let Err(fault) = asked {
                    return fault.into();
                }
            }
            Status::Working => {}
        }
        if Instant::now() >= give_up {
            return Fault::timed_out(server.upstream.name(), WAIT_MAX).into();
        }
        sleep(pace.wait(&task, news)).await;
        match server.get(call, &id).await {
            Ok(now) => {
                failures = 0;
                if let Some(held) = held {
                    held.heard(&now);
                }
                task = now;
            }
            // A server that is being restarted may know the task still.
            Err(Outcome::Fault(_)) if failures < FAILURES_MAX => failures += 1,
            Err(other) => return other,
        }
    }
}

/// Puts the questions that were not put before, and takes the answers to the server.
async fn ask(
    server: Server<'_>,
    call: &Call,
    id: &Text,
    task: &Task,
    held: Option<&Arc<Held>>,
    own: &Mutex<HashSet<Text>>,
    visited: &mut HashSet<String>,
) -> Result<(), Fault> {
    let Some(requests) = &task.asks else { return Ok(()) };
    let mut wanted = Wanted { questions: asks::listed(requests), state: None };
    let claim = Claim::of(&mut wanted, held, own);
    if wanted.questions.is_empty() {
        return Ok(());
    }
    if let Some(held) = held {
        for question in &mut wanted.questions {
            question.params = tasks::related_to(&question.params, &held.id);
        }
    }
    let answers = drive::answers(server.upstream, call, &wanted, visited).await?;
    let params = tasks::updating(id, &answers);
    let update = with(call, TaskRequest::Update, id, params, Arc::new(Quiet));
    match server.call(&update, id).await {
        Outcome::Result(_) => {
            claim.keep();
            Ok(())
        }
        // The question is still open, or the task has ended: the next look says which.
        Outcome::Error(error) => {
            tracing::debug!(
                server = &**server.upstream.name(),
                code = error.code,
                "answers for a task were refused"
            );
            claim.keep();
            Ok(())
        }
        Outcome::Fault(fault) => Err(*fault),
    }
}

/// The questions that one waiter puts: no other puts them meanwhile, nor after they were answered.
struct Claim<'a> {
    keys: Vec<Text>,
    held: Option<&'a Arc<Held>>,
    own: &'a Mutex<HashSet<Text>>,
}

impl<'a> Claim<'a> {
    fn of(wanted: &mut Wanted, held: Option<&'a Arc<Held>>, own: &'a Mutex<HashSet<Text>>) -> Self {
        let mut claim = Self { keys: Vec::new(), held, own };
        wanted.questions.retain(|question| {
            // Copied: it outlives the message it came in.
            let key = Text::from(question.key.as_str());
            let fresh = claim.with(|asked| asked.len() < QUESTIONS_MAX && asked.insert(key.clone()));
            if fresh {
                claim.keys.push(key);
            }
            fresh
        });
        claim
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut HashSet<Text>) -> T) -> T {
        match self.held {
            Some(held) => use_it(&mut held.state().asked),
            None => use_it(&mut self.own.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// They were answered.
    fn keep(mut self) {
        self.keys.clear();
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Whoever put them has gone without an answer: the next one may.
        let keys = std::mem::take(&mut self.keys);
        self.with(|asked| asked.retain(|key| !keys.contains(key)));
    }
}

/// Gives a task up and says how it stands then. The client must be told of a cancelled task (2025-11-25, task
/// cancellation), whatever the server makes of the wish, which is no more than that in its dialect.
pub(crate) async fn cancel(server: Server<'_>, call: &Call, held: &Held) -> Outcome {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
    let id = &held.original;
    if let Ok(task) = server.get(call, id).await {
        held.heard(&task);
        if task.status.is_final() {
            return terminal(task.status);
        }
    }
    let cancel = with(call, TaskRequest::Cancel, id, tasks::addressed(id), Arc::new(Quiet));
    match server.call(&cancel, id).await {
        Outcome::Result(_) => {}
        other => return other,
    }
    let gone = async {
        loop {
            match server.get(call, id).await {
                Ok(task) if !task.status.is_final() => sleep(Pace::of(&task).wait(&task, true)).await,
                Ok(task) => return Some(task),
                Err(_) => return None,
            }
        }
    };
    let last = timeout(PATIENCE, gone).await.ok().flatten();
    let task = Task { status: Status::Cancelled, ..last.unwrap_or_else(|| held.state().task.clone()) };
    held.heard(&task);
    held.given_up.cancel();
    Outcome::Result(Reply { raw: task.say(Era::Legacy, &held.id, None), era: Era::Legacy })
}

/// The refusal to give up what has ended.
pub(crate) fn terminal(status: Status) -> Outcome {
    let text = format!("cannot cancel the task: it is {} already", status.as_str());
    Fault::client(trunkline_model::Kind::InvalidParams, text).into()
}
