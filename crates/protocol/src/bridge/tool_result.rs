//! Results of tools for legacy clients.

use trunkline_model::Span;

use crate::json::{JsonError, Object, Reader, elements, splice};

use super::content::{Reading, text_block};

/// The blocks of a `content` array, as they were found in one walk.
#[derive(Debug, Default)]
struct Blocks {
    /// Where the array is; `None` when `content` is missing or no array.
    array: Option<Span>,
    count: usize,
    /// Blocks of unknown type: where, and the how manieth.
    odd: Vec<(Span, usize)>,
}

/// Opens a tool's result, with everything changed that a reader cannot parse:
///
/// - blocks of unknown type are replaced;
/// - structured content that is no object is dropped, and with `unstructured` any: then a text block holds its JSON;
/// - missing content becomes a text block with the structured content, or an empty list.
///
/// `null` as structured content stands for none.
///
/// # Errors
/// What is no object, or has doubled keys where they matter.
pub(super) fn open(raw: &[u8], reading: Reading, unstructured: bool) -> Result<Object<'_>, JsonError> {
    let mut blocks = Blocks::default();
    let mut object = Object::open_with(raw, |key, reader| {
        if key == "content" && reader.peek()? == b'[' { blocks.walk(reader, reading) } else { reader.value() }
    })?;
    let structured = object.get("structuredContent").filter(|value| *value != b"null");
    let keeps = structured.is_some_and(|value| value.starts_with(b"{")) && !unstructured;
    if !keeps && object.get("structuredContent").is_some() {
        object.remove("structuredContent");
    }
    let json = structured.map(|json| String::from_utf8_lossy(json));
    match (&blocks.array, object.get("content")) {
        (Some(array), _) => {
            let said = raw.get(array.clone()).unwrap_or_default();
            let more = json.filter(|json| !keeps && !says(said, json)).map(|json| text_block(&json));
            if more.is_some() || !blocks.odd.is_empty() {
                object.set("content", blocks.rebuilt(raw, reading, array, more));
            }
        }
        (None, Some(odd)) if odd != b"null" => {
            // Not a list: what there is becomes its only element.
            let (_, known) = reading.look(&mut Reader::new(odd)?)?;
            let only = if known { odd.to_vec() } else { reading.stand_in(odd, 0) };
            let more = json.filter(|_| !keeps).map(|json| text_block(&json));
            object.set("content", list([Some(only), more]));
        }
        (None, _) => object.set("content", list([json.map(|json| text_block(&json)), None])),
    }
    Ok(object)
}

impl Blocks {
    fn walk(&mut self, reader: &mut Reader<'_>, reading: Reading) -> Result<Span, JsonError> {
        let array = reader.array(|reader| {
            let (span, known) = reading.look(reader)?;
            if !known {
                self.odd.push((span, self.count));
            }
            self.count += 1;
            Ok(())
        })?;
        self.array = Some(array.clone());
        Ok(array)
    }

    /// The array with its odd blocks replaced and one more block at its end.
    fn rebuilt(&self, raw: &[u8], reading: Reading, array: &Span, more: Option<Vec<u8>>) -> Vec<u8> {
        let from = array.start;
        let replaced: Vec<(Span, Vec<u8>)> = self
            .odd
            .iter()
            .map(|(span, at)| {
                let block = raw.get(span.clone()).unwrap_or_default();
                (span.start - from..span.end - from, reading.stand_in(block, *at))
            })
            .collect();
        let mut edits: Vec<(Span, &[u8])> =
            replaced.iter().map(|(span, new)| (span.clone(), new.as_slice())).collect();
        let more = more.map(|block| if self.count > 0 { [b",", &block[..]].concat() } else { block });
        if let Some(more) = &more {
            let end = array.end - from - 1;
            edits.push((end..end, more));
        }
        splice(raw.get(array.clone()).unwrap_or_default(), &edits)
    }
}

fn list<const N: usize>(blocks: [Option<Vec<u8>>; N]) -> Vec<u8> {
    let blocks: Vec<Vec<u8>> = blocks.into_iter().flatten().collect();
    [b"[", &blocks.join(&b","[..])[..], b"]"].concat()
}

