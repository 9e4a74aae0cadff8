//! What a server says about one call while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use trunkline_model::{Level, Note, Notes};
use trunkline_protocol::json::splice;
use trunkline_protocol::{Scanned, Shape, method};
use trunkline_transport::back::Heard;

use crate::stray::Stray;

/// Passes progress and log messages of one call on to its caller, in the caller's own terms.
pub(crate) struct Hearing {
    pub(crate) notes: Arc<dyn Notes>,
    /// The caller's progress token, raw.
    pub(crate) token: Option<Bytes>,
    /// Least severe level the caller wants; `None` wants no log at all.
    pub(crate) level: Option<Level>,
    pub(crate) stray: Arc<Stray>,
    /// Counts signs of life, which renew the idle deadline.
    pub(crate) signs: AtomicU64,
}

impl Hearing {
    /// A log message that certainly belongs to this call.
    pub(crate) fn log(&self, message: &Scanned) {
        let said =
            message.params.level.as_ref().and_then(|l| Level::parse(&message.text(l))).unwrap_or(Level::Info);
        if self.level.is_some_and(|wanted| said >= wanted)
            && let Some(span) = &message.params.whole
        {
            self.notes.note(Note::Log(said, message.share(span)));
        }
    }

    fn progress(&self, message: &Scanned) {
        self.signs.fetch_add(1, Ordering::Relaxed);
        let (Some(token), Some(whole), Some(ours)) =
            (&self.token, &message.params.whole, &message.params.progress_token)
        else {
            return;
        };
        let inside = ours.start - whole.start..ours.end - whole.start;
        let params = splice(message.at(whole), &[(inside, token)]);
        self.notes.note(Note::Progress(Bytes::from(params)));
    }
}

impl Heard for Hearing {
    fn hear(&self, message: Scanned) {
        let note = message.shape == Shape::Notification;
        match &*message.method() {
            method::PROGRESS if note => self.progress(&message),
            method::LOG_MESSAGE if note => self.log(&message),
            _ => self.stray.hear(message),
        }
    }
}
