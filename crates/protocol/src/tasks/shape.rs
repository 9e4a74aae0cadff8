//! A task as either era writes it.

use bytes::Bytes;
use trunkline_model::{Era, Text};

use super::place;
use crate::bridge::members;
use crate::json::{escape_into, splice};

/// Longest id of a task that is taken from a server, in bytes.
const ID_BYTES_MAX: usize = 1024;
/// Longest status message that is kept, in bytes of JSON; a longer one is left out.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Where a task stands; the words are the same in both eras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Working,
    /// It waits for answers of the client.
    InputRequired,
    /// It has a result.
    Completed,
    /// It ended in an error.
    Failed,
    /// It was given up.
    Cancelled,
}

impl Status {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more comes.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    fn parse(literal: &[u8]) -> Option<Self> {
        Some(match literal {
            b"\"working\"" | b"\"submitted\"" => Self::Working,
            b"\"input_required\"" => Self::InputRequired,
            b"\"completed\"" => Self::Completed,
            b"\"failed\"" => Self::Failed,
            b"\"cancelled\"" => Self::Cancelled,
            _ => return None,
        })
    }
}

/// What is known of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The server's id.
    pub id: Text,
    /// Where it stands.
    pub status: Status,
    /// The status in words: a JSON string, raw.
    pub message: Option<Bytes>,
    /// When it was created: a JSON string, raw.
    pub created: Bytes,
    /// When it last changed: a JSON string, raw.
    pub updated: Bytes,
    /// How long it is kept after its creation, in milliseconds; `None` is without limit.
    pub ttl_ms: Option<u64>,
    /// How often the server wants to be asked at most, in milliseconds.
    pub poll_ms: Option<u64>,
    /// The result (modern, completed).
    pub result: Option<Bytes>,
    /// The error object (modern, failed).
    pub error: Option<Bytes>,
    /// The questions by key (modern, input required).
    pub asks: Option<Bytes>,
}

impl Task {
    /// A task of our own making: what a call that ended at once is for a client that asked for a task.
    pub fn ended(now: &str, ttl_ms: u64) -> Self {
        let now = string(now);
        Self {
            id: Text::default(),
            status: Status::Completed,
            message: None,
            created: now.clone(),
            updated: now,
            ttl_ms: Some(ttl_ms),
            poll_ms: None,
            result: None,
            error: None,
            asks: None,
        }
    }

    /// Reads a task object of either era; `None` when it is none.
    pub fn read(raw: &Bytes) -> Option<Self> {
        let (mut id, mut status, mut message, mut created, mut updated) = (None, None, None, None, None);
        let (mut ttl_ms, mut poll_ms, mut result, mut error, mut asks) = (None, None, None, None, None);
        // Small parts are copied: they may be kept for longer than the message they came in.
        let text = |value: &[u8]| {
            (value.starts_with(b"\"") && value.len() <= MESSAGE_BYTES_MAX)
                .then(|| Bytes::copy_from_slice(value))
        };
        let object = |value: &[u8]| value.starts_with(b"{").then(|| raw.slice_ref(value));
        members(raw, |key, value| match key {
            "taskId" if value.len() <= ID_BYTES_MAX => id = serde_json::from_slice::<String>(value).ok(),
            "status" => status = Status::parse(value),
            "statusMessage" => message = text(value),
            "createdAt" => created = text(value),
            "lastUpdatedAt" => updated = text(value),
            "ttl" | "ttlMs" => ttl_ms = number(value),
            "pollInterval" | "pollIntervalMs" => poll_ms = number(value),
            "result" => result = object(value),
            "error" => error = object(value),
            "inputRequests" => asks = object(value),
            _ => {}
        })
        .ok()?;
        // 1970 rather than a lie: the field is not optional for readers.
        let created = created.unwrap_or_else(|| Bytes::from_static(b"\"1970-01-01T00:00:00Z\""));
        Some(Self {
            id: Text::from(id?),
            status: status?,
            message,
            updated: updated.unwrap_or_else(|| created.clone()),
            created,
            ttl_ms,
            poll_ms,
            result,
            error,
            asks,
        })
    }

    /// The status message, decoded.
    pub fn said(&self) -> Option<String> {
        self.message.as_ref().and_then(|raw| serde_json::from_slice(raw).ok())
    }

