//! One pass over a message: what it is, and where its parts are.

use std::borrow::Cow;

use bytes::Bytes;
use trunkline_model::Span;

use crate::json::{JsonError, Problem, Read, Reader, Str, fail, space, value, walk};

#[cfg(test)]
pub(crate) mod agreement;
mod params;
#[cfg(any(test, fuzzing))]
pub(crate) mod reference;
#[cfg(test)]
mod tests;

pub use params::{Located, MetaSpans, ParamSpans};

/// A JSON-RPC 2.0 message whose envelope and parameter keys have been located, and whose every byte has been checked.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// The message as it came.
    pub raw: Bytes,
    /// What kind of message it is.
    pub shape: Shape,
    /// The id's literal, when there is one (never `null` on a request).
    pub id: Option<Span>,
    /// The method, on requests and notifications.
    pub method: Option<Str>,
    /// The params, on requests and notifications.
    pub params: Located,
    /// The result, on answers.
    pub result: Option<Span>,
    /// The error object, on answers.
    pub error: Option<Span>,
}

/// The kinds of JSON-RPC messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Has a method and an id.
    Request,
    /// Has a method and no id.
    Notification,
    /// Has a result or an error.
    Answer,
}

/// Why a message is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Not acceptable JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// JSON, but not a JSON-RPC message; the id is the message's own, where it could be read.
    #[error("{why}")]
    Invalid {
        /// What is wrong.
        why: &'static str,
        /// The id literal, if a usable one was found.
        id: Option<Span>,
    },
    /// A JSON array: a batch.
    #[error("batches are not accepted here")]
    Batch,
}

/// Longest id literal accepted, in bytes. Ids are echoed and kept while a call runs.
pub const ID_BYTES_MAX: usize = 1024;

/// Reads one message to its end.
pub fn scan(raw: Bytes) -> Result<Scanned, ScanError> {
    let mut found = Scanned {
        raw: Bytes::new(),
        shape: Shape::Answer,
        id: None,
        method: None,
        params: Located::default(),
        result: None,
        error: None,
    };
    let mut marks = Marks::default();
    match read(&raw, &mut found, &mut marks) {
        Ok(true) => {}
        Ok(false) => return Err(ScanError::Batch),
        // Bytes that are not UTF-8 come before all else that is wrong, wherever they are.
        Err(fault) => return Err(Reader::new(&raw).err().unwrap_or_else(|| fault.into()).into()),
    }
    found.raw = raw;
    // On answers an unusable id (null, or missing) stays `None`: some servers send it with transport errors.
    let id = found.id.take();
    found.id = id.clone().filter(|span| id_is_usable(found.at(span)));
    match judge(&found, &marks, id.is_some()) {
        Ok(shape) => {
            found.shape = shape;
            Ok(found)
        }
        Err(why) => Err(ScanError::Invalid { why, id: found.id }),
    }
}

/// What is known of the envelope beside its spans.
#[derive(Default)]
struct Marks {
    version_ok: bool,
    bad_method: bool,
}

/// Takes the whole text; whether it is an object and not a batch.
#[inline]
fn read(raw: &[u8], found: &mut Scanned, marks: &mut Marks) -> Read<bool> {
    let start = space(raw, 0);
    let object = match raw.get(start) {
        Some(b'{') => true,
        Some(b'[') => false,
        Some(_) => return fail(Problem::Type, start),
        None => return fail(Problem::End, start),
    };
    let end = if object { envelope(raw, start, found, marks)? } else { value(raw, start, 0)? };
    let end = space(raw, end);
    if end < raw.len() { fail(Problem::Trailing, end) } else { Ok(object) }
}

#[inline]
fn envelope(raw: &[u8], start: usize, found: &mut Scanned, marks: &mut Marks) -> Read<usize> {
    walk::members(raw, start, 0, |key, at| {
        let taken = |slot: &mut Option<Span>| {
            let end = value(raw, at, 1)?;
            *slot = Some(at..end);
            Ok(end)
        };
        match key.name {
            name if name == b"jsonrpc" => {
                let end = value(raw, at, 1)?;
                marks.version_ok = raw.get(at..end) == Some(b"\"2.0\"");
                Ok(end)
            }
            name if name == b"id" => taken(&mut found.id),
            name if name == b"method" && raw.get(at) == Some(&b'"') => {
                let (literal, end) = walk::text(raw, at)?;
                found.method = Some(literal);
                Ok(end)
            }
            name if name == b"method" => {
                marks.bad_method = true;
                value(raw, at, 1)
            }
            name if name == b"params" => params::read(raw, at, &mut found.params),
            name if name == b"result" => taken(&mut found.result),
            name if name == b"error" => taken(&mut found.error),
            _ => value(raw, at, 1),
        }
    })
}

