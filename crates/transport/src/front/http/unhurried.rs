//! Calls of legacy clients go on without them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::super::answer::Answer;
use super::super::session::{Calling, Session};

/// A call that runs to its end even when nobody waits for its answer any more: a legacy client that disconnects has
/// not cancelled (2025-11-25, Streamable HTTP, sending messages).
pub(crate) struct Unhurried {
    calling: Option<Calling>,
    session: Arc<Session>,
}

/// Longest time a call goes on without its client. Upstream deadlines usually end it before.
const ALONE_MAX: Duration = Duration::from_mins(15);

impl Unhurried {
    /// A call of `session`, whose end ends it in any case.
    pub(crate) fn new(calling: Calling, session: Arc<Session>) -> Self {
        Self { calling: Some(calling), session }
    }
}

impl Future for Unhurried {
    type Output = Option<Answer>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        let Some(calling) = self.calling.as_mut() else { return Poll::Ready(None) };
        let done = calling.as_mut().poll(cx);
        if done.is_ready() {
            self.calling = None;
        }
        done
    }
}

impl Drop for Unhurried {
    fn drop(&mut self) {
        if let (Some(calling), Ok(runtime)) = (self.calling.take(), tokio::runtime::Handle::try_current()) {
            let over = self.session.over.clone();
            runtime.spawn(async move {
                tokio::select! {
                    _ = tokio::time::timeout(ALONE_MAX, calling) => {}
                    () = over.cancelled() => {}
                }
            });
        }
    }
}
