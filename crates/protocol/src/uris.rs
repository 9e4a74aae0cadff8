//! URIs inside results: resource links, embedded resources, contents. Text is never touched.

use std::borrow::Cow;

use bytes::Bytes;
use trunkline_model::Span;

use crate::json::{JsonError, Reader, escape_into, splice};

/// `raw` with every URI that the protocol defines in a result respelled by `map`; the same bytes when none changes.
///
/// Looked at are `contents[].uri`, and in `content[]` and `messages[].content` the `uri` of a `resource_link` and of
/// an embedded `resource`. Structured content and text are the tool's own business.
pub fn respell(raw: &Bytes, map: impl Fn(&str) -> Cow<'_, str>) -> Bytes {
    if memchr::memmem::find(raw, b"\"uri\"").is_none() {
        return raw.clone();
    }
    let mut walk = Walk { map, edits: Vec::new() };
    let Ok(mut reader) = Reader::new(raw) else { return raw.clone() };
    let walked = reader.object(|key, reader| match &*key {
        "contents" => walk.each(reader, Walk::own_uri),
        "content" => walk.each(reader, Walk::block),
        "messages" => walk.each(reader, |walk, reader| {
            walk.object(
                reader,
                |walk, key, reader| if key == "content" { walk.blocks(reader) } else { reader.skip() },
            )
        }),
        _ => reader.skip(),
    });
    if walked.is_err() || walk.edits.is_empty() {
        return raw.clone();
    }
    walk.edits.sort_by_key(|(span, _)| span.start);
    let edits: Vec<(Span, &[u8])> =
        walk.edits.iter().map(|(span, new)| (span.clone(), new.as_slice())).collect();
    Bytes::from(splice(raw, &edits))
}

struct Walk<F> {
    map: F,
    edits: Vec<(Span, Vec<u8>)>,
}

type Read<T> = Result<T, JsonError>;

impl<F: Fn(&str) -> Cow<'_, str>> Walk<F> {
    fn each(
        &mut self,
        reader: &mut Reader<'_>,
        mut one: impl FnMut(&mut Self, &mut Reader<'_>) -> Read<()>,
    ) -> Read<()> {
        if reader.peek()? != b'[' {
            return reader.skip();
        }
        reader.array(|reader| one(self, reader)).map(drop)
    }

    fn object(
        &mut self,
        reader: &mut Reader<'_>,
        mut one: impl FnMut(&mut Self, &str, &mut Reader<'_>) -> Read<()>,
    ) -> Read<()> {
        if reader.peek()? != b'{' {
            return reader.skip();
        }
        reader.object(|key, reader| one(self, &key, reader)).map(drop)
    }

    /// One block, or an array of them.
    fn blocks(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        if reader.peek()? == b'[' { self.each(reader, Self::block) } else { self.block(reader) }
    }

    fn block(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        self.object(reader, |walk, key, reader| match key {
            "uri" => walk.uri(reader),
            "resource" => walk.own_uri(reader),
            _ => reader.skip(),
        })
    }

    fn own_uri(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        self.object(reader, |walk, key, reader| if key == "uri" { walk.uri(reader) } else { reader.skip() })
    }

    fn uri(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        if reader.peek()? != b'"' {
            return reader.skip();
        }
        let literal = reader.string()?;
        let old = reader.decode(&literal);
        let new = (self.map)(&old);
        if new != old {
            let mut quoted = Vec::with_capacity(new.len() + 2);
            escape_into(&mut quoted, &new);
            self.edits.push((literal.span, quoted));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_protocols_own_uris_change() {
        let raw = Bytes::from_static(br#"{"content":[{"type":"resource_link","uri":"a:1"},{"type":"resource","resource":{"uri":"a:2","text":"\"uri\":\"a:3\""}},{"type":"text","text":"a:1"}],"structuredContent":{"uri":"a:4"}}"#);
        let got = respell(&raw, |uri| Cow::Owned(format!("mcp+s:{uri}")));
        assert_eq!(
            got,
            r#"{"content":[{"type":"resource_link","uri":"mcp+s:a:1"},{"type":"resource","resource":{"uri":"mcp+s:a:2","text":"\"uri\":\"a:3\""}},{"type":"text","text":"a:1"}],"structuredContent":{"uri":"a:4"}}"#
        );
        assert_eq!(respell(&raw, |uri| Cow::Borrowed(uri)), raw);
        let read = Bytes::from_static(br#"{"contents":[{"uri":"a:1","blob":"eA=="}]}"#);
        assert_eq!(respell(&read, |_| Cow::Borrowed("b:1")), r#"{"contents":[{"uri":"b:1","blob":"eA=="}]}"#);
        let prompt = Bytes::from_static(
            br#"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a:1"}}}]}"#,
        );
        assert!(respell(&prompt, |_| Cow::Borrowed("b:1")).ends_with(br#"{"uri":"b:1"}}}]}"#));
    }
}