/// What kind of message it is, or why it is none. `has_id` is true with an unusable one, too.
#[inline]
fn judge(found: &Scanned, marks: &Marks, has_id: bool) -> Result<Shape, &'static str> {
    if !marks.version_ok {
        return Err("\"jsonrpc\" must be \"2.0\"");
    }
    let answers = found.result.is_some() || found.error.is_some();
    let shape = match (&found.method, answers) {
        (Some(_), true) => return Err("a message has either a method or an answer"),
        (Some(_), false) if has_id => Shape::Request,
        (Some(_), false) => Shape::Notification,
        (None, true) => Shape::Answer,
        (None, false) => return Err("\"method\" is missing"),
    };
    if marks.bad_method {
        return Err("\"method\" must be a string");
    }
    if found.result.is_some() && found.error.is_some() {
        return Err("an answer has either a result or an error");
    }
    if shape == Shape::Request && found.id.is_none() {
        return Err("\"id\" must be a string or an integer");
    }
    if let Some(what) = &found.params.whole {
        let text = found.at(what);
        // `null` params are sent by some older clients in place of none.
        if !text.starts_with(b"{") && text != b"null" {
            return Err("\"params\" must be an object");
        }
    }
    Ok(shape)
}

/// JSON-RPC ids in MCP are strings or integers, never null (base protocol page).
pub(crate) fn id_is_usable(literal: &[u8]) -> bool {
    if literal.len() > ID_BYTES_MAX {
        return false;
    }
    match literal.first() {
        Some(b'"') => true,
        Some(b'-' | b'0'..=b'9') => !literal.iter().any(|b| matches!(b, b'.' | b'e' | b'E')),
        _ => false,
    }
}

impl Scanned {
    /// The bytes of a span.
    pub fn at(&self, span: &Span) -> &[u8] {
        self.raw.get(span.clone()).unwrap_or_default()
    }

    /// The bytes of a span, sharing the message's buffer.
    pub fn share(&self, span: &Span) -> Bytes {
        self.raw.get(span.clone()).map_or_else(Bytes::new, |_| self.raw.slice(span.clone()))
    }

    /// The string that a literal stands for, sharing the message's buffer where nothing is escaped.
    pub fn text(&self, literal: &Str) -> trunkline_model::Text {
        if literal.escaped {
            let decoded: String = serde_json::from_slice(self.at(&literal.span)).unwrap_or_default();
            return trunkline_model::Text::from(decoded);
        }
        let inner = literal.span.start + 1..literal.span.end - 1;
        trunkline_model::Text::from_utf8(self.share(&inner)).unwrap_or_default()
    }

    /// The string that a literal stands for, for a look at it.
    pub fn string(&self, literal: &Str) -> Cow<'_, str> {
        if literal.escaped {
            return Cow::Owned(serde_json::from_slice(self.at(&literal.span)).unwrap_or_default());
        }
        let inner = self.at(&(literal.span.start + 1..literal.span.end - 1));
        Cow::Borrowed(std::str::from_utf8(inner).unwrap_or_default())
    }

    /// The method's name for a look at it; empty on answers.
    pub fn method_name(&self) -> Cow<'_, str> {
        self.method.as_ref().map(|literal| self.string(literal)).unwrap_or_default()
    }

    /// The method's name; empty on answers.
    pub fn method(&self) -> trunkline_model::Text {
        self.method.as_ref().map(|m| self.text(m)).unwrap_or_default()
    }

    /// The id's literal, sharing the buffer.
    pub fn id_bytes(&self) -> Option<Bytes> {
        self.id.as_ref().map(|id| self.share(id))
    }

    /// The id as an unsigned number, for matching answers to requests that we numbered ourselves.
    pub fn id_number(&self) -> Option<u64> {
        std::str::from_utf8(self.at(self.id.as_ref()?)).ok()?.parse().ok()
    }
}

impl ScanError {
    /// Whether the text was not JSON at all, as opposed to JSON that is no message.
    pub fn is_syntax(&self) -> bool {
        matches!(self, Self::Json(JsonError { problem, .. }) if *problem != Problem::Type)
    }
}

/// Splits a batch (2025-03-26 and older) into its elements.
pub fn split_batch(raw: &Bytes, elements_max: usize) -> Result<Vec<Bytes>, ScanError> {
    let mut reader = Reader::new(raw)?;
    let mut parts = Vec::new();
    reader.array(|reader| {
        parts.push(reader.value()?);
        Ok(())
    })?;
    reader.end()?;
    if parts.is_empty() || parts.len() > elements_max {
        return Err(ScanError::Invalid {
            why: "a batch must hold between 1 and the allowed number of messages",
            id: None,
        });
    }
    Ok(parts.into_iter().map(|span| raw.slice(span)).collect())
}
