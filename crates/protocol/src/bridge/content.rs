//! Content blocks: what is known to which revision, and what stands in for a block that is not.

use crate::json::{JsonError, Object, Reader, quoted};
use crate::revision::Revision;
use trunkline_model::Span;

/// Where blocks stand; sampling knows fewer kinds of them than results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the result of a tool or of a prompt.
    Result,
    /// In a request for sampling.
    Sampling,
}

/// What blocks are judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) place: Place,
    pub(crate) revision: Revision,
}

impl Reading {
    /// Whether a reader of this revision can parse blocks of this type: one that it cannot parse fails the whole
    /// message.
    pub(super) fn knows(self, kind: &str) -> bool {
        match (kind, self.place) {
            ("text" | "image", _) | ("resource", Place::Result) => true,
            ("audio", _) => self.revision >= Revision::R2025_03_26,
            ("resource_link", Place::Result) => self.revision >= Revision::R2025_06_18,
            ("tool_use" | "tool_result", Place::Sampling) => self.revision >= Revision::R2025_11_25,
            _ => false,
        }
    }

    /// Takes one block and says whether its type is known.
    pub(crate) fn look(self, reader: &mut Reader<'_>) -> Result<(Span, bool), JsonError> {
        if reader.peek()? != b'{' {
            return Ok((reader.value()?, false));
        }
        let mut known = false;
        let span = reader.object(|key, reader| {
            if key == "type" && reader.peek()? == b'"' {
                let literal = reader.string()?;
                known = self.knows(&reader.decode(&literal));
                return Ok(());
            }
            reader.skip()
        })?;
        Ok((span, known))
    }

    /// What stands in for a block of a type that is not known; `at` is its place among its siblings.
    pub(crate) fn stand_in(self, block: &[u8], at: usize) -> Vec<u8> {
        let special =
            Object::open(block).ok().and_then(|open| match (open.text("type").as_deref(), self.place) {
                (Some("audio"), Place::Result) => embedded(open, at),
                (Some("resource_link"), Place::Result) => linked(open),
                _ => None,
            });
        special.unwrap_or_else(|| text_block(&String::from_utf8_lossy(block)))
    }
}

/// A text block.
pub(crate) fn text_block(text: &str) -> Vec<u8> {
    let mut out = b"{\"type\":\"text\",\"text\":".to_vec();
    out.extend(quoted(text));
    out.push(b'}');
    out
}

/// Sound as an embedded resource (2024-11-05 has no audio block). It needs some URI; nothing can be read there.
fn embedded(mut block: Object<'_>, at: usize) -> Option<Vec<u8>> {
    let (data, kind) = (block.get("data")?, block.get("mimeType")?);
    if !data.starts_with(b"\"") || !kind.starts_with(b"\"") {
        return None;
    }
    let mut resource = format!("{{\"uri\":\"trunkline://audio/{at}\",\"mimeType\":").into_bytes();
    resource.extend_from_slice(kind);
    resource.extend_from_slice(b",\"blob\":");
    resource.extend_from_slice(data);
    resource.push(b'}');
    block.set_text("type", "resource");
    block.remove("data");
    block.remove("mimeType");
    block.set("resource", resource);
    Some(block.into_bytes())
}

/// A link as text that names it; the link's own members stay, for additional members hurt nobody.
fn linked(mut block: Object<'_>) -> Option<Vec<u8>> {
    let uri = block.text("uri")?;
    let mut text = block.text("name").map_or_else(|| uri.clone(), |name| format!("{name}: {uri}"));
    if let Some(description) = block.text("description") {
        text = format!("{text} ({description})");
    }
    block.set_text("type", "text");
    block.set_text("text", &text);
    Some(block.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_has_the_form_that_its_reader_knows() {
        use Place::{Result, Sampling};
        let old = Revision::R2024_11_05;
        for (place, revision, block, expected) in [
            (
                Result,
                old,
                r#"{"type":"audio","data":"eA==","mimeType":"audio/wav","annotations":{"priority":1.0}}"#,
                r#"{"type":"resource","annotations":{"priority":1.0},"resource":{"uri":"trunkline://audio/3","mimeType":"audio/wav","blob":"eA=="}}"#,
            ),
            (
                Result,
                Revision::R2025_03_26,
                r#"{"type":"resource_link","uri":"a:b","name":"n","description":"d","size":1e1}"#,
                r#"{"type":"text","uri":"a:b","name":"n","description":"d","size":1e1,"text":"n: a:b (d)"}"#,
            ),
            (
                Result,
                old,
                r#"{"uri":"a:b","type":"resource_link"}"#,
                r#"{"uri":"a:b","type":"text","text":"a:b"}"#,
            ),
            (Result, old, r#"{"type":"audio"}"#, r#"{"type":"text","text":"{\"type\":\"audio\"}"}"#),
            (Result, old, "7", r#"{"type":"text","text":"7"}"#),
            (
                Sampling,
                old,
                r#"{"type":"audio","data":"","mimeType":"a/b"}"#,
                r#"{"type":"text","text":"{\"type\":\"audio\",\"data\":\"\",\"mimeType\":\"a/b\"}"}"#,
            ),
        ] {
            let reading = Reading { place, revision };
            assert_eq!(String::from_utf8(reading.stand_in(block.as_bytes(), 3)).unwrap(), expected);
        }
    }

    #[test]
    fn types_are_known_from_the_revision_that_brought_them() {
        let since = |place, kind| {
            Revision::ALL.into_iter().find(|revision| Reading { place, revision: *revision }.knows(kind))
        };
        for (place, kind, first) in [
            (Place::Result, "text", Some(Revision::R2024_11_05)),
            (Place::Result, "image", Some(Revision::R2024_11_05)),
            (Place::Result, "resource", Some(Revision::R2024_11_05)),
            (Place::Result, "audio", Some(Revision::R2025_03_26)),
            (Place::Result, "resource_link", Some(Revision::R2025_06_18)),
            (Place::Result, "tool_use", None),
            (Place::Result, "video", None),
            (Place::Sampling, "resource", None),
            (Place::Sampling, "audio", Some(Revision::R2025_03_26)),
            (Place::Sampling, "tool_result", Some(Revision::R2025_11_25)),
        ] {
            assert_eq!(since(place, kind), first, "{place:?} {kind}");
        }
    }
}
