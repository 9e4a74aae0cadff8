//! Large results of tools that the gateway keeps: what is taken out of them, what the client gets instead, and how it
//! reads the rest.

use std::fmt::Write as _;

use bytes::Bytes;
use trunkline_model::{Era, Text};

use crate::json::{Object, elements, quoted};

/// Members of a result, beside its content, that stay in it up to this size in bytes.
const MEMBER_BYTES_MAX: usize = 4096;

/// What can be taken out of a tool's result.
#[derive(Debug)]
pub struct Takeable<'a> {
    object: Object<'a>,
    /// The text of its text blocks and embedded text resources, joined by line ends.
    pub text: String,
    /// Its structured content, raw.
    pub structured: Option<&'a [u8]>,
    /// The blocks that stay: pictures, sound, links.
    others: Vec<&'a [u8]>,
}

/// Where the rest of a result can be read.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The URI.
    pub uri: &'a str,
    /// The tool whose result it is.
    pub tool: &'a str,
    /// Size of the text, in bytes.
    pub bytes: usize,
    /// URI and size of the structured content.
    pub structured: Option<(&'a str, usize)>,
    /// How long it is kept, in whole minutes.
    pub minutes: u64,
}

/// Reads what can be taken out of a result; `None` of one that is no finished tool result.
pub fn takeable(raw: &[u8]) -> Option<Takeable<'_>> {
    let object = Object::open(raw).ok()?;
    if object.get("resultType").is_some_and(|kind| kind != b"\"complete\"") {
        return None;
    }
    let (mut text, mut others) = (String::new(), Vec::new());
    for block in elements(object.get("content")?)? {
        match textual(block) {
            Some(part) => {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(&part);
            }
            None => others.push(block),
        }
    }
    let structured = object.get("structuredContent").filter(|value| *value != b"null");
    Some(Takeable { object, text, structured, others })
}

/// The text of a block that is nothing else.
fn textual(block: &[u8]) -> Option<String> {
    let block = Object::open(block).ok()?;
    match block.text("type")?.as_str() {
        "text" => block.text("text"),
        "resource" => {
            let resource = Object::open(block.get("resource")?).ok()?;
            let (uri, text) = (resource.text("uri")?, resource.text("text")?);
            Some(format!("[{uri}]\n{text}"))
        }
        _ => None,
    }
}

impl Takeable<'_> {
    /// The result with only the first `shown` bytes of its text, and the way to the rest.
    pub fn preview(mut self, shown: usize, place: Place<'_>) -> Bytes {
        let shown = floor(&self.text, shown);
        let mut blocks = Vec::new();
        if shown > 0 {
            blocks.push(text_block(&self.text[..shown]));
        }
        blocks.push(text_block(&explained(shown, place)));
        blocks.push(link(place.uri, place.tool, "text/plain", place.bytes));
        if let Some((uri, bytes)) = place.structured {
            blocks.push(link(uri, place.tool, "application/json", bytes));
        }
        blocks.extend(self.others.iter().map(|block| block.to_vec()));
        self.object.set("content", [b"[", &blocks.join(&b","[..])[..], b"]"].concat());
        self.object.remove("structuredContent");
        self.object.drop_those(|key, value| key != "content" && value.len() > MEMBER_BYTES_MAX);
        let kept = format!(
            "{{\"uri\":{},\"bytes\":{},\"shown\":{shown}}}",
            String::from_utf8_lossy(&quoted(place.uri)),
            place.bytes
        );
        let meta = self.object.get("_meta").filter(|meta| meta.len() <= MEMBER_BYTES_MAX);
        let mut meta = Object::open(meta.unwrap_or(b"{}")).or_else(|_| Object::open(b"{}"));
        if let Ok(meta) = &mut meta {
            meta.set("io.trunkline/kept", kept);
        }
        if let Some(meta) = meta.ok().and_then(Object::finish) {
            self.object.set("_meta", meta);
        }
        self.object.finish().map(Bytes::from).unwrap_or_default()
    }
}

