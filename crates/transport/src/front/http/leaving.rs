//! What is still served when the process is about to end: what goes on, and nothing new.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Response;
use http::header::{HeaderValue, RETRY_AFTER};
use tokio::time::Instant;
use trunkline_model::{Call, Era, Fault, Operation};
use trunkline_protocol::rounds;

use super::super::answer;
use super::body::Body;
use super::route::Refusal;
use super::{Front, respond};

/// When a client that is refused may try again, in seconds. By then another process serves its calls, or there is none.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");
/// Kept of the deadline for the last words.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How far the end has come.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    deadline: OnceLock<Instant>,
    refuses: AtomicBool,
}

impl Standing {
    pub(super) fn begin(&self, deadline: Instant) {
        let _ = self.deadline.set(deadline);
    }

    pub(super) fn refuse(&self) {
        self.refuses.store(true, Ordering::Relaxed);
    }

    /// Whether new work is refused.
    pub(crate) fn refuses(&self) -> bool {
        self.refuses.load(Ordering::Relaxed)
    }

    /// How long calls that run may still take.
    pub(crate) fn patience(&self) -> Duration {
        let left = self.deadline.get().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.unwrap_or(super::GRACE).saturating_sub(LAST_WORDS)
    }
}

/// Whether a modern request belongs to something that is under way: the retry of a parked call, or a task.
pub(crate) fn goes_on(call: &Call) -> bool {
    matches!(call.operation, Operation::Task(..) | Operation::Ping) || rounds::goes_on(&call.params.raw)
}

/// The refusal of something new.
pub(crate) fn refusal(front: &Front, id: Option<&[u8]>, era: Era) -> Refusal {
    front.metrics.gateway().rejected("draining");
    let fault = Fault::overloaded("the gateway is shutting down; try again");
    let answer = answer::refusal(id, &fault, era);
    let mut response = respond::answer(answer);
    response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S);
    Box::new(response)
}

/// Whether the client has nothing more to say on this connection. One that was asked something says more, and must find
/// the process that holds its call; a stream may end with a question.
pub(crate) fn is_last(answer: &Response<Body>) -> bool {
    match answer.body() {
        Body::Whole(pieces) => !pieces.any(rounds::asks),
        Body::Arriving(_) => true,
        Body::Events(_) => false,
    }
}
