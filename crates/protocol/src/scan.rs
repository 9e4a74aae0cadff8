//! One pass over a message: what it is, and where its parts are.

use bytes::Bytes;
use trunkline_model::Span;

use crate::json::{JsonError, Problem, Reader, Str};

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
    pub params: ParamSpans,
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

/// Where the keys that the gateway reads are inside `params`.
#[derive(Clone, Debug, Default)]
pub struct ParamSpans {
    /// The whole value.
    pub whole: Option<Span>,
    /// `name`.
    pub name: Option<Str>,
    /// `uri`.
    pub uri: Option<Str>,
    /// `cursor`.
    pub cursor: Option<Str>,
    /// `taskId`, if it is a string.
    pub task_id: Option<Str>,
    /// `level`.
    pub level: Option<Str>,
    /// `arguments`.
    pub arguments: Option<Span>,
    /// `ref`.
    pub reference: Option<Span>,
    /// `requestId`.
    pub request_id: Option<Span>,
    /// `progressToken` (in a progress notification).
    pub progress_token: Option<Span>,
    /// `notifications` (the filter of `subscriptions/listen`, or its acknowledgement).
    pub notifications: Option<Span>,
    /// `protocolVersion` (in `initialize`).
    pub protocol_version: Option<Str>,
    /// `capabilities` (in `initialize`).
    pub capabilities: Option<Span>,
    /// `clientInfo` (in `initialize`).
    pub client_info: Option<Span>,
    /// `_meta`.
    pub meta: MetaSpans,
    /// A key that must be a string or object is something else.
    pub mistyped: Option<&'static str>,
}