/// What a model needs to know to go on.
fn explained(shown: usize, place: Place<'_>) -> String {
    let Place { uri, bytes, minutes, .. } = place;
    let mut out = String::from("[Shortened by the gateway: ");
    // Writing to a string cannot fail.
    let _ = if shown < bytes {
        write!(
            out,
            "these are the first {shown} of {bytes} bytes of text. The whole is kept for {minutes} minutes as the \
             resource {uri}; read it with resources/read, or a part of it as {uri}?offset={shown}&length=65536 (bytes)."
        )
    } else {
        write!(out, "all {bytes} bytes of text are shown.")
    };
    if let Some((uri, bytes)) = place.structured {
        let _ = write!(
            out,
            " The structured content ({bytes} bytes of JSON) was left out; it is kept as the resource {uri}, for as long and \
             to be read in the same way."
        );
    }
    out.push_str(" To get less, call the tool with a narrower question: a filter, a range, fewer items.]");
    out
}

fn text_block(text: &str) -> Vec<u8> {
    [b"{\"type\":\"text\",\"text\":", &quoted(text)[..], b"}"].concat()
}

fn link(uri: &str, tool: &str, kind: &str, bytes: usize) -> Vec<u8> {
    let mut out = b"{\"type\":\"resource_link\",\"uri\":".to_vec();
    out.extend(quoted(uri));
    out.extend_from_slice(b",\"name\":");
    out.extend(quoted(&format!("result of {tool}")));
    out.extend_from_slice(format!(",\"mimeType\":\"{kind}\",\"size\":{bytes}}}").as_bytes());
    out
}

/// A part of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Where it begins, in bytes.
    pub offset: usize,
    /// Its length in bytes; `None` is all that follows.
    pub length: Option<usize>,
}

impl Part {
    /// Reads the query of a URI: `offset` and `length`, each at most once.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(query: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "the query takes offset and length, both in bytes: ?offset=0&length=65536";
        let (mut offset, mut length) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or(WRONG)?;
            let slot = match key {
                "offset" => &mut offset,
                "length" => &mut length,
                _ => return Err(WRONG),
            };
            let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
            let number = value.parse::<usize>().ok().filter(|_| plain).ok_or(WRONG)?;
            if slot.replace(number).is_some() {
                return Err(WRONG);
            }
        }
        if length == Some(0) {
            return Err("a length of 0 asks for nothing");
        }
        Ok(Self { offset: offset.unwrap_or(0), length })
    }

    /// Where the part lies in `text`. Both ends are moved back to where a character begins, so that parts which follow
    /// each other by their numbers make up the text; a part always has one character at least.
    ///
    /// # Errors
    /// Behind the end of the text.
    pub fn of(self, text: &str) -> Result<std::ops::Range<usize>, String> {
        if self.offset >= text.len() && self.offset > 0 {
            return Err(format!("the offset {} is not within its {} bytes", self.offset, text.len()));
        }
        let start = floor(text, self.offset);
        let end = self.length.map_or(text.len(), |length| floor(text, self.offset.saturating_add(length)));
        let first = text[start..].chars().next().map_or(0, char::len_utf8);
        Ok(start..end.max(start + first))
    }
}

fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

