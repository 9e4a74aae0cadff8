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
    walked(raw, URI, map, |walk, key, reader| match key {
        "contents" => walk.each(reader, Walk::own_uri),
        "content" => walk.each(reader, Walk::block),
        "messages" => walk.each(reader, |walk, reader| {
            walk.object(
                reader,
                |walk, key, reader| if key == "content" { walk.blocks(reader) } else { reader.skip() },
            )
        }),
        _ => reader.skip(),
    })
}

/// The same for the result of `skills/get`: the entry in `skill`.
pub fn respell_skill(raw: &Bytes, map: impl Fn(&str) -> Cow<'_, str>) -> Bytes {
    walked(raw, URI, map, |walk, key, reader| match key {
        "skill" => walk.object(reader, Walk::skill),
        _ => reader.skip(),
    })
}

/// The same for one entry of `skills/list`: its `uri`, and `resources[].uri`.
pub fn respell_entry(raw: &Bytes, map: impl Fn(&str) -> Cow<'_, str>) -> Bytes {
    walked(raw, URI, map, Walk::skill)
}

/// The same for the result of `resources/directory/read`: `resources[].uri`.
pub fn respell_directory(raw: &Bytes, map: impl Fn(&str) -> Cow<'_, str>) -> Bytes {
    walked(raw, URI, map, |walk, key, reader| match key {
        "resources" => walk.each(reader, Walk::own_uri),
        _ => reader.skip(),
    })
}

/// The same for a listed tool: what its `_meta` says of the resource that shows it. Besides the key of the apps
/// extension these are its older form, and the one of another vendor that hosts and servers use alike.
pub fn respell_tool(raw: &Bytes, map: impl Fn(&str) -> Cow<'_, str>) -> Bytes {
    walked(raw, OF_TOOLS, map, |walk, key, reader| match key {
        "_meta" => walk.object(reader, |walk, key, reader| match key {
            "ui" => walk.object(reader, |walk, key, reader| match key {
                "resourceUri" => walk.uri(reader),
                _ => reader.skip(),
            }),
            "ui/resourceUri" | "openai/outputTemplate" => walk.uri(reader),
            _ => reader.skip(),
        }),
        _ => reader.skip(),
    })
}

const URI: &[&[u8]] = &[b"\"uri\""];
const OF_TOOLS: &[&[u8]] = &[b"resourceUri\"", b"/outputTemplate\""];

/// The members of `raw` looked at by `each`, and what it found respelled.
fn walked<F: Fn(&str) -> Cow<'_, str>>(
    raw: &Bytes,
    keys: &[&[u8]],
    map: F,
    mut each: impl FnMut(&mut Walk<F>, &str, &mut Reader<'_>) -> Read<()>,
) -> Bytes {
    // The ordinary result has none of the keys; finding that out must not cost a parse.
    if !keys.iter().any(|key| memchr::memmem::find(raw, key).is_some()) {
        return raw.clone();
    }
    let mut walk = Walk { map, edits: Vec::new() };
    let Ok(mut reader) = Reader::new(raw) else { return raw.clone() };
    let walked = reader.object(|key, reader| each(&mut walk, &key, reader));
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

    fn skill(&mut self, key: &str, reader: &mut Reader<'_>) -> Read<()> {
        match key {
            "uri" => self.uri(reader),
            "resources" => self.each(reader, Self::own_uri),
            _ => reader.skip(),
        }
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

    fn two(uri: &str) -> Cow<'_, str> {
        Cow::Owned(format!("two:{uri}"))
    }

    #[test]
    fn a_skill_is_respelled_whole_and_nothing_else_of_its_entry() {
        let entry = br#"{"uri":"skill://a/SKILL.md","frontmatter":{"name":"a","uri":"u","resources":[{"uri":"u"}]}, "resources":[{"uri":"skill:\/\/a\/SKILL.md","digest":"sha256:0","size":10.0,"x":{"uri":"u"}},7,{"size":1,"uri":"skill://a/b"}]}"#;
        let expected = r#"{"uri":"two:skill://a/SKILL.md","frontmatter":{"name":"a","uri":"u","resources":[{"uri":"u"}]}, "resources":[{"uri":"two:skill://a/SKILL.md","digest":"sha256:0","size":10.0,"x":{"uri":"u"}},7,{"size":1,"uri":"two:skill://a/b"}]}"#;
        let entry = Bytes::from_static(entry);
        assert_eq!(respell_entry(&entry, two), expected);
        let get = Bytes::from([b"{\"ttlMs\":5,\"skill\":", &entry[..], b"}"].concat());
        assert_eq!(respell_skill(&get, two), format!("{{\"ttlMs\":5,\"skill\":{expected}}}"));
        let made_up = Bytes::from_static(br#"{"uri":"s:a","resources":"dynamic"}"#);
        assert_eq!(respell_entry(&made_up, two), r#"{"uri":"two:s:a","resources":"dynamic"}"#);
        assert_eq!(respell_skill(&made_up, two), made_up, "no skill, no change");
    }

    #[test]
    fn a_directory_is_respelled_and_a_tool_result_with_such_a_key_is_not() {
        let raw = Bytes::from_static(br#"{"resources":[{"uri":"a:1","name":"n"}],"nextCursor":"uri"}"#);
        assert_eq!(
            respell_directory(&raw, two),
            r#"{"resources":[{"uri":"two:a:1","name":"n"}],"nextCursor":"uri"}"#
        );
        assert_eq!(respell(&raw, two), raw);
    }

    #[test]
    fn the_resource_that_shows_a_tool_is_respelled_in_every_form() {
        let raw = Bytes::from_static(br#"{"name":"t","inputSchema":{"resourceUri":"ui://a"},"_meta":{"ui":{"resourceUri":"ui://a","visibility":["model"]},"ui/resourceUri":"ui://a","openai/outputTemplate":"ui://b","resourceUri":"ui://a"}}"#);
        assert_eq!(
            respell_tool(&raw, two),
            r#"{"name":"t","inputSchema":{"resourceUri":"ui://a"},"_meta":{"ui":{"resourceUri":"two:ui://a","visibility":["model"]},"ui/resourceUri":"two:ui://a","openai/outputTemplate":"two:ui://b","resourceUri":"ui://a"}}"#
        );
    }
}