/// Where the keys that the gateway reads are inside `_meta`.
#[derive(Clone, Debug, Default)]
pub struct MetaSpans {
    /// The whole object.
    pub whole: Option<Span>,
    /// `io.modelcontextprotocol/protocolVersion`; the inner `None` is a value of another type.
    pub version: Option<Option<Str>>,
    /// `io.modelcontextprotocol/clientInfo`.
    pub client_info: Option<Span>,
    /// `io.modelcontextprotocol/clientCapabilities`.
    pub capabilities: Option<Span>,
    /// `io.modelcontextprotocol/logLevel`.
    pub log_level: Option<Span>,
    /// `io.modelcontextprotocol/subscriptionId`.
    pub subscription: Option<Span>,
    /// `progressToken`.
    pub progress_token: Option<Span>,
    /// `traceparent`.
    pub traceparent: Option<Str>,
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

type Read<T> = Result<T, JsonError>;

/// Reads one message to its end.
pub fn scan(raw: Bytes) -> Result<Scanned, ScanError> {
    let mut reader = Reader::new(&raw)?;
    if reader.peek()? == b'[' {
        reader.value()?;
        reader.end()?;
        return Err(ScanError::Batch);
    }
    let mut parts = Parts::default();
    reader.object(|key, reader| {
        match &*key {
            "jsonrpc" => {
                let at = reader.value()?;
                parts.version_ok = reader.slice(&at) == "\"2.0\"";
            }
            "id" => parts.id = Some(reader.value()?),
            "method" => match reader.peek()? {
                b'"' => parts.method = Some(reader.string()?),
                _ => parts.bad_method = !reader.value()?.is_empty(),
            },
            "params" => parts.params = params(reader)?,
            "result" => parts.result = Some(reader.value()?),
            "error" => parts.error = Some(reader.value()?),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    reader.end()?;
    parts.finish(raw)
}

#[derive(Default)]
struct Parts {
    version_ok: bool,
    bad_method: bool,
    id: Option<Span>,
    method: Option<Str>,
    params: ParamSpans,
    result: Option<Span>,
    error: Option<Span>,
}

impl Parts {
    fn finish(self, raw: Bytes) -> Result<Scanned, ScanError> {
        let at = |span: &Span| raw.get(span.clone()).unwrap_or_default();
        let usable = self.id.clone().filter(|id| id_is_usable(at(id)));
        let invalid = |why| Err(ScanError::Invalid { why, id: usable.clone() });
        if !self.version_ok {
            return invalid("\"jsonrpc\" must be \"2.0\"");
        }
        let answers = self.result.is_some() || self.error.is_some();
        let shape = match (&self.method, answers) {
            (Some(_), true) => return invalid("a message has either a method or an answer"),
            (Some(_), false) if self.id.is_some() => Shape::Request,
            (Some(_), false) => Shape::Notification,
            (None, true) => Shape::Answer,
            (None, false) => return invalid("\"method\" is missing"),
        };
        if self.bad_method {
            return invalid("\"method\" must be a string");
        }
        if self.result.is_some() && self.error.is_some() {
            return invalid("an answer has either a result or an error");
        }
        if shape == Shape::Request && usable.is_none() {
            return invalid("\"id\" must be a string or an integer");
        }
        if let Some(what) = &self.params.whole {
            let text = at(what);
            // `null` params are sent by some older clients in place of none.
            if !text.starts_with(b"{") && text != b"null" {
                return invalid("\"params\" must be an object");
            }
        }
        // On answers an unusable id (null, or missing) stays `None`: some servers send it with transport errors.
        Ok(Scanned {
            shape,
            id: usable,
            method: self.method,
            params: self.params,
            result: self.result,
            error: self.error,
            raw,
        })
    }
}

/// JSON-RPC ids in MCP are strings or integers, never null (base protocol page).
fn id_is_usable(literal: &[u8]) -> bool {
    if literal.len() > ID_BYTES_MAX {
        return false;
    }
    match literal.first() {
        Some(b'"') => true,
        Some(b'-' | b'0'..=b'9') => !literal.iter().any(|b| matches!(b, b'.' | b'e' | b'E')),
        _ => false,
    }
}

fn params(reader: &mut Reader<'_>) -> Read<ParamSpans> {
    let mut spans = ParamSpans::default();
    if reader.peek()? != b'{' {
        spans.whole = Some(reader.value()?);
        return Ok(spans);
    }
    let whole = reader.object(|key, reader| {
        let text =
            |reader: &mut Reader<'_>, slot: &mut Option<Str>, key, wrong: &mut Option<&'static str>| {
                if reader.peek()? == b'"' {
                    *slot = Some(reader.string()?);
                } else {
                    reader.value()?;
                    *wrong = Some(key);
                }
                Ok(())
            };
        let wrong = &mut spans.mistyped;
        match &*key {
            "name" => text(reader, &mut spans.name, "name", wrong)?,
            "uri" => text(reader, &mut spans.uri, "uri", wrong)?,
            "cursor" => text(reader, &mut spans.cursor, "cursor", wrong)?,
            "level" => text(reader, &mut spans.level, "level", wrong)?,
            "taskId" if reader.peek()? == b'"' => spans.task_id = Some(reader.string()?),
            "protocolVersion" => text(reader, &mut spans.protocol_version, "protocolVersion", wrong)?,
            "arguments" => spans.arguments = Some(arguments(reader)?),
            "ref" => spans.reference = Some(reader.value()?),
            "requestId" => spans.request_id = Some(reader.value()?),
            "progressToken" => spans.progress_token = Some(reader.value()?),
            "notifications" => spans.notifications = Some(reader.value()?),
            "capabilities" => spans.capabilities = Some(reader.value()?),
            "clientInfo" => spans.client_info = Some(reader.value()?),
            "_meta" if reader.peek()? == b'{' => spans.meta = meta(reader)?,
            "_meta" => {
                reader.value()?;
                spans.mistyped = Some("_meta");
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    spans.whole = Some(whole);
    Ok(spans)
}

/// Arguments are walked one level, so that a doubled argument cannot mean one thing to a policy and another to a tool.
fn arguments(reader: &mut Reader<'_>) -> Read<Span> {
    if reader.peek()? == b'{' { reader.object(|_, r| r.skip()) } else { reader.value() }
}

fn meta(reader: &mut Reader<'_>) -> Read<MetaSpans> {
    let mut spans = MetaSpans::default();
    let whole = reader.object(|key, reader| {
        match &*key {
            crate::meta::VERSION => {
                let literal = if reader.peek()? == b'"' { Some(reader.string()?) } else { None };
                if literal.is_none() {
                    reader.value()?;
                }
                spans.version = Some(literal);
            }
            crate::meta::CLIENT_INFO => spans.client_info = Some(reader.value()?),
            crate::meta::CAPABILITIES => spans.capabilities = Some(reader.value()?),
            crate::meta::LOG_LEVEL => spans.log_level = Some(reader.value()?),
            crate::meta::SUBSCRIPTION => spans.subscription = Some(reader.value()?),
            "progressToken" => spans.progress_token = Some(reader.value()?),
            "traceparent" if reader.peek()? == b'"' => spans.traceparent = Some(reader.string()?),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    spans.whole = Some(whole);
    Ok(spans)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Scanned, ScanError> {
        scan(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn locates_the_parts_of_a_call() {
        let text = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"x\u0079","arguments":{"n":1},"_meta":{"progressToken":7}}}"#;
        let got = of(text).unwrap();
        assert_eq!(got.shape, Shape::Request);
        assert_eq!(got.id_bytes().unwrap(), "\"a\"");
        assert_eq!(&*got.method(), "tools/call");
        assert_eq!(&*got.text(got.params.name.as_ref().unwrap()), "xy");
        assert_eq!(got.at(got.params.arguments.as_ref().unwrap()), br#"{"n":1}"#);
        assert_eq!(got.at(got.params.meta.progress_token.as_ref().unwrap()), b"7");
    }

    #[test]
    fn refuses_ids_that_are_not_strings_or_integers() {
        for id in ["null", "true", "1.5", "{}", "[]", "1e3"] {
            assert!(matches!(
                of(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)),
                Err(ScanError::Invalid { .. })
            ));
        }
        for id in ["\"1\"", "\"\"", "-1", "0", "9007199254740991", "123456789012345678901234567890"] {
            assert_eq!(
                of(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)).unwrap().id_bytes().unwrap(),
                id
            );
        }
    }

    #[test]
    fn refuses_doubled_keys_in_envelope_params_meta_and_arguments() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"a":1,"a":2}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"a":1,"a":2}}}"#,
        ] {
            assert!(of(text).unwrap_err().is_syntax(), "{text}");
        }
    }

    #[test]
    fn tells_batches_and_nonsense_from_messages() {
        assert_eq!(of("[]").unwrap_err(), ScanError::Batch);
        for text in [
            r#"{"id":1,"method":"x"}"#,
            r#"{"jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            "7",
            "\"x\"",
            r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}"#,
        ] {
            assert!(!of(text).unwrap_err().is_syntax(), "{text}");
        }
    }
}
