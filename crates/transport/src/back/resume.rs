//! Going on with an answer stream of a legacy session after it ended early (2025-11-25, basic/transports, "Resumability
//! and Redelivery"). A server may even close it on purpose, to be polled.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::time::timeout;
use trunkline_protocol::{Scanned, Shape, headers};

use super::client::Kind;
use super::events::{Events, Position};
use super::http::Inner;
use super::{Headers, Heard, WireError};
use crate::names;

/// Attempts in a row that bring nothing new, after which an answer is given up. With the usual waits of 1, 2 and 4 s a
/// server has 7 s to come back; waiting longer would only keep the caller from hearing that nobody knows the outcome.
const FRUITLESS_MAX: u32 = 3;
/// Longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What it takes to ask for the rest of a stream.
pub(super) struct Context {
    session: Option<HeaderValue>,
    revision: Option<HeaderValue>,
    modern: bool,
}

impl Context {
    /// The context of a request with these headers.
    pub(super) fn of(extra: &Headers) -> Self {
        let find = |name: &str| extra.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
        Self {
            session: find(headers::SESSION),
            revision: find(headers::PROTOCOL_VERSION),
            // The modern era has no resumption; its requests name their method in a header.
            modern: find(headers::METHOD).is_some(),
        }
    }

    /// Whether a stream that was read this far can be gone on with.
    pub(super) fn resumes(&self, position: &Position) -> bool {
        !self.modern && position.last().is_some()
    }

    fn headers(&self, position: &Position) -> Headers {
        let mut out = Headers::with_capacity(3);
        let parts = [
            (&names::SESSION, self.session.as_ref()),
            (&names::PROTOCOL_VERSION, self.revision.as_ref()),
            (&names::LAST_EVENT_ID, position.last()),
        ];
        for (name, value) in parts {
            if let Some(value) = value {
                out.push((name.clone(), value.clone()));
            }
        }
        out
    }
}

/// Reads until the answer to request `id`; `None` when the stream ends before it.
pub(super) async fn until_answer(
    events: &mut Events,
    position: &mut Position,
    id: u64,
    heard: Option<&Arc<dyn Heard>>,
) -> Result<Option<Scanned>, WireError> {
    while let Some(message) = events.message(position).await? {
        if message.shape == Shape::Answer && (message.id_number() == Some(id) || message.id.is_none()) {
            return Ok(Some(message));
        }
        if message.shape == Shape::Answer {
            // It belongs to nobody. A server that confuses its answers may have more of them on this connection.
            events.spend();
        } else if let Some(heard) = heard {
            heard.hear(message);
        }
    }
    Ok(None)
}

/// Asks for the rest of the stream, again and again, until it brings the answer to request `id`. `session` is the one
/// that the broken exchange itself opened, if it did.
pub(super) async fn resume(
    wire: &Inner,
    mut context: Context,
    session: Option<&HeaderValue>,
    mut position: Position,
    id: u64,
    heard: Option<&Arc<dyn Heard>>,
) -> Result<Scanned, WireError> {
    context.session = context.session.or_else(|| session.cloned());
    let mut fruitless = 0;
    while fruitless < FRUITLESS_MAX {
        let wait = (position.wait() * (1 << fruitless)).min(WAIT_MAX);
        if timeout(wait, wire.client.closed()).await.is_ok() {
            return Err(broken("the gateway is ending"));
        }
        let before = position.last().cloned();
        tracing::debug!(id, fruitless, "going on with an answer stream that ended early");
        match wire.send("GET", None, &context.headers(&position), "text/event-stream").await {
            Ok(response) if response.head.is_success() && response.head.kind == Kind::Events => {
                let mut events = Events::new(response.body, wire.message_bytes_max);
                match until_answer(&mut events, &mut position, id, heard).await {
                    Ok(Some(message)) => {
                        events.finish();
                        return Ok(message);
                    }
                    Ok(None) => events.finish(),
                    Err(WireError::Broken(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(response) if matches!(response.head.status, 408 | 425 | 429 | 500 | 502..) => {}
            Ok(response) => {
                let status = response.head.status;
                return Err(broken(&format!("the server does not go on with it (HTTP {status})")));
            }
            Err(_) => {}
        }
        // A server that takes the position back has nothing more to give.
        let Some(now) = position.last() else {
            return Err(broken("the server no longer says where it stands"));
        };
        fruitless = if before.as_ref() == Some(now) { fruitless + 1 } else { 0 };
    }
    Err(broken("it could not be gone on with"))
}

fn broken(why: &str) -> WireError {
    WireError::Broken(format!("the stream ended before the answer, and {why}"))
}
