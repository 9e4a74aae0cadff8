//! The keys of `params` and of its `_meta`.

use std::ops::Deref;

use trunkline_model::Span;

use crate::json::{Read, Str, value, walk};
use crate::meta;

/// The spans of a message's `params`: an allocation of their own, as there are many and a message is moved about.
/// Without params, all of them are `None`.
#[derive(Clone, Debug, Default)]
pub struct Located(Option<Box<ParamSpans>>);

impl Located {
    #[cfg(any(test, fuzzing))]
    pub(super) fn new(spans: Option<ParamSpans>) -> Self {
        Self(spans.map(Box::new))
    }
}

impl Deref for Located {
    type Target = ParamSpans;

    #[inline]
    fn deref(&self) -> &ParamSpans {
        static NOTHING: ParamSpans = ParamSpans::nothing();
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

/// Where the keys that the gateway reads are inside `params`.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
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

impl ParamSpans {
    pub(super) const fn nothing() -> Self {
        Self {
            whole: None,
            name: None,
            uri: None,
            cursor: None,
            task_id: None,
            level: None,
            arguments: None,
            reference: None,
            request_id: None,
            progress_token: None,
            notifications: None,
            protocol_version: None,
            capabilities: None,
            client_info: None,
            meta: MetaSpans {
                whole: None,
                version: None,
                client_info: None,
                capabilities: None,
                log_level: None,
                subscription: None,
                progress_token: None,
                traceparent: None,
            },
            mistyped: None,
        }
    }
}

/// Takes `params`, whatever they are: the value at `at` of the envelope.
#[inline(never)]
pub(super) fn read(raw: &[u8], at: usize, located: &mut Located) -> Read<usize> {
    let mut spans = Box::new(ParamSpans::nothing());
    let end = if raw.get(at) == Some(&b'{') { members(raw, at, &mut spans)? } else { value(raw, at, 1)? };
    spans.whole = Some(at..end);
    located.0 = Some(spans);
    Ok(end)
}

#[inline]
fn members(raw: &[u8], at: usize, spans: &mut ParamSpans) -> Read<usize> {
    walk::members(raw, at, 1, |key, at| {
        let wrong = &mut spans.mistyped;
        match key.name {
            name if name == b"name" => text(raw, at, &mut spans.name, "name", wrong),
            name if name == b"_meta" && raw.get(at) == Some(&b'{') => meta(raw, at, &mut spans.meta),
            name if name == b"_meta" => {
                *wrong = Some("_meta");
                value(raw, at, 2)
            }
            name if name == b"arguments" => arguments(raw, at, &mut spans.arguments),
            name if name == b"uri" => text(raw, at, &mut spans.uri, "uri", wrong),
            name if name == b"cursor" => text(raw, at, &mut spans.cursor, "cursor", wrong),
            name if name == b"level" => text(raw, at, &mut spans.level, "level", wrong),
            name if name == b"taskId" && raw.get(at) == Some(&b'"') => {
                text(raw, at, &mut spans.task_id, "taskId", wrong)
            }
            name if name == b"protocolVersion" => {
                text(raw, at, &mut spans.protocol_version, "protocolVersion", wrong)
            }
            name if name == b"ref" => whole(raw, at, &mut spans.reference),
            name if name == b"requestId" => whole(raw, at, &mut spans.request_id),
            name if name == b"progressToken" => whole(raw, at, &mut spans.progress_token),
            name if name == b"notifications" => whole(raw, at, &mut spans.notifications),
            name if name == b"capabilities" => whole(raw, at, &mut spans.capabilities),
            name if name == b"clientInfo" => whole(raw, at, &mut spans.client_info),
            _ => value(raw, at, 2),
        }
    })
}

/// Takes any value and remembers where it is. Only how deep it is counts, and all but `_meta` lies as deep or deeper
/// than the keys of `params`.
fn whole(raw: &[u8], at: usize, slot: &mut Option<Span>) -> Read<usize> {
    let end = value(raw, at, 2)?;
    *slot = Some(at..end);
    Ok(end)
}

/// Takes the value of `key`, which must be a string.
fn text(
    raw: &[u8],
    at: usize,
    slot: &mut Option<Str>,
    key: &'static str,
    wrong: &mut Option<&'static str>,
) -> Read<usize> {
    if raw.get(at) != Some(&b'"') {
        let end = value(raw, at, 2)?;
        *wrong = Some(key);
        return Ok(end);
    }
    let (literal, end) = walk::text(raw, at)?;
    *slot = Some(literal);
    Ok(end)
}

/// Arguments are walked one level, so that a doubled argument cannot mean one thing to a policy and another to a tool.
#[inline(never)]
fn arguments(raw: &[u8], at: usize, slot: &mut Option<Span>) -> Read<usize> {
    let end = if raw.get(at) == Some(&b'{') {
        walk::members(raw, at, 2, |_, at| value(raw, at, 3))?
    } else {
        value(raw, at, 2)?
    };
    *slot = Some(at..end);
    Ok(end)
}

#[inline(never)]
fn meta(raw: &[u8], start: usize, spans: &mut MetaSpans) -> Read<usize> {
    let end = walk::members(raw, start, 2, |key, at| {
        let taken = |slot: &mut Option<Span>| {
            let end = value(raw, at, 3)?;
            *slot = Some(at..end);
            Ok(end)
        };
        let string = raw.get(at) == Some(&b'"');
        match key.name {
            name if name == meta::VERSION.as_bytes() => {
                let (literal, end) = if string {
                    let (literal, end) = walk::text(raw, at)?;
                    (Some(literal), end)
                } else {
                    (None, value(raw, at, 3)?)
                };
                spans.version = Some(literal);
                Ok(end)
            }
            name if name == meta::CLIENT_INFO.as_bytes() => taken(&mut spans.client_info),
            name if name == meta::CAPABILITIES.as_bytes() => taken(&mut spans.capabilities),
            name if name == meta::LOG_LEVEL.as_bytes() => taken(&mut spans.log_level),
            name if name == meta::SUBSCRIPTION.as_bytes() => taken(&mut spans.subscription),
            name if name == b"progressToken" => taken(&mut spans.progress_token),
            name if name == b"traceparent" && string => {
                let (literal, end) = walk::text(raw, at)?;
                spans.traceparent = Some(literal);
                Ok(end)
            }
            _ => value(raw, at, 3),
        }
    })?;
    spans.whole = Some(start..end);
    Ok(end)
}
