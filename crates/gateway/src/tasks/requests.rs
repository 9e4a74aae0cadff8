//! Requests about tasks that the gateway makes itself.

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time::{Duration, timeout};
use trunkline_model::{Ask, Call, Caller, Note, Notes, Operation, Outcome, Params, Quiet, TaskRequest, Text};
use trunkline_protocol::json::escape_into;
use trunkline_protocol::tasks::{self, Task};
use trunkline_upstream::{Hold, Upstream};

/// How long a server may take to hear that a task was given up.
const LAST_WORD: Duration = Duration::from_secs(10);

/// A request about a task on behalf of a call.
pub(crate) fn about(call: &Call, request: TaskRequest, id: &Text, notes: Arc<dyn Notes>) -> Call {
    with(call, request, id, tasks::addressed(id), notes)
}

/// The same with params of its own.
pub(crate) fn with(
    call: &Call,
    request: TaskRequest,
    id: &Text,
    params: Params,
    notes: Arc<dyn Notes>,
) -> Call {
    let operation = Operation::Task(request, id.clone());
    Call {
        log_level: call.log_level,
        traceparent: call.traceparent.clone(),
        ..Call::new(operation, params, Arc::clone(&call.caller), notes)
    }
}

/// The caller as one that can be given a task: for calls whose tasks the gateway looks after.
pub(crate) fn declaring(call: &Call) -> Call {
    let capabilities = tasks::declaring(&call.caller.capabilities);
    Call { caller: Arc::new(Caller { capabilities, ..(*call.caller).clone() }), ..call.clone() }
}

/// A server as one task needs it: the conversation that knows the task, if only that does.
#[derive(Clone, Copy)]
pub(crate) struct Server<'a> {
    pub(crate) upstream: &'a Arc<Upstream>,
    pub(crate) hold: Option<&'a Hold>,
}

impl Server<'_> {
    pub(crate) async fn call(self, call: &Call, id: &str) -> Outcome {
        match self.hold {
            Some(hold) => self.upstream.call_on(hold, call, Some(id)).await,
            None => self.upstream.call(call, Some(id), &[]).await,
        }
    }

    /// How a task stands; otherwise what the server said instead.
    pub(crate) async fn get(self, call: &Call, id: &Text) -> Result<Task, Outcome> {
        let get = about(call, TaskRequest::Get, id, Arc::new(Quiet));
        match self.call(&get, id).await {
            Outcome::Result(reply) => Task::read(&reply.raw).ok_or_else(|| {
                let text = "the answer to tasks/get is not a task";
                trunkline_model::Fault::bad_answer(self.upstream.name(), text).into()
            }),
            other => Err(other),
        }
    }
}

/// Takes a task back at its server when it is dropped before the task has ended.
pub(crate) struct GivingUp {
    upstream: Arc<Upstream>,
    hold: Option<Hold>,
    cancel: Option<Call>,
    id: Text,
}

impl GivingUp {
    pub(crate) fn new(upstream: &Arc<Upstream>, hold: Option<Hold>, call: &Call, id: &Text) -> Self {
        let cancel = about(call, TaskRequest::Cancel, id, Arc::new(Quiet));
        Self { upstream: Arc::clone(upstream), hold, cancel: Some(cancel), id: id.clone() }
    }

    pub(crate) fn server(&self) -> Server<'_> {
        Server { upstream: &self.upstream, hold: self.hold.as_ref() }
    }

    /// The task has ended: there is nothing to take back.
    pub(crate) fn over(mut self) {
        self.cancel = None;
    }
}

impl Drop for GivingUp {
    fn drop(&mut self) {
        let (Some(cancel), Ok(runtime)) = (self.cancel.take(), Handle::try_current()) else { return };
        let (upstream, hold, id) = (Arc::clone(&self.upstream), self.hold.take(), self.id.clone());
        runtime.spawn(async move {
            let server = Server { upstream: &upstream, hold: hold.as_ref() };
            if timeout(LAST_WORD, server.call(&cancel, &id)).await.is_err() {
                tracing::debug!(
                    server = &**upstream.name(),
                    "a task that was given up could not be cancelled"
                );
            }
        });
    }
}

/// Tells a caller that wants to hear of it how its task comes along.
pub(crate) struct Telling<'a> {
    call: &'a Call,
    said: Option<Bytes>,
    count: u64,
}

impl<'a> Telling<'a> {
    pub(crate) fn new(call: &'a Call) -> Self {
        Self { call, said: None, count: 0 }
    }

    /// Whether anybody wants to hear it.
    pub(crate) fn wanted(&self) -> bool {
        self.call.progress.is_some()
    }

    /// Says what is new; `true` when something is.
    pub(crate) fn tell(&mut self, task: &Task) -> bool {
        if self.said == task.message {
            return false;
        }
        self.said.clone_from(&task.message);
        let Some(token) = &self.call.progress else { return true };
        self.count += 1;
        let mut params = b"{\"progressToken\":".to_vec();
        params.extend_from_slice(token);
        params.extend_from_slice(format!(",\"progress\":{}", self.count).as_bytes());
        if let Some(text) = task.said() {
            params.extend_from_slice(b",\"message\":");
            escape_into(&mut params, &text);
        }
        params.push(b'}');
        self.call.notes.note(Note::Progress(Bytes::from(params)));
        true
    }
}

/// Passes on what is said about a task under the id that the client knows.
pub(crate) struct Renaming {
    pub(crate) inner: Arc<dyn Notes>,
    pub(crate) id: Text,
}

impl Notes for Renaming {
    fn note(&self, note: Note) {
        self.inner.note(note);
    }

    fn ask(&self, ask: Ask) {
        let params = tasks::related_to(&ask.params, &self.id);
        self.inner.ask(Ask { params, ..ask });
    }

    fn withdraw(&self, number: u64) {
        self.inner.withdraw(number);
    }
}
