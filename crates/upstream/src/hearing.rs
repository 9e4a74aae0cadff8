//! What a server says about one call while it runs.

use std::sync::Arc;

use bytes::Bytes;
use trunkline_model::{Level, Note, Notes};
use trunkline_protocol::json::splice;
use trunkline_protocol::{Scanned, Shape, method};
use trunkline_transport::back::Heard;

use crate::asking::{Asking, question};
use crate::deadlines::Signs;
use crate::stray::Stray;

/// Longest params of a progress or log message that are passed on, in bytes. Such messages wait in backlogs that count
/// messages; at the size of a whole answer, one slow reader's backlog would fill the memory.
pub(crate) const NOTE_BYTES_MAX: usize = 64 * 1024;

/// Passes progress and log messages of one call on to its caller, in the caller's own terms.
pub(crate) struct Hearing {
    /// The request's number, which is the token that the server has of us.
    pub(crate) id: u64,
    pub(crate) notes: Arc<dyn Notes>,
    /// The caller's progress token, raw.
    pub(crate) token: Option<Bytes>,
    /// Least severe level the caller wants; `None` wants no log at all.
    pub(crate) level: Option<Level>,
    pub(crate) stray: Arc<Stray>,
    /// Signs of life, which renew the idle deadline.
    pub(crate) signs: Arc<Signs>,
    /// Where questions go; `None` when the caller cannot be asked during this call.
    pub(crate) asking: Option<Arc<Asking>>,
}

impl Hearing {
    /// A log message that certainly belongs to this call.
    pub(crate) fn log(&self, message: &Scanned) {
        let said =
            message.params.level.as_ref().and_then(|l| Level::parse(&message.text(l))).unwrap_or(Level::Info);
        if self.level.is_some_and(|wanted| said >= wanted)
            && let Some(span) = &message.params.whole
            && span.len() <= NOTE_BYTES_MAX
        {
            self.notes.note(Note::Log(said, message.share(span)));
        }
    }

    fn progress(&self, message: &Scanned) {
        let Some(ours) = &message.params.progress_token else { return };
        // A server that mixes up its streams must not have us tell one caller of another's call.
        let of = std::str::from_utf8(message.at(ours)).ok().and_then(|token| token.parse().ok());
        if of != Some(self.id) {
            return;
        }
        self.signs.now();
        let (Some(token), Some(whole)) = (&self.token, &message.params.whole) else { return };
        if whole.len() > NOTE_BYTES_MAX {
            return;
        }
        let inside = ours.start - whole.start..ours.end - whole.start;
        let params = splice(message.at(whole), &[(inside, token)]);
        self.notes.note(Note::Progress(Bytes::from(params)));
    }
}

impl Hearing {
    /// What is neither progress nor log. A question on the call's own stream is the call's question.
    fn other(&self, message: Scanned) {
        if let (Some(asking), Shape::Request) = (&self.asking, message.shape)
            && let Some((id, method, params)) = question(&message)
        {
            return asking.put(id, method, params);
        }
        self.stray.hear(message);
    }
}

impl Heard for Hearing {
    fn hear(&self, message: Scanned) {
        let note = message.shape == Shape::Notification;
        match &*message.method_name() {
            method::PROGRESS if note => self.progress(&message),
            method::LOG_MESSAGE if note => self.log(&message),
            _ => self.other(message),
        }
    }
}
