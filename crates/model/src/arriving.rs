//! A result that is handed on while it arrives.

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::{Fault, Outcome};

/// What a call was served with.
#[derive(Debug)]
pub enum Served {
    /// The call has ended.
    Whole(Outcome),
    /// The call has a result, and the rest of it is still on its way. Only calls that say so in
    /// [`Call::passes`](crate::Call::passes) are served like this.
    Arriving(Arriving),
}

impl From<Outcome> for Served {
    fn from(outcome: Outcome) -> Self {
        Self::Whole(outcome)
    }
}

impl From<Fault> for Served {
    fn from(fault: Fault) -> Self {
        Self::Whole(fault.into())
    }
}

impl Served {
    /// The outcome of a call that must not be served with an arriving result.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Whole(outcome) => outcome,
            Self::Arriving(_) => Fault::internal("a result arrives where a whole one was wanted").into(),
        }
    }
}

/// A result object whose bytes are handed on as they come, in the words of the caller's own era. Each piece was checked
/// as far as it reaches; whether the whole is a result shows at its end. Dropping it gives the rest up.
pub struct Arriving(Box<dyn Source>);

/// Where the pieces of a result come from.
pub trait Source: Send {
    /// The next piece of the result object; `None` when all of it has come and is right. An error is the last that is
    /// said: what was handed on before is not a result then.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Box<Fault>>>>;

    /// Whether all of the result has come. Nothing but its end, or an error, follows then.
    fn is_whole(&self) -> bool;

    /// Whether the result says, as far as it has come, that a tool failed.
    fn is_tool_error(&self) -> bool;
}

impl Arriving {
    /// A result from this source.
    pub fn new(source: impl Source + 'static) -> Self {
        Self(Box::new(source))
    }

    /// The same result; `guard` is kept until it ends or is given up: permits, counters, connections.
    pub fn holding<G: Send + 'static>(self, guard: G) -> Self {
        Self::new(Holding { source: self.0, guard: Some(guard) })
    }

    /// The next piece. Cancel safe.
    pub async fn piece(&mut self) -> Option<Result<Bytes, Box<Fault>>> {
        std::future::poll_fn(|cx| self.0.poll_piece(cx)).await
    }
}

impl Source for Arriving {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Box<Fault>>>> {
        self.0.poll_piece(cx)
    }

    fn is_whole(&self) -> bool {
        self.0.is_whole()
    }

    fn is_tool_error(&self) -> bool {
        self.0.is_tool_error()
    }
}

impl fmt::Debug for Arriving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arriving").finish_non_exhaustive()
    }
}

struct Holding<G> {
    source: Box<dyn Source>,
    guard: Option<G>,
}

impl<G: Send> Source for Holding<G> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Box<Fault>>>> {
        let polled = self.source.poll_piece(cx);
        // Its end frees what was held, however long the last bytes take to be sent.
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.guard = None;
        }
        polled
    }

    fn is_whole(&self) -> bool {
        self.source.is_whole()
    }

    fn is_tool_error(&self) -> bool {
        self.source.is_tool_error()
    }
}
