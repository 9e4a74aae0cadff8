//! The scan in its first form, over the first reader: what the fast one must agree with.

use bytes::Bytes;
use trunkline_model::Span;

use super::params::Located;
use super::{MetaSpans, ParamSpans, ScanError, Scanned, Shape, id_is_usable};
use crate::json::reference::Reader;
use crate::json::{JsonError, Str};

type Read<T> = Result<T, JsonError>;

/// Reads one message to its end.
pub(crate) fn scan(raw: Bytes) -> Result<Scanned, ScanError> {
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
            "params" => parts.params = Some(params(reader)?),
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
    params: Option<ParamSpans>,
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
        if let Some(what) = self.params.as_ref().and_then(|params| params.whole.as_ref()) {
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
            params: Located::new(self.params),
            result: self.result,
            error: self.error,
            raw,
        })
    }
}

fn params(reader: &mut Reader<'_>) -> Read<ParamSpans> {
    let mut spans = ParamSpans::nothing();
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
                Ok::<(), JsonError>(())
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
    let mut spans = ParamSpans::nothing().meta;
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
