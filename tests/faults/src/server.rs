//! A server that behaves, until it is told otherwise.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use trunkline_e2e::json::member;
use trunkline_e2e::scripted::{self, Responder, Scripted, Seen};

/// The only tool: it answers with its arguments, as text.
pub const TOOLS: &str = r#"[{"name":"echo","inputSchema":{"type":"object"}}]"#;

/// How long a call with `"slow":true` takes.
const SLOW: Duration = Duration::from_millis(60);

/// The fault itself: answers one `tools/call` as a broken server would.
pub type Answer = dyn Fn(&Seen, &mut Responder) + Send + Sync;

/// A Streamable HTTP server of the modern era whose calls go wrong while it is armed.
#[derive(Debug)]
pub struct Server {
    http: Scripted,
    armed: Arc<AtomicBool>,
}

impl Server {
    /// Listens, and behaves.
    pub fn start(answer: Box<Answer>) -> Self {
        let armed = Arc::new(AtomicBool::new(false));
        let broken = Arc::clone(&armed);
        let http = Scripted::start(move |seen, to| {
            if scripted::introduce(true, seen, to) || scripted::list(true, TOOLS, seen, to) {
                return;
            }
            if broken.load(Ordering::Relaxed) {
                return answer(seen, to);
            }
            echo(seen, to);
        });
        Self { http, armed }
    }

    /// One that never does otherwise.
    pub fn polite() -> Self {
        Self::start(Box::new(echo))
    }

    /// Whether calls go wrong from now on.
    pub fn arm(&self, armed: bool) {
        self.armed.store(armed, Ordering::Relaxed);
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        self.http.url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.http.address()
    }

    /// How many calls have reached it.
    pub fn calls(&self) -> usize {
        self.http.seen_of("tools/call").len()
    }
}

/// Answers a call as it should be.
pub fn echo(seen: &Seen, to: &mut Responder) {
    if seen.params().contains("\"slow\":true") {
        std::thread::sleep(SLOW);
    }
    to.result(&seen.id(), &echoed(seen));
}

/// The result of a call.
pub fn echoed(seen: &Seen) -> String {
    let arguments = Value::from(member(&seen.params(), "arguments").unwrap_or_default());
    format!(r#"{{"resultType":"complete","content":[{{"type":"text","text":{arguments}}}]}}"#)
}

/// The whole answer to a call.
pub fn answer(seen: &Seen) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{}}}"#, seen.id(), echoed(seen))
}