    /// Only what is worth keeping.
    pub fn bare(&self) -> Self {
        Self { result: None, error: None, asks: None, ..self.clone() }
    }

    /// The object in the words of an era under the id that its reader knows. `kind` is the `resultType` (modern).
    pub fn say(&self, era: Era, id: &str, kind: Option<&str>) -> Bytes {
        let (ttl, poll) = match era {
            Era::Legacy => ("ttl", "pollInterval"),
            Era::Modern => ("ttlMs", "pollIntervalMs"),
        };
        let mut out = b"{".to_vec();
        let mut member = |key: &str, value: &[u8]| {
            if out.len() > 1 {
                out.push(b',');
            }
            escape_into(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value);
        };
        if let Some(kind) = kind.filter(|_| era == Era::Modern) {
            member("resultType", &string(kind));
        }
        member("taskId", &string(id));
        member("status", &string(self.status.as_str()));
        if let Some(message) = &self.message {
            member("statusMessage", message);
        }
        member("createdAt", &self.created);
        member("lastUpdatedAt", &self.updated);
        member(ttl, self.ttl_ms.map_or_else(|| "null".to_owned(), |ms| ms.to_string()).as_bytes());
        if let Some(ms) = self.poll_ms {
            member(poll, ms.to_string().as_bytes());
        }
        if era == Era::Modern {
            match self.status {
                Status::InputRequired => member("inputRequests", self.asks.as_deref().unwrap_or(b"{}")),
                Status::Completed if kind != Some("task") => {
                    member("result", self.result.as_deref().unwrap_or(b"{}"));
                }
                Status::Failed if kind != Some("task") => {
                    let unknown = br#"{"code":-32603,"message":"the task failed"}"#;
                    member("error", self.error.as_deref().unwrap_or(unknown));
                }
                _ => {}
            }
        }
        out.push(b'}');
        Bytes::from(out)
    }
}

fn string(text: &str) -> Bytes {
    let mut out = Vec::with_capacity(text.len() + 2);
    escape_into(&mut out, text);
    Bytes::from(out)
}

/// A whole number of milliseconds, some write with a fraction; `null` and nonsense are none.
fn number(literal: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(literal).ok()?;
    text.split_once('.').map_or(text, |(whole, _)| whole).parse().ok()
}

/// The task in the answer to a call that became one, in either era; `None` when the answer is the call's result.
pub fn created(raw: &Bytes, era: Era) -> Option<Task> {
    let (mut nested, mut is_task) = (None, false);
    members(raw, |key, value| match key {
        "task" if value.starts_with(b"{") => nested = Some(raw.slice_ref(value)),
        "resultType" => is_task = value == b"\"task\"",
        _ => {}
    })
    .ok()?;
    match era {
        Era::Legacy => Task::read(&nested?),
        Era::Modern if !is_task => None,
        // The text of the extension mentions an object inside, its type has none.
        Era::Modern => Task::read(raw).or_else(|| Task::read(&nested?)),
    }
}

/// The same object with its `taskId`, or that of the `task` inside, replaced; everything else stays byte for byte.
pub fn renumbered(raw: &Bytes, id: &str) -> Bytes {
    let new = string(id);
    let mut places = Vec::new();
    let walked = members(raw, |key, value| match key {
        "taskId" => places.extend(place(raw, value)),
        "task" if value.starts_with(b"{") => {
            let _ = members(value, |key, value| {
                if key == "taskId" {
                    places.extend(place(raw, value));
                }
            });
        }
        _ => {}
    });
    if walked.is_err() || places.is_empty() {
        return raw.clone();
    }
    let edits: Vec<_> = places.into_iter().map(|span| (span, &new[..])).collect();
    Bytes::from(splice(raw, &edits))
}

/// The result of `tasks/list` (legacy).
pub fn listed(tasks: &[Bytes], next: Option<&str>) -> Bytes {
    let mut out = b"{\"tasks\":[".to_vec();
    out.extend_from_slice(&tasks.join(&b","[..]));
    out.push(b']');
    if let Some(next) = next {
        out.extend_from_slice(b",\"nextCursor\":");
        escape_into(&mut out, next);
    }
    out.push(b'}');
    Bytes::from(out)
}
