//! An upstream of the HTTP+SSE transport that says whatever a test wants, event by event.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::LEGACY;
use crate::scripted::{CAPABILITIES, Responder, Scripted, Seen};

/// The head of an event stream whose end is its connection's end.
pub const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// What a server of this transport says first when it behaves.
pub const ENDPOINT: &str = "event: endpoint\ndata: /messages?session=1\n\n";

/// The newest event stream, to be written from anywhere.
#[derive(Clone, Debug, Default)]
pub struct Stream(Arc<Mutex<Option<Sender<Option<String>>>>>);

impl Stream {
    /// Text as it is.
    pub fn raw(&self, text: impl Into<String>) {
        self.put(Some(text.into()));
    }

    /// A message.
    pub fn message(&self, message: &str) {
        self.raw(format!("event: message\ndata: {message}\n\n"));
    }

    /// The answer to the request with this id.
    pub fn result(&self, id: &str, result: &str) {
        self.message(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
    }

    /// Ends the stream.
    pub fn close(&self) {
        self.put(None);
    }

    fn put(&self, item: Option<String>) {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A stream that nobody reads any more is no concern of the script.
        let _ = stream.as_ref().map(|stream| stream.send(item));
    }

    fn open(&self) -> Receiver<Option<String>> {
        let (sender, receiver) = channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Serves a GET with what is said from now on, until somebody closes the stream or opens another.
    pub fn serve(&self, first: &str, to: &mut Responder) {
        let said = self.open();
        to.raw(STREAM);
        to.raw(first.as_bytes());
        while let Ok(Some(text)) = said.recv_timeout(Duration::from_mins(2)) {
            to.raw(text.as_bytes());
        }
        to.close();
    }
}

/// A listening upstream.
#[derive(Debug)]
pub struct ScriptedSse {
    /// The HTTP below.
    pub http: Scripted,
    /// Its newest stream.
    pub stream: Stream,
}

impl ScriptedSse {
    /// Listens. Each GET opens a stream that begins with `first`; a POST elsewhere than `/messages` is unknown here. The
    /// introduction and the list of `tools` are answered; `call` answers the rest, and says whether the message is
    /// acknowledged (else it has answered the POST itself).
    pub fn start(
        first: impl Into<String>,
        tools: &'static str,
        call: impl Fn(&Seen, &Stream, &mut Responder) -> bool + Send + Sync + 'static,
    ) -> Self {
        let (first, stream) = (first.into(), Stream::default());
        let speaking = stream.clone();
        let http = Scripted::start(move |seen, to| {
            if seen.verb == "GET" {
                return speaking.serve(&first, to);
            }
            if !seen.path.starts_with("/messages") {
                return to.send(404, &[("Content-Type", "text/html")], "<pre>Cannot POST</pre>");
            }
            if introduce(tools, seen, &speaking) || call(seen, &speaking, to) {
                to.send(202, &[], "Accepted");
            }
        });
        Self { http, stream }
    }

    /// As an entry of `mcpServers`, impatient.
    pub fn entry(&self) -> Value {
        json!({
            "url": self.http.url(),
            "timeouts": { "connect": "3s", "probe": "1s", "idle": "2s", "list": "3s" },
            "restart": { "first": "100ms", "max": "1s" },
        })
    }

    /// How many streams were asked for so far.
    pub fn streams(&self) -> usize {
        self.http.seen().iter().filter(|seen| seen.verb == "GET").count()
    }
}

/// Answers what every conversation begins with; `false` when the message is something else.
fn introduce(tools: &str, seen: &Seen, stream: &Stream) -> bool {
    let id = seen.id();
    match seen.method().as_str() {
        "initialize" => stream.result(
            &id,
            &format!(
                r#"{{"protocolVersion":"{LEGACY}","capabilities":{CAPABILITIES},"serverInfo":{{"name":"scripted","version":"1"}}}}"#
            ),
        ),
        "tools/list" => stream.result(&id, &format!(r#"{{"tools":{tools}}}"#)),
        "prompts/list" => stream.result(&id, r#"{"prompts":[]}"#),
        "resources/list" => stream.result(&id, r#"{"resources":[]}"#),
        "resources/templates/list" => stream.result(&id, r#"{"resourceTemplates":[]}"#),
        "ping" | "logging/setLevel" => stream.result(&id, "{}"),
        method if method.starts_with("notifications/") => {}
        _ => return false,
    }
    true
}
