//! `_meta` of the legacy era that says which task a message belongs to.

use bytes::Bytes;

use super::{inner, place};
use crate::bridge::{members, without};
use crate::json::{escape_into, splice};

/// The key.
const RELATED: &str = "io.modelcontextprotocol/related-task";

/// The task that the params of a message, or a result, belong to.
pub fn related(object: &[u8]) -> Option<String> {
    memchr::memmem::find(object, RELATED.as_bytes())?;
    serde_json::from_slice(inner(object, &["_meta", RELATED, "taskId"])?).ok()
}

/// `object` marked as belonging to the task; a mark that it has is replaced. An empty `object` becomes one.
pub fn related_to(object: &Bytes, id: &str) -> Bytes {
    let mut mark = Vec::with_capacity(64 + id.len());
    escape_into(&mut mark, RELATED);
    mark.extend_from_slice(b":{\"taskId\":");
    escape_into(&mut mark, id);
    mark.push(b'}');
    let bare = unrelated(object);
    let base: &[u8] = if bare.starts_with(b"{") { &bare } else { b"{}" };
    let mut meta = None;
    let _ = members(base, |key, value| {
        if key == "_meta" && value.starts_with(b"{") {
            meta = place(base, value);
        }
    });
    let only = |inside: &[u8]| inside.iter().all(u8::is_ascii_whitespace);
    if let Some(span) = meta {
        if !only(base.get(span.start + 1..span.end - 1).unwrap_or_default()) {
            mark.push(b',');
        }
        return Bytes::from(splice(base, &[(span.start + 1..span.start + 1, &mark)]));
    }
    let comma: &[u8] = if only(base.get(1..base.len() - 1).unwrap_or_default()) { b"" } else { b"," };
    let added = [b"\"_meta\":{", &mark[..], b"}", comma].concat();
    Bytes::from(splice(base, &[(1..1, &added)]))
}

/// `object` without the mark.
pub fn unrelated(object: &Bytes) -> Bytes {
    if memchr::memmem::find(object, RELATED.as_bytes()).is_none() {
        return object.clone();
    }
    let mut found = None;
    let _ = members(object, |key, value| {
        if key == "_meta" && value.starts_with(b"{") {
            found = place(object, value).zip(without(value, |key, _| key == RELATED));
        }
    });
    match found {
        None => object.clone(),
        Some((_, rest)) if rest.iter().all(|b| b.is_ascii_whitespace() || matches!(b, b'{' | b'}')) => {
            without(object, |key, _| key == "_meta").map_or_else(|| object.clone(), Bytes::from)
        }
        Some((span, rest)) => Bytes::from(splice(object, &[(span, &rest)])),
    }
}

/// `object` with the mark it has, if it has one, under another id.
pub fn renamed(object: &Bytes, id: &str) -> Bytes {
    if related(object).is_some() { related_to(object, id) } else { object.clone() }
}

/// Whether `object` belongs to this task.
pub fn about(object: &[u8], id: &str) -> bool {
    related(object).is_some_and(|found| found == id)
}
