//! The params of requests about tasks.

use bytes::Bytes;
use trunkline_model::{Params, Span, Text};

use super::place;
use crate::bridge::{members, without};
use crate::json::{escape_into, splice};

/// Whether a legacy client asks for a task. The usual request passes by one search for a word.
pub fn requested(params: &[u8]) -> bool {
    if memchr::memmem::find(params, b"\"task\"").is_none() {
        return false;
    }
    let mut asks = false;
    let _ = members(params, |key, value| asks |= key == "task" && value.starts_with(b"{"));
    asks
}

/// The params of a tool call that asks a legacy server for a task.
pub fn with_task(params: &Params) -> Params {
    if requested(&params.raw) {
        return params.clone();
    }
    let base: &[u8] = if params.raw.starts_with(b"{") { &params.raw } else { b"{}" };
    let inside = base.get(1..base.len().saturating_sub(1)).unwrap_or_default();
    let head: &[u8] =
        if inside.iter().all(u8::is_ascii_whitespace) { b"\"task\":{}" } else { b"\"task\":{}," };
    let moved = |span: &Option<Span>| span.as_ref().map(|s| s.start + head.len()..s.end + head.len());
    Params {
        target: moved(&params.target),
        meta: moved(&params.meta),
        arguments: moved(&params.arguments),
        raw: Bytes::from(splice(base, &[(1..1, head)])),
    }
}

/// The params of a tool call without the wish for a task.
pub fn without_task(params: &Params) -> Params {
    let Some(raw) = without(&params.raw, |key, _| key == "task") else { return params.clone() };
    let mut bare = Params::default();
    let _ = members(&raw, |key, value| {
        let slot = match key {
            "name" => &mut bare.target,
            "_meta" => &mut bare.meta,
            "arguments" => &mut bare.arguments,
            _ => return,
        };
        *slot = place(&raw, value);
    });
    Params { raw: Bytes::from(raw), ..bare }
}

/// The `inputResponses` of `tasks/update`, raw; `None` when there is no such object.
pub fn responses(params: &Bytes) -> Option<Bytes> {
    let mut found = None;
    members(params, |key, value| {
        if key == "inputResponses" && value.starts_with(b"{") {
            found = Some(params.slice_ref(value));
        }
    })
    .ok()?;
    found
}

/// The params of a request about one task.
pub fn addressed(id: &str) -> Params {
    let mut raw = b"{\"taskId\":".to_vec();
    let start = raw.len();
    escape_into(&mut raw, id);
    let target = Some(start..raw.len());
    raw.push(b'}');
    Params { raw: Bytes::from(raw), target, ..Params::default() }
}

/// The params of `tasks/update`: answers are result objects, raw, by the key of their question.
pub fn updating(id: &str, answers: &[(Text, Bytes)]) -> Params {
    let mut raw = b"{\"taskId\":".to_vec();
    let start = raw.len();
    escape_into(&mut raw, id);
    let target = Some(start..raw.len());
    raw.extend_from_slice(b",\"inputResponses\":{");
    for (at, (key, answer)) in answers.iter().enumerate() {
        if at > 0 {
            raw.push(b',');
        }
        escape_into(&mut raw, key);
        raw.push(b':');
        raw.extend_from_slice(answer);
    }
    raw.extend_from_slice(b"}}");
    Params { raw: Bytes::from(raw), target, ..Params::default() }
}
