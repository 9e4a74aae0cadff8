//! What an open stream tells its client: list changes, resource updates, log messages, and that it is still there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use trunkline_model::{Change, Level, Text};
use trunkline_protocol::json::escape_into;
use trunkline_protocol::{Message, compose, meta, method};

use super::host::{Changes, ListVersions, Subscription};
use super::session::Session;

/// A comment is sent on a stream that was silent for this long, so that nobody in between gives it up.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What there is to say.
#[derive(Debug)]
pub(crate) enum Word {
    /// A notification.
    Say(Message),
    /// Nothing, to keep the stream alive.
    Alive,
    /// The stream is over; the server ends it.
    Over,
}

/// Whose stream it is.
pub(crate) enum Reader {
    /// A legacy session: everything it may hear goes here.
    Session(Arc<Session>),
    /// A modern listen request: what it asked for, marked with its id.
    Listen {
        /// The request's id literal.
        id: Bytes,
        tools: bool,
        prompts: bool,
        resources: bool,
        wishes: Vec<(Text, Box<dyn Subscription>)>,
    },
}

/// Follows the changes behind a view on behalf of one stream.
pub(crate) struct Follower {
    pub(crate) reader: Reader,
    changes: Changes,
    seen: ListVersions,
    waiting: Vec<Message>,
    /// Ends the stream: of its session or request, and of the front.
    over: [CancellationToken; 2],
    quiet_until: Instant,
}

impl Follower {
    pub(crate) fn new(reader: Reader, mut changes: Changes, over: [CancellationToken; 2]) -> Self {
        let seen = *changes.lists.borrow_and_update();
        Self { reader, changes, seen, waiting: Vec::new(), over, quiet_until: Instant::now() + KEEP_ALIVE }
    }

    /// The next word. Cancel safe.
    pub(crate) async fn next(&mut self) -> Word {
        loop {
            if let Some(message) = self.waiting.pop() {
                self.quiet_until = Instant::now() + KEEP_ALIVE;
                return Word::Say(message);
            }
            tokio::select! {
                () = self.over[0].cancelled() => return Word::Over,
                () = self.over[1].cancelled() => return Word::Over,
                changed = self.changes.lists.changed() => {
                    if changed.is_err() {
                        return Word::Over;
                    }
                    self.lists_changed();
                }
                event = self.changes.events.recv() => match event {
                    Ok(change) => self.changed(&change),
                    // Too slow to hear each one: assume that everything changed.
                    Err(RecvError::Lagged(_)) => self.updated(self.all_uris()),
                    Err(RecvError::Closed) => return Word::Over,
                },
                () = sleep_until(self.quiet_until) => {
                    self.quiet_until = Instant::now() + KEEP_ALIVE;
                    return Word::Alive;
                }
            }
        }
    }

    fn lists_changed(&mut self) {
        let now = *self.changes.lists.borrow_and_update();
        let before = std::mem::replace(&mut self.seen, now);
        let (tools, prompts, resources) = match &self.reader {
            Reader::Session(_) => (true, true, true),
            Reader::Listen { tools, prompts, resources, .. } => (*tools, *prompts, *resources),
        };
        for (wanted, changed, name) in [
            (resources, now.resources != before.resources, method::RESOURCES_CHANGED),
            (prompts, now.prompts != before.prompts, method::PROMPTS_CHANGED),
            (tools, now.tools != before.tools, method::TOOLS_CHANGED),
        ] {
            if wanted && changed {
                let params = self.params(None);
                self.waiting.push(compose::notification(name, &params));
            }
        }
    }

    fn changed(&mut self, change: &Change) {
        match change {
            Change::ResourceUpdated { .. } | Change::ResourcesUnsure { .. } => {
                let uris = match &self.reader {
                    Reader::Session(session) => session.concerned(change),
                    Reader::Listen { wishes, .. } => wishes
                        .iter()
                        .filter(|(_, wish)| wish.concerns(change))
                        .map(|(uri, _)| uri.clone())
                        .collect(),
                };
                self.updated(uris);
            }
            Change::Logged { level, params, .. } => {
                // Modern clients hear log messages only of their own requests.
                let Reader::Session(session) = &self.reader else { return };
                // A session that never set a level did not ask for other calls' messages.
                if session.level().is_some_and(|wanted: Level| *level >= wanted) {
                    self.waiting.push(compose::notification(method::LOG_MESSAGE, params));
                }
            }
        }
    }

    fn all_uris(&self) -> Vec<Text> {
        match &self.reader {
            Reader::Session(session) => session.all_subscribed(),
            Reader::Listen { wishes, .. } => wishes.iter().map(|(uri, _)| uri.clone()).collect(),
        }
    }

    fn updated(&mut self, uris: Vec<Text>) {
        for uri in uris {
            let params = self.params(Some(&uri));
            self.waiting.push(compose::notification(method::RESOURCE_UPDATED, &params));
        }
    }

    /// The params of a change notification; empty where nothing needs saying.
    fn params(&self, uri: Option<&str>) -> Bytes {
        let mut out = b"{".to_vec();
        if let Reader::Listen { id, .. } = &self.reader {
            out.extend(subscription_meta(id));
        }
        if let Some(uri) = uri {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(b"\"uri\":");
            escape_into(&mut out, uri);
        }
        out.push(b'}');
        if out.len() == 2 { Bytes::new() } else { Bytes::from(out) }
    }
}

fn subscription_meta(id: &[u8]) -> Vec<u8> {
    let mut out = b"\"_meta\":{".to_vec();
    escape_into(&mut out, meta::SUBSCRIPTION);
    out.push(b':');
    out.extend_from_slice(id);
    out.push(b'}');
    out
}

/// The first message of a listen stream: what is really honoured.
pub(crate) fn acknowledgement(reader: &Reader) -> Option<Message> {
    let Reader::Listen { id, tools, prompts, resources, wishes } = reader else { return None };
    let mut out = b"{".to_vec();
    out.extend(subscription_meta(id));
    out.extend_from_slice(b",\"notifications\":{");
    let mut first = true;
    for (wanted, key) in
        [(tools, "toolsListChanged"), (prompts, "promptsListChanged"), (resources, "resourcesListChanged")]
    {
        if *wanted {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            escape_into(&mut out, key);
            out.extend_from_slice(b":true");
        }
    }
    if !wishes.is_empty() {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.extend_from_slice(b"\"resourceSubscriptions\":[");
        for (at, (uri, _)) in wishes.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            escape_into(&mut out, uri);
        }
        out.push(b']');
    }
    out.extend_from_slice(b"}}");
    Some(compose::notification(method::ACKNOWLEDGED, &Bytes::from(out)))
}

/// The last message of a listen stream that the server ends: the answer to the request.
pub(crate) fn completion(id: &[u8]) -> Message {
    let mut out = b"{\"resultType\":\"complete\",".to_vec();
    out.extend(subscription_meta(id));
    out.push(b'}');
    compose::result(id, &Bytes::from(out))
}
