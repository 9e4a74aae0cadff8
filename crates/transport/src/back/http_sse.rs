//! HTTP+SSE (2024-11-05, basic/transports): one event stream brings everything from the server, and each message to it
//! is a POST to the address that the stream's first event names. For all above it is a pipe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Uri;
use tokio::task::AbortHandle;
use trunkline_protocol::Message;
use url::Url;

use super::events::{Events, Position};
use super::pending::Pending;
use super::{Answered, BoxFuture, Headers, Heard, HttpWire, Outgoing, Wire, WireError};

/// Longest address for messages that is taken.
const ENDPOINT_BYTES_MAX: usize = 4096;

/// One event stream and the address that belongs to it.
#[derive(Clone)]
pub struct HttpSseWire {
    inner: Arc<Inner>,
}

struct Inner {
    /// Where messages go.
    posts: HttpWire,
    pending: Arc<Pending>,
    reading: AbortHandle,
    /// The last message was refused because its session has gone.
    refused: AtomicBool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Closes the stream, and with it the session.
        self.reading.abort();
    }
}

impl HttpSseWire {
    /// Opens the event stream at the address of `at` and waits for the address that messages go to, which must be of
    /// the same origin: the configured headers go there. `stray` hears whatever belongs to no request of ours. How long
    /// to wait for a server that says nothing is the caller's to decide.
    pub async fn open(at: &HttpWire, name: Arc<str>, stray: Arc<dyn Heard>) -> Result<Self, WireError> {
        let mut events = at.listen(Headers::new()).await?;
        let endpoint = loop {
            match events.event().await? {
                Some(event) if event.event.as_deref() == Some(b"endpoint") => {
                    break endpoint(at.uri(), &event.data)?;
                }
                // Nothing can have been asked yet; whatever this is, it is not for us.
                Some(_) => {}
                None => {
                    let why = "its event stream ended before it named an address for messages";
                    return Err(WireError::Invalid(why.to_owned()));
                }
            }
        };
        tracing::debug!(server = &*name, path = endpoint.path(), "the server takes messages here");
        let pending = Arc::new(Pending::default());
        let reading = tokio::spawn(read(events, Arc::clone(&pending), stray)).abort_handle();
        Ok(Self {
            inner: Arc::new(Inner {
                posts: at.moved(endpoint),
                pending,
                reading,
                refused: AtomicBool::new(false),
            }),
        })
    }
}

impl Inner {
    async fn post(&self, message: Message) -> Result<(), WireError> {
        match self.posts.tell(message, Headers::new()).await {
            // The address belongs to a session, and the session has gone; the stream may not know it yet. A call takes
            // that for the end of the conversation; a request of our own does not, so the second refusal ends the wire.
            Err(WireError::Refused(refusal)) if matches!(refusal.status, 404 | 410) => {
                let why = format!("the server ended the session (HTTP {})", refusal.status);
                if self.refused.swap(true, Ordering::Relaxed) {
                    self.pending.close(&why);
                }
                Err(WireError::NotSent(why))
            }
            Ok(()) => {
                self.refused.store(false, Ordering::Relaxed);
                Ok(())
            }
            other => other,
        }
    }
}

impl Wire for HttpSseWire {
    fn exchange(&self, out: Outgoing) -> BoxFuture<'_, Result<Answered, WireError>> {
        Box::pin(async move {
            let mut expected = self.inner.pending.expect(out.id, out.heard)?;
            tokio::select! {
                // Its acknowledgement first: giving it up costs its connection.
                biased;
                posted = self.inner.post(out.message) => posted?,
                // The answer may overtake it all the same.
                answered = expected.answer() => return answered,
            }
            expected.answer().await
        })
    }

    fn tell(&self, message: Message, _headers: Headers) -> BoxFuture<'_, Result<(), WireError>> {
        Box::pin(self.inner.post(message))
    }

    fn tell_soon(&self, message: Message, _headers: Headers) {
        self.inner.posts.tell_soon(message, Headers::new());
    }

    fn ended(&self) -> BoxFuture<'_, String> {
        Box::pin(self.inner.pending.ended())
    }

    fn heard(&self) -> Option<u64> {
        Some(self.inner.pending.heard())
    }

    fn close(&self, why: &str) {
        self.inner.pending.close(why);
    }

    fn drop_tells(&self) -> bool {
        false
    }
}

/// Reads until the stream ends and hands every message to whom it concerns. Its end is the session's end: this
/// transport has no resumption.
async fn read(mut events: Events, pending: Arc<Pending>, stray: Arc<dyn Heard>) {
    let mut position = Position::default();
    let why = loop {
        match events.message(&mut position).await {
            Ok(Some(message)) => pending.deliver(message, &*stray),
            Ok(None) => break "the server closed its event stream".to_owned(),
            Err(WireError::TooLarge(limit)) => break pending.too_large(limit),
            Err(error) => break error.to_string(),
        }
    };
    pending.close(&why);
}

/// The address in an `endpoint` event, resolved against that of the stream.
fn endpoint(stream: &Uri, data: &[u8]) -> Result<Uri, WireError> {
    let invalid = |why: &str| WireError::Invalid(why.to_owned());
    let unusable = || invalid("the address that it names for messages is not usable");
    if data.len() > ENDPOINT_BYTES_MAX {
        return Err(unusable());
    }
    let text = std::str::from_utf8(data).map_err(|_| unusable())?;
    let stream = Url::parse(&stream.to_string()).map_err(|_| unusable())?;
    let mut to = stream.join(text.trim()).map_err(|_| unusable())?;
    if to.origin() != stream.origin() || !to.username().is_empty() || to.password().is_some() {
        return Err(invalid(
            "it names an address of another origin for messages, which is not followed; \
             check that `url` has the host and port that the server gives itself",
        ));
    }
    to.set_fragment(None);
    to.as_str().parse().map_err(|_| unusable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_for_messages_is_resolved_within_the_origin() {
        let stream: Uri = "http://localhost:1/a/sse?x=1".parse().unwrap();
        for (data, resolved) in [
            ("/messages/?session_id=1", "http://localhost:1/messages/?session_id=1"),
            ("message?s=1", "http://localhost:1/a/message?s=1"),
            ("?s=1", "http://localhost:1/a/sse?s=1"),
            (" http://LOCALHOST:1/m#f ", "http://localhost:1/m"),
        ] {
            assert_eq!(endpoint(&stream, data.as_bytes()).unwrap(), resolved, "{data}");
        }
    }

    #[test]
    fn an_address_elsewhere_is_refused() {
        let stream: Uri = "http://localhost:1/sse".parse().unwrap();
        let long = format!("/{}", "x".repeat(ENDPOINT_BYTES_MAX));
        for data in [
            "http://localhost:2/m",
            "https://localhost:1/m",
            "//evil.example/m",
            "\\\\evil.example\\m",
            "http://127.0.0.1:1/m",
            "http://user:pw@localhost:1/m",
            "javascript:alert(1)",
            "http://",
            &long,
        ] {
            assert!(matches!(endpoint(&stream, data.as_bytes()), Err(WireError::Invalid(_))), "{data}");
        }
        assert!(endpoint(&stream, b"/\xff").is_err());
    }
}
