//! One client request on its way through the line.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::{Caller, Level, Operation, Text};

/// Where a value lies inside a buffer, in bytes.
pub type Span = Range<usize>;

/// One client request. Cloning shares the bytes.
#[derive(Clone)]
pub struct Call {
    /// What is wanted.
    pub operation: Operation,
    /// The parameters as they came, and where the replaceable parts are.
    pub params: Params,
    /// Who calls, and what they can do.
    pub caller: Arc<Caller>,
    /// The caller's progress token (raw JSON), if it wants progress.
    pub progress: Option<Bytes>,
    /// Least severe log level wanted during this call; `None` is none at all.
    pub log_level: Option<Level>,
    /// The caller's `traceparent`, as it came (W3C Trace Context).
    pub traceparent: Option<Text>,
    /// Headers by which the caller mirrored arguments (name in lower case, raw value); `None` on wires and in eras
    /// without them.
    pub mirrored: Option<Vec<(String, Bytes)>>,
    /// Whether the front can hand a result on while it still arrives, and the caller reads it as it is.
    pub passes: bool,
    /// Where progress and log messages of this call go.
    pub notes: Arc<dyn Notes>,
}

impl Call {
    /// One with nothing special about it: no progress, no log messages, no trace, a whole result.
    pub fn new(operation: Operation, params: Params, caller: Arc<Caller>, notes: Arc<dyn Notes>) -> Self {
        Self {
            operation,
            params,
            caller,
            progress: None,
            log_level: None,
            traceparent: None,
            mirrored: None,
            passes: false,
            notes,
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// Raw parameters: one JSON object (or nothing), with the spans that may be spliced.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// The object's text; empty when the request had no params.
    pub raw: Bytes,
    /// The string value (quotes included) that addresses the target: a name or a URI.
    pub target: Option<Span>,
    /// The `_meta` object.
    pub meta: Option<Span>,
    /// The `arguments` value of a tool call.
    pub arguments: Option<Span>,
}

/// A message to the caller while its call is still running.
#[derive(Clone, Debug)]
pub enum Note {
    /// Progress; the params object already carries the caller's own token.
    Progress(Bytes),
    /// A log message at this severity; the params object as the upstream sent it.
    Log(Level, Bytes),
}

/// Takes notes towards the caller. Must not block: a slow reader is the front's business.
pub trait Notes: Send + Sync {
    /// Passes `note` on, or drops it when the caller cannot take it.
    fn note(&self, note: Note);

    /// Asks the caller for something that its call needs. Where the caller cannot be asked the question is dropped,
    /// and with it `reply`: that is a refusal.
    fn ask(&self, ask: Ask) {
        drop(ask);
    }

    /// The question with this number has been taken back; nobody waits for its answer.
    fn withdraw(&self, number: u64) {
        let _ = number;
    }
}

/// A question to the caller, usually while its call waits: elicitation, sampling, roots.
pub struct Ask {
    /// Which question it is, for taking it back; unique while it is open.
    pub number: u64,
    /// The server that asks, by the operator's name for it.
    pub server: Arc<str>,
    /// The method of the question, equal in every revision.
    pub method: Text,
    /// Its params object, raw; empty for none.
    pub params: Bytes,
    /// Takes the answer; dropped when there will be none.
    pub reply: Box<dyn FnOnce(AskAnswer) + Send>,
}

impl Ask {
    /// A number that no other question has.
    pub fn fresh_number() -> u64 {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        NUMBERS.fetch_add(1, Ordering::Relaxed)
    }
}

/// What the caller said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskAnswer {
    /// The result object, raw.
    Result(Bytes),
    /// The error object, raw.
    Refused(Bytes),
}

/// Drops every note.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Notes for Quiet {
    fn note(&self, _note: Note) {}
}
