//! The tasks extension (SEP-2663), as far as a gateway must look into it: whom a message is about, and who may hear it.

use bytes::Bytes;
use trunkline_model::{Span, Text};

use crate::bridge::members;
use crate::json::{JsonError, Reader, escape_into, splice};
use crate::meta;

/// The extension's identifier.
pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// The capabilities object of one that follows tasks and can do nothing else.
pub const FOLLOWER: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
/// The parameter that names a task.
pub(crate) const ID: &str = "taskId";

/// Whether a capabilities object, of a client or of a server, declares the extension.
pub fn declared(capabilities: &[u8]) -> bool {
    let mut found = false;
    let walked = members(capabilities, |key, value| {
        if key == "extensions" && value.starts_with(b"{") {
            let _ = members(value, |key, value| found |= key == EXTENSION && value.starts_with(b"{"));
        }
    });
    walked.is_ok() && found
}

/// The task that params are about.
pub fn id(params: &[u8]) -> Option<Text> {
    let mut reader = Reader::new(params).ok()?;
    let mut found = None;
    let walked = reader.object(|key, reader| {
        if key == ID && reader.peek()? == b'"' {
            found = Some(reader.string()?);
            return Ok(());
        }
        reader.skip()
    });
    walked.ok()?;
    found.map(|literal| Text::from(&*reader.decode(&literal)))
}

/// The params of a task's notification as they are told to the listen request with the raw id `to`: the mark of the
/// request on which we heard it becomes the mark of that one, and all else stays.
pub fn marked(params: &Bytes, to: &[u8]) -> Bytes {
    let mut mark = Vec::with_capacity(to.len() + 48);
    escape_into(&mut mark, meta::SUBSCRIPTION);
    mark.push(b':');
    mark.extend_from_slice(to);
    let Ok(place) = place(params) else { return params.clone() };
    let (span, new) = match place {
        Place::Mark(span) => (span, to.to_vec()),
        Place::Meta { at, empty } => {
            if !empty {
                mark.push(b',');
            }
            (at..at, mark)
        }
        Place::Nowhere => {
            let comma =
                if params.get(1..).is_some_and(|rest| rest.trim_ascii_start() == b"}") { "" } else { "," };
            (1..1, [b"\"_meta\":{", &*mark, b"}", comma.as_bytes()].concat())
        }
    };
    Bytes::from(splice(params, &[(span, &new)]))
}

/// Where a mark is, or where it belongs.
enum Place {
    /// The value of one that is there.
    Mark(Span),
    /// Behind the opening brace of `_meta`.
    Meta { at: usize, empty: bool },
    /// There is no `_meta`.
    Nowhere,
}

fn place(params: &[u8]) -> Result<Place, JsonError> {
    let mut place = Place::Nowhere;
    Reader::new(params)?.object(|key, reader| {
        if key != "_meta" || reader.peek()? != b'{' {
            return reader.skip();
        }
        let (mut mark, mut count) = (None, 0);
        let whole = reader.object(|key, reader| {
            let value = reader.value()?;
            count += 1;
            if key == meta::SUBSCRIPTION {
                mark = Some(value);
            }
            Ok(())
        })?;
        place = mark.map_or(Place::Meta { at: whole.start + 1, empty: count == 0 }, Place::Mark);
        Ok(())
    })?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_is_found_where_it_is_declared_and_nowhere_else() {
        assert!(declared(FOLLOWER.as_bytes()));
        assert!(!declared(br#"{"tasks":{},"extensions":{"x":{"io.modelcontextprotocol/tasks":{}}}}"#));
        assert!(!declared(br#"{"extensions":{"io.modelcontextprotocol/tasks":true}}"#));
    }

    #[test]
    fn a_notification_is_marked_for_its_listener_and_nothing_else_changes() {
        let marked = |params: &'static str| {
            String::from_utf8(marked(&Bytes::from_static(params.as_bytes()), b"\"l\"").to_vec()).unwrap()
        };
        let key = r#""io.modelcontextprotocol/subscriptionId""#;
        assert_eq!(
            marked(r#"{"taskId":"t","x":1.50}"#),
            format!(r#"{{"_meta":{{{key}:"l"}},"taskId":"t","x":1.50}}"#)
        );
        assert_eq!(marked("{ }"), format!(r#"{{"_meta":{{{key}:"l"}} }}"#));
        assert_eq!(marked(r#"{"_meta":{}}"#), format!(r#"{{"_meta":{{{key}:"l"}}}}"#));
        assert_eq!(marked(r#"{"_meta":{"a":1}}"#), format!(r#"{{"_meta":{{{key}:"l","a":1}}}}"#));
        let heard = r#"{"a":{"_meta":0},"_meta":{"b":2,"io.modelcontextprotocol/subscriptionId":7}}"#;
        assert_eq!(marked(heard), format!(r#"{{"a":{{"_meta":0}},"_meta":{{"b":2,{key}:"l"}}}}"#));
    }
}
