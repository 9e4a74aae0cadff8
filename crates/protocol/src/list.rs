//! Lists: taking a page apart into items, and respelling an item.

use bytes::Bytes;
use trunkline_model::{ListKind, Span, Text};

use crate::json::{JsonError, Problem, Reader, Str, escape_into, splice};

/// One item of a list, as it came, with the spans that may be changed.
#[derive(Clone, Debug)]
pub struct Item {
    /// The item's object.
    pub raw: Bytes,
    /// Its name (tools, prompts), URI (resources) or URI template.
    pub key: Text,
    key_span: Span,
    title: Option<Span>,
    description: Option<Span>,
    meta: Option<Span>,
    input_schema: Option<Span>,
}

/// One page of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its items, in order.
    pub items: Vec<Item>,
    /// How many entries were left out because they were not objects with the needed key.
    pub malformed: usize,
    /// Where the next page begins, if there is one.
    pub next: Option<Text>,
    /// How long the page may be kept, in milliseconds (modern).
    pub ttl_ms: Option<u64>,
    /// Whether the page may be shown to anybody (modern, `cacheScope: public`).
    pub public: bool,
}

/// Takes the result of a list request apart.
pub fn page(kind: ListKind, raw: &Bytes) -> Result<Page, JsonError> {
    let mut reader = Reader::new(raw)?;
    let mut page = Page::default();
    let mut found = false;
    reader.object(|key, reader| {
        match &*key {
            k if k == kind.key() => {
                found = true;
                reader.array(|reader| {
                    let span = reader.value()?;
                    match item(kind, &raw.slice(span)) {
                        Some(item) => page.items.push(item),
                        None => page.malformed += 1,
                    }
                    Ok(())
                })?;
            }
            "nextCursor" if reader.peek()? == b'"' => {
                let literal = reader.string()?;
                page.next = Some(Text::from(&*reader.decode(&literal)));
            }
            "ttlMs" => {
                let span = reader.value()?;
                page.ttl_ms = reader.slice(&span).parse().ok();
            }
            "cacheScope" => {
                let span = reader.value()?;
                page.public = reader.slice(&span) == "\"public\"";
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    if found { Ok(page) } else { Err(JsonError { problem: Problem::Type, at: 0 }) }
}

fn item(kind: ListKind, raw: &Bytes) -> Option<Item> {
    let wanted = match kind {
        ListKind::Tools | ListKind::Prompts => "name",
        ListKind::Resources | ListKind::Skills => "uri",
        ListKind::Templates => "uriTemplate",
    };
    let mut reader = Reader::new(raw).ok()?;
    let mut key: Option<Str> = None;
    let (mut title, mut description, mut meta, mut input_schema) = (None, None, None, None);
    let walked = reader.object(|name, reader| {
        match &*name {
            n if n == wanted && reader.peek()? == b'"' => key = Some(reader.string()?),
            "title" => title = Some(reader.value()?),
            "description" => description = Some(reader.value()?),
            "inputSchema" => input_schema = Some(reader.value()?),
            "_meta" if reader.peek()? == b'{' => meta = Some(reader.value()?),
            _ => reader.skip()?,
        }
        Ok(())
    });
    walked.ok()?;
    let key = key?;
    let text = Text::from(&*reader.decode(&key));
    Some(Item { key: text, key_span: key.span, title, description, meta, input_schema, raw: raw.clone() })
}

/// Changes to an item; what is `None` stays as it came, byte for byte.
#[derive(Clone, Copy, Debug, Default)]
pub struct Respelling<'a> {
    /// The exposed name or URI.
    pub key: Option<&'a str>,
    /// Another title.
    pub title: Option<&'a str>,
    /// Another description.
    pub description: Option<&'a str>,
    /// Server and original name, noted in the item's `_meta`.
    pub origin: Option<(&'a str, &'a str)>,
}

impl Item {
    /// The tool's input schema, as it came.
    pub fn input_schema(&self) -> Option<&[u8]> {
        self.raw.get(self.input_schema.clone()?)
    }

    /// The item with these changes.
    pub fn respell(&self, change: Respelling<'_>) -> Bytes {
        let quoted = |text: &str| {
            let mut out = Vec::with_capacity(text.len() + 2);
            escape_into(&mut out, text);
            out
        };
        let mut edits: Vec<(Span, Vec<u8>)> = Vec::new();
        let mut added = Vec::new();
        if let Some(new) = change.key.filter(|new| *new != &*self.key) {
            edits.push((self.key_span.clone(), quoted(new)));
        }
        for (name, old, new) in
            [("title", &self.title, change.title), ("description", &self.description, change.description)]
        {
            match (old, new) {
                (Some(span), Some(new)) => edits.push((span.clone(), quoted(new))),
                (None, Some(new)) => {
                    escape_into(&mut added, name);
                    added.push(b':');
                    added.extend(quoted(new));
                    added.push(b',');
                }
                (_, None) => {}
            }
        }
        if let Some((server, original)) = change.origin {
            let note = origin(server, original, change.key.unwrap_or(&self.key));
            match &self.meta {
                Some(span) => {
                    let empty = self.raw[span.start + 1..span.end - 1].iter().all(u8::is_ascii_whitespace);
                    let note = if empty { note } else { [&note[..], b","].concat() };
                    edits.push((span.start + 1..span.start + 1, note));
                }
                None => added.extend([b"\"_meta\":{", &note[..], b"},"].concat()),
            }
        }
        if !added.is_empty() {
            edits.push((1..1, added));
        }
        if edits.is_empty() {
            return self.raw.clone();
        }
        edits.sort_by_key(|(span, _)| span.start);
        let edits: Vec<(Span, &[u8])> =
            edits.iter().map(|(span, new)| (span.clone(), new.as_slice())).collect();
        Bytes::from(splice(&self.raw, &edits))
    }
}

/// Where an item that is shown as `shown` is from. Its own name is left out where that says it: lists of a thousand tools
/// are read by models, too.
fn origin(server: &str, original: &str, shown: &str) -> Vec<u8> {
    let mut out = b"\"io.trunkline/server\":".to_vec();
    escape_into(&mut out, server);
    if own_name(server, shown) != Some(original) {
        out.extend_from_slice(b",\"io.trunkline/name\":");
        escape_into(&mut out, original);
    }
    out
}

/// The name that an item has at its server, where it is shown as `<server>__<name>`.
pub fn own_name<'a>(server: &str, shown: &'a str) -> Option<&'a str> {
    shown.strip_prefix(server)?.strip_prefix("__")
}

/// The result of a list request over finished items. `meta` is a raw `_meta` object.
pub fn render<'a>(
    kind: ListKind,
    items: impl Iterator<Item = &'a Bytes>,
    next: Option<&str>,
    meta: Option<&[u8]>,
    hints: Option<(u64, bool)>,
) -> Bytes {
    let mut out = Vec::with_capacity(4096);
    out.push(b'{');
    if let Some((ttl_ms, public)) = hints {
        let scope = if public { "public" } else { "private" };
        let head = format!("\"resultType\":\"complete\",\"ttlMs\":{ttl_ms},\"cacheScope\":\"{scope}\",");
        out.extend_from_slice(head.as_bytes());
    }
    if let Some(meta) = meta {
        out.extend_from_slice(b"\"_meta\":");
        out.extend_from_slice(meta);
        out.push(b',');
    }
    escape_into(&mut out, kind.key());
    out.extend_from_slice(b":[");
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
    out.push(b']');
    if let Some(next) = next {
        out.extend_from_slice(b",\"nextCursor\":");
        escape_into(&mut out, next);
    }
    out.push(b'}');
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_apart_and_items_keep_their_bytes() {
        let raw = Bytes::from_static(br#"{"tools":[{"name":"a","x":1.10},7,{"title":"no name"},{"name":"b","_meta":{"k":1}}],"nextCursor":"c","ttlMs":5,"cacheScope":"public"}"#);
        let page = page(ListKind::Tools, &raw).unwrap();
        assert_eq!((page.items.len(), page.malformed, page.ttl_ms, page.public), (2, 2, Some(5), true));
        assert_eq!(&**page.next.as_ref().unwrap(), "c");
        let change =
            Respelling { key: Some("s__a"), description: Some("d"), origin: Some(("s", "a")), title: None };
        assert_eq!(
            page.items[0].respell(change),
            r#"{"description":"d","_meta":{"io.trunkline/server":"s"},"name":"s__a","x":1.10}"#
        );
        let elsewhere = Respelling { key: Some("p__a"), origin: Some(("s", "a")), ..Respelling::default() };
        assert_eq!(
            page.items[0].respell(elsewhere),
            r#"{"_meta":{"io.trunkline/server":"s","io.trunkline/name":"a"},"name":"p__a","x":1.10}"#
        );
        let kept = Respelling { origin: Some(("s", "b")), ..Respelling::default() };
        assert_eq!(
            page.items[1].respell(kept),
            r#"{"name":"b","_meta":{"io.trunkline/server":"s","io.trunkline/name":"b","k":1}}"#
        );
        assert_eq!(page.items[0].respell(Respelling::default()), page.items[0].raw);
    }

    #[test]
    fn a_result_without_the_list_is_refused() {
        assert!(super::page(ListKind::Prompts, &Bytes::from_static(b"{\"tools\":[]}")).is_err());
    }
}