/// Whether one of the text blocks holds this JSON already, however it is spaced.
fn says(content: &[u8], json: &str) -> bool {
    let wanted = compact(json);
    elements(content).unwrap_or_default().into_iter().any(|block| {
        let Ok(block) = Object::open(block) else { return false };
        let text = block.text("text");
        block.text("type").as_deref() == Some("text") && text.is_some_and(|text| compact(&text) == wanted)
    })
}

/// JSON without the white space between its tokens.
fn compact(json: &str) -> Vec<u8> {
    let (mut inside, mut escaped) = (false, false);
    let mut out = Vec::with_capacity(json.len());
    for byte in json.bytes() {
        if !inside && matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
            continue;
        }
        if byte == b'"' && !escaped {
            inside = !inside;
        }
        escaped = inside && byte == b'\\' && !escaped;
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::content::Place;
    use super::*;
    use crate::revision::Revision;

    fn settled(raw: &str, revision: Revision, unstructured: bool) -> String {
        let reading = Reading { place: Place::Result, revision };
        let object = open(raw.as_bytes(), reading, unstructured).unwrap();
        object.finish().map_or_else(|| raw.to_owned(), |out| String::from_utf8(out).unwrap())
    }

    #[test]
    fn structured_content_that_is_no_object_becomes_text() {
        for (from, to) in [
            (
                r#"{"content":[],"structuredContent":[1.10]}"#,
                r#"{"content":[{"type":"text","text":"[1.10]"}]}"#,
            ),
            (
                r#"{"content":[{"type":"text","text":"[ 1,\"a b\" ]"}],"structuredContent":[1,"a b"],"x":1}"#,
                r#"{"content":[{"type":"text","text":"[ 1,\"a b\" ]"}],"x":1}"#,
            ),
            (
                r#"{"content":[ {"type":"text","text":"[1,\"ab\"]"} ],"structuredContent":[1,"a b"]}"#,
                r#"{"content":[ {"type":"text","text":"[1,\"ab\"]"} ,{"type":"text","text":"[1,\"a b\"]"}]}"#,
            ),
            (r#"{"content":[],"structuredContent":null}"#, r#"{"content":[]}"#),
            (r#"{"structuredContent":"s"}"#, r#"{"content":[{"type":"text","text":"\"s\""}]}"#),
            (
                r#"{"content":[],"structuredContent":{"a":1}}"#,
                r#"{"content":[],"structuredContent":{"a":1}}"#,
            ),
        ] {
            assert_eq!(settled(from, Revision::LEGACY_LATEST, false), to);
        }
    }

    #[test]
    fn a_tool_whose_schema_is_hidden_has_no_structured_content() {
        assert_eq!(
            settled(
                r#"{"content":[],"structuredContent":{"a":1},"isError":false}"#,
                Revision::LEGACY_LATEST,
                true
            ),
            r#"{"content":[{"type":"text","text":"{\"a\":1}"}],"isError":false}"#
        );
    }

    #[test]
    fn missing_content_is_filled() {
        for (from, to) in [
            ("{}", r#"{"content":[]}"#),
            (r#"{"content":null}"#, r#"{"content":[]}"#),
            (
                r#"{"structuredContent":{"a":1}}"#,
                r#"{"structuredContent":{"a":1},"content":[{"type":"text","text":"{\"a\":1}"}]}"#,
            ),
            (r#"{"content":{"type":"text","text":"x"}}"#, r#"{"content":[{"type":"text","text":"x"}]}"#),
            (r#"{"content":"x"}"#, r#"{"content":[{"type":"text","text":"\"x\""}]}"#),
        ] {
            assert_eq!(settled(from, Revision::R2024_11_05, false), to);
        }
    }

    #[test]
    fn only_unknown_blocks_change() {
        let raw = r#"{ "content" : [ {"type":"text","text":"a","n":1.10} , {"type":"video","n":1e5}, {"type":"image","data":"","mimeType":"a/b"}] , "k":[1.0] }"#;
        assert_eq!(
            settled(raw, Revision::LEGACY_LATEST, false),
            r#"{ "content" : [ {"type":"text","text":"a","n":1.10} , {"type":"text","text":"{\"type\":\"video\",\"n\":1e5}"}, {"type":"image","data":"","mimeType":"a/b"}], "k":[1.0] }"#
        );
    }
}
