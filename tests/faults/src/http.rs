//! Faults of a server that speaks HTTP.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use trunkline_e2e::scripted::{Responder, Seen};

use crate::row::{Target, impatient};
use crate::server::Server;

/// A server whose calls go wrong while it is armed.
pub struct Http(Server);

impl Http {
    /// Calls are answered by `answer` while it is armed.
    pub fn new(answer: impl Fn(&Seen, &mut Responder) + Send + Sync + 'static) -> Self {
        Self(Server::start(Box::new(answer)))
    }

    /// Calls are answered with these bytes, and the connection is closed after them.
    pub fn bytes(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self::new(move |_, to| {
            to.raw(bytes.as_ref());
            to.close();
        })
    }

    /// Calls are answered with an event stream that `say` writes.
    pub fn stream(say: impl Fn(&Seen, &mut Events<'_>) + Send + Sync + 'static) -> Self {
        Self::new(move |seen, to| {
            to.raw(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            say(seen, &mut Events(to));
        })
    }
}

impl Target for Http {
    fn entry(&self) -> Value {
        impatient(json!({ "url": self.0.url() }))
    }

    fn arm(&self) {
        self.0.arm(true);
    }

    fn disarm(&self) {
        self.0.arm(false);
    }

    fn calls(&self) -> usize {
        self.0.calls()
    }
}

/// An event stream under way.
pub struct Events<'r>(&'r mut Responder);

impl Events<'_> {
    /// Text as it is, as one chunk. `false` when nobody reads any more.
    pub fn raw(&mut self, text: &str) -> bool {
        self.0.try_raw(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
    }

    /// A message as an event.
    pub fn message(&mut self, message: &str) -> bool {
        self.raw(&format!("event: message\ndata: {message}\n\n"))
    }

    /// The same text again and again with a pause in between, until nobody reads any more.
    pub fn for_ever(&mut self, text: &str, pause: Duration) {
        while self.raw(text) {
            sleep(pause);
        }
    }

    /// The orderly end of the stream.
    pub fn end(&mut self) {
        self.0.raw(b"0\r\n\r\n");
    }

    /// The end of the connection.
    pub fn cut(&mut self) {
        self.0.close();
    }

    /// Silence until the gateway gives up.
    pub fn hang(&mut self) {
        self.0.hang();
    }
}
