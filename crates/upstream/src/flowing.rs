//! A result on its way through: the deadlines of what is left of it, and what its breaking off means.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use trunkline_model::{Fault, Side, Source};
use trunkline_runtime::Alarm;
use trunkline_transport::back::Incoming;

use crate::answers::failed;

/// The rest of a result that an upstream gives.
pub(crate) struct Flowing {
    server: Arc<str>,
    incoming: Box<Incoming>,
    /// Whether the call may be made again without harm.
    reads: bool,
    /// Silence, and everything, both from here on: how long a server takes to begin is another thing than how long a
    /// client takes to read.
    idle: Duration,
    total: Duration,
    end: Instant,
    alarm: Alarm,
    /// The server was waited for last, and not the client.
    waits: bool,
}

impl Flowing {
    pub(crate) fn new(
        server: &Arc<str>,
        incoming: Box<Incoming>,
        reads: bool,
        idle: Duration,
        total: Duration,
    ) -> Self {
        let now = Instant::now();
        let end = now + total;
        let alarm = Alarm::at(end.min(now + idle));
        Self { server: Arc::clone(server), incoming, reads, idle, total, end, alarm, waits: false }
    }

    fn late(&self, now: Instant) -> Fault {
        let passed = if now >= self.end { self.total } else { self.idle };
        let mut fault = Fault::timed_out(&self.server, passed);
        if self.waits {
            "the rest of its result did not come in time".clone_into(&mut fault.detail);
        } else {
            "the rest of its result was not taken in time".clone_into(&mut fault.detail);
            fault.side = Side::Client;
        }
        fault
    }
}

impl Source for Flowing {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Box<Fault>>>> {
        // Looked at before the piece: a client that takes its time, but always some, is not to hold a server for ever.
        let now = Instant::now();
        if now >= self.end {
            return Poll::Ready(Some(Err(Box::new(self.late(now)))));
        }
        match self.incoming.poll_piece(cx) {
            Poll::Ready(piece) => {
                self.waits = false;
                self.alarm.reset(self.end.min(now + self.idle));
                Poll::Ready(
                    piece.map(|piece| {
                        piece.map_err(|error| Box::new(failed(&self.server, error, self.reads)))
                    }),
                )
            }
            Poll::Pending if Pin::new(&mut self.alarm).poll(cx).is_ready() => {
                Poll::Ready(Some(Err(Box::new(self.late(Instant::now())))))
            }
            Poll::Pending => {
                self.waits = true;
                Poll::Pending
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.incoming.is_whole()
    }

    fn is_tool_error(&self) -> bool {
        self.incoming.is_tool_error()
    }
}
