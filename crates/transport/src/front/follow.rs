//! What an open stream tells its client: list changes, resource updates, log messages, and that it is still there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use trunkline_model::{Change, Level, Text};
use trunkline_protocol::json::escape_into;
use trunkline_protocol::{Message, compose, method};

use super::aside::Listening;
use super::host::{Changes, ListVersions, Subscription, TaskWatch};
use super::listen::subscription_meta;
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
        tasks: TaskWatch,
    },
}

/// Follows the changes behind a view on behalf of one stream.
pub(crate) struct Follower {
    reader: Reader,
    changes: Changes,
    /// The list versions that were told.
    seen: ListVersions,
    waiting: VecDeque<Message>,
    /// Ends the stream: of its session or request, and of the front.
    over: [CancellationToken; 2],
    quiet_until: Instant,
    /// Tells servers that this session can be spoken to outside of a call.
    listening: Option<Listening>,
}

impl Follower {
    /// A session's stream begins with what it missed: lists that changed since it last read them, and every
    /// resource that it subscribed to before, for nobody listened on its behalf.
    pub(crate) fn new(reader: Reader, mut changes: Changes, over: [CancellationToken; 2]) -> Self {
        let now = *changes.lists.borrow_and_update();
        let seen = if let Reader::Session(session) = &reader { session.known() } else { now };
        let quiet_until = Instant::now() + KEEP_ALIVE;
        let listening = match &reader {
            Reader::Session(session) => Some(Listening::to(&session.aside)),
            Reader::Listen { .. } => None,
        };
        let waiting = VecDeque::new();
        let mut this = Self { reader, changes, seen, waiting, over, quiet_until, listening };
        if let Reader::Session(session) = &this.reader {
            this.updated(session.all_subscribed());
        }
        this
    }

    /// The next word. Cancel safe.
    pub(crate) async fn next(&mut self) -> Word {
        loop {
            // First of all: a stream whose place another has taken must not take the news from it.
            if self.over.iter().any(CancellationToken::is_cancelled) {
                return Word::Over;
            }
            if let Some(message) = self.waiting.pop_front().or_else(|| self.list_changed()) {
                self.quiet_until = Instant::now() + KEEP_ALIVE;
                return Word::Say(message);
            }
            tokio::select! {
                () = self.over[0].cancelled() => return Word::Over,
                () = self.over[1].cancelled() => return Word::Over,
                message = aside(self.listening.as_ref()) => {
                    self.quiet_until = Instant::now() + KEEP_ALIVE;
                    return Word::Say(message);
                }
                news = tasks(&mut self.reader) => {
                    let params = self.marked(&news);
                    self.waiting.push_back(compose::notification(method::TASK_CHANGED, &params));
                }
                changed = self.changes.lists.changed() => {
                    if changed.is_err() {
                        return Word::Over;
                    }
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

    /// The change of a list whose present version was not told yet.
    fn list_changed(&mut self) -> Option<Message> {
        let now = *self.changes.lists.borrow();
        let wanted = match &self.reader {
            Reader::Session(_) => [true; 3],
            Reader::Listen { tools, prompts, resources, .. } => [*tools, *prompts, *resources],
        };
        let name = catch_up(&mut self.seen, now, wanted)?;
        Some(compose::notification(name, &self.params(None)))
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
            Change::TaskChanged { .. } => {
                let Reader::Session(session) = &self.reader else { return };
                if let Some(params) = session.stay().and_then(|stay| (self.changes.task_word)(stay, change)) {
                    self.waiting.push_back(compose::notification(method::TASK_STATUS, &params));
                }
            }
            Change::Logged { server, level, params, to } => {
                if !(self.changes.member)(server) || to.is_some_and(|to| !self.is_of(to)) {
                    return;
                }
                // Modern clients hear log messages only of their own requests.
                let Reader::Session(session) = &self.reader else { return };
                // A session that never set a level did not ask for other calls' messages.
                if session.level().is_some_and(|wanted: Level| *level >= wanted) {
                    self.waiting.push_back(compose::notification(method::LOG_MESSAGE, params));
                }
            }
        }
    }

    fn is_of(&self, stay: u64) -> bool {
        matches!(&self.reader, Reader::Session(session) if session.stay() == Some(stay))
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
            self.waiting.push_back(compose::notification(method::RESOURCE_UPDATED, &params));
        }
    }

    /// Params with the mark of the listen request in front.
    fn marked(&self, params: &Bytes) -> Bytes {
        let Reader::Listen { id, .. } = &self.reader else { return params.clone() };
        let rest = params.get(1..).filter(|rest| rest.len() > 1).unwrap_or(b"}");
        let comma: &[u8] = if rest == b"}" { b"" } else { b"," };
        Bytes::from([b"{", &subscription_meta(id)[..], comma, rest].concat())
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

/// What is new of the tasks that a listen request watches. Cancel safe.
async fn tasks(reader: &mut Reader) -> Bytes {
    match reader {
        Reader::Listen { tasks, .. } => tasks.next().await,
        Reader::Session(_) => std::future::pending().await,
    }
}

/// What servers say to the session outside of any call. Cancel safe.
async fn aside(listening: Option<&Listening>) -> Message {
    match listening {
        Some(listening) => listening.next().await,
        None => std::future::pending().await,
    }
}

/// Brings one wanted list that changed up to date and names its notification.
fn catch_up(seen: &mut ListVersions, now: ListVersions, wanted: [bool; 3]) -> Option<&'static str> {
    let lists = [
        (&mut seen.tools, now.tools, method::TOOLS_CHANGED),
        (&mut seen.prompts, now.prompts, method::PROMPTS_CHANGED),
        (&mut seen.resources, now.resources, method::RESOURCES_CHANGED),
    ];
    let mut wanted = lists.into_iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(list, _)| list);
    let (seen, now, name) = wanted.find(|(seen, now, _)| **seen != *now)?;
    *seen = now;
    Some(name)
}