/// The result of reading a part of what is kept. `uri` is as the client spelled it.
pub fn read(uri: &Text, mime: &str, text: &str, span: std::ops::Range<usize>, era: Era) -> Bytes {
    let mut out = match era {
        Era::Modern => {
            b"{\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\",\"contents\":[{\"uri\":"
                .to_vec()
        }
        Era::Legacy => b"{\"contents\":[{\"uri\":".to_vec(),
    };
    out.extend(quoted(uri));
    out.extend_from_slice(b",\"mimeType\":\"");
    out.extend_from_slice(mime.as_bytes());
    out.extend_from_slice(b"\",\"text\":");
    out.extend(quoted(&text[span.clone()]));
    let (length, total) = (span.len(), text.len());
    let next = if span.end < total { format!(",\"next\":{}", span.end) } else { String::new() };
    let part = format!("{{\"offset\":{},\"length\":{length},\"total\":{total}{next}}}", span.start);
    out.extend_from_slice(format!("}}],\"_meta\":{{\"io.trunkline/part\":{part}}}}}").as_bytes());
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn place() -> Place<'static> {
        Place { uri: "trunkline://results/k", tool: "s__t", bytes: 20, structured: None, minutes: 60 }
    }

    #[test]
    fn text_is_taken_and_everything_else_stays() {
        let raw = json!({
            "content": [
                { "type": "text", "text": "one é" },
                { "type": "image", "data": "eA==", "mimeType": "a/b" },
                { "type": "resource", "resource": { "uri": "f:x", "text": "two" } },
                { "type": "resource", "resource": { "uri": "f:y", "blob": "eA==" } },
            ],
            "structuredContent": { "n": 1 },
            "isError": true,
            "odd": 1,
            "large": "x".repeat(5000),
            "_meta": { "a": 1 },
        })
        .to_string();
        let taken = takeable(raw.as_bytes()).unwrap();
        assert_eq!(taken.text, "one é\n[f:x]\ntwo");
        assert_eq!(taken.structured, Some(&br#"{"n":1}"#[..]));
        // In the middle of a character.
        let got: Value = serde_json::from_slice(&taken.preview(5, place())).unwrap();
        assert_eq!(got["content"][0]["text"], "one ");
        let said = got["content"][1]["text"].as_str().unwrap();
        assert!(said.contains("first 4 of 20 bytes") && said.contains("?offset=4&length="), "{said}");
        assert_eq!(got["content"][2]["type"], "resource_link");
        assert_eq!(got["content"][2]["size"], 20);
        assert_eq!(got["content"][3]["type"], "image");
        assert_eq!(got["content"][4]["resource"]["blob"], "eA==");
        assert_eq!((&got["isError"], &got["odd"], &got["_meta"]["a"]), (&json!(true), &json!(1), &json!(1)));
        assert_eq!(got["_meta"]["io.trunkline/kept"]["shown"], 4);
        assert!(got.get("structuredContent").is_none() && got.get("large").is_none());
    }

    #[test]
    fn what_is_no_finished_result_is_left_alone() {
        for raw in [
            r#"{"resultType":"input_required","content":[]}"#,
            r#"{"resultType":"task","taskId":"x"}"#,
            r#"{"task":{}}"#,
            r#"{"content":"x"}"#,
            "[]",
        ] {
            assert!(takeable(raw.as_bytes()).is_none(), "{raw}");
        }
    }

    #[test]
    fn only_numbers_of_bytes_are_taken_for_a_part() {
        assert_eq!(Part::parse(""), Ok(Part::default()));
        assert_eq!(Part::parse("length=5&offset=07"), Ok(Part { offset: 7, length: Some(5) }));
        for wrong in [
            "x=1",
            "offset",
            "offset=",
            "offset=-1",
            "offset=+1",
            "offset=1&offset=1",
            "length=0",
            "offset=99999999999999999999999",
        ] {
            assert!(Part::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Part { offset: 3, length: None }.of("abc").is_err());
        assert_eq!(Part::default().of(""), Ok(0..0));
        assert_eq!(Part { offset: 2, length: Some(usize::MAX) }.of("abc"), Ok(2..3));
    }

    proptest! {
        #[test]
        fn parts_that_follow_each_other_make_up_the_text(text in "\\PC{1,60}", length in 4..20_usize) {
            let mut out = String::new();
            let mut offset = 0;
            while offset < text.len() {
                let span = Part { offset, length: Some(length) }.of(&text).unwrap();
                out.push_str(&text[span]);
                offset += length;
            }
            prop_assert_eq!(&out, &text);
            // By what each says comes next, too, however short they are.
            let (mut out, mut next) = (String::new(), 0);
            while next < text.len() {
                let span = Part { offset: next, length: Some(1) }.of(&text).unwrap();
                out.push_str(&text[span.clone()]);
                next = span.end;
            }
            prop_assert_eq!(out, text);
        }
    }
}
