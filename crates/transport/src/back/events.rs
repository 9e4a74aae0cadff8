//! The events of one response body, and how far a stream was read.

use std::time::Duration;

use http::HeaderValue;
use trunkline_protocol::{Scanned, scan};

use super::WireError;
use super::client::Body;
use crate::sse;

/// Wait before a stream is opened again when the server names none, as the specification's own clients do.
const RETRY: Duration = Duration::from_secs(1);
/// Shortest wait that a server can ask for: none at all would be a busy loop.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest wait that a server can ask for.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Longest event id that is remembered. It is kept per stream and goes back in a header.
const ID_BYTES_MAX: usize = 1024;

/// How far a stream was read: what it takes to go on after it broke (2025-11-25, basic/transports, "Resumability and
/// Redelivery").
#[derive(Clone, Debug, Default)]
pub struct Position {
    last: Option<HeaderValue>,
    retry: Option<Duration>,
}

impl Position {
    /// The newest event that had an id; `None` when the stream cannot be resumed.
    pub fn last(&self) -> Option<&HeaderValue> {
        self.last.as_ref()
    }

    /// The wait that the server asked for, between 100 ms and 30 s.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// How long to wait before the stream is opened again: what the server asked for, or 1 s.
    pub fn wait(&self) -> Duration {
        self.retry.unwrap_or(RETRY)
    }

    fn move_on(&mut self, event: &sse::Event) {
        if let Some(id) = &event.id {
            // An empty id takes the position back; one that fits in no header is none.
            let usable = !id.is_empty() && id.len() <= ID_BYTES_MAX;
            self.last = usable.then(|| HeaderValue::from_bytes(id).ok()).flatten();
        }
        if let Some(ms) = event.retry {
            self.retry = Some(Duration::from_millis(ms).clamp(RETRY_MIN, RETRY_MAX));
        }
    }
}

/// The events in a response body.
pub(super) struct Events {
    body: Body,
    decoder: sse::Decoder,
    limit: usize,
}

impl Events {
    /// Events of at most `limit` bytes.
    pub(super) fn new(body: Body, limit: usize) -> Self {
        Self { body, decoder: sse::Decoder::new(limit), limit }
    }

    /// The next event; `None` at the end of the body.
    pub(super) async fn event(&mut self) -> Result<Option<sse::Event>, WireError> {
        loop {
            if let Some(event) = self.decoder.pull().map_err(|_| WireError::TooLarge(self.limit))? {
                return Ok(Some(event));
            }
            let Some(data) = self.body.data().await else { return Ok(None) };
            self.decoder.push(data?);
        }
    }

    /// All that was of interest has been read; the connection may be used again, unless it was spent.
    pub(super) fn finish(mut self) {
        self.body.finish();
    }

    /// The connection is not to be used again.
    pub(super) fn spend(&mut self) {
        self.body.spend();
    }

    /// The next message; events that hold none are skipped. All of them move the position.
    pub(super) async fn message(&mut self, position: &mut Position) -> Result<Option<Scanned>, WireError> {
        while let Some(event) = self.event().await? {
            position.move_on(&event);
            if !event.is_message() {
                continue;
            }
            match scan(event.data) {
                Ok(message) => return Ok(Some(message)),
                Err(error) => tracing::debug!(%error, "an event holds no message"),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn after(events: &[(Option<&'static str>, Option<u64>)]) -> Position {
        let mut position = Position::default();
        for (id, retry) in events {
            let id = id.map(|id| Bytes::from_static(id.as_bytes()));
            position.move_on(&sse::Event { id, retry: *retry, ..sse::Event::default() });
        }
        position
    }

    #[test]
    fn the_position_is_the_newest_id_that_a_header_can_carry() {
        let last = |events| after(events).last().map(|id| id.to_str().unwrap().to_owned());
        assert_eq!(last(&[(Some("1"), None), (None, None)]).as_deref(), Some("1"));
        assert_eq!(last(&[(Some("1"), None), (Some("2"), None)]).as_deref(), Some("2"));
        assert_eq!(last(&[(Some("1"), None), (Some(""), None)]), None);
        assert_eq!(last(&[(Some("1"), None), (Some("a\u{7f}b"), None)]), None);
        let long: &'static str = "x".repeat(ID_BYTES_MAX + 1).leak();
        assert_eq!(last(&[(Some("1"), None), (Some(long), None)]), None);
    }

    #[test]
    fn the_wait_is_the_servers_within_bounds() {
        for (asked, waited) in [(None, 1000), (Some(500), 500), (Some(0), 100), (Some(u64::MAX), 30_000)] {
            assert_eq!(after(&[(None, asked)]).wait().as_millis(), waited, "{asked:?}");
        }
    }
}
