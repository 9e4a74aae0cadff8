//! The keys of `_meta` that the protocol owns, and rewriting them between eras.

use bytes::Bytes;
use trunkline_model::{Level, Params};

use crate::json::{Object, Reader, escape_into};
use crate::revision::Revision;

/// The revision of this request (modern).
pub const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Name and version of the client (modern).
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// What the client can do (modern).
pub const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Least severe log level wanted for this request (modern).
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// The listen request that a notification belongs to (modern).
pub const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
/// Name and version of the server (modern results).
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The server that answered a call in place of the one that was asked (ours, in results).
pub const ANSWERED_BY: &str = "io.trunkline/answeredBy";

const MODERN_ONLY: [&str; 5] = [VERSION, CLIENT_INFO, CAPABILITIES, LOG_LEVEL, SUBSCRIPTION];
const PROGRESS: &str = "progressToken";

/// What a modern server must be told with each request.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The revision spoken.
    pub revision: Revision,
    /// The client's information object, raw.
    pub client_info: Option<&'a [u8]>,
    /// The capabilities declared for this request, raw.
    pub capabilities: &'a [u8],
    /// Least severe log level wanted.
    pub log_level: Option<Level>,
}

/// Whether a request's `_meta` has a member of that name.
pub fn has(params: &Params, key: &str) -> bool {
    let Some(raw) = params.meta.clone().and_then(|span| params.raw.get(span)) else { return false };
    // The usual request passes by one search.
    if memchr::memmem::find(raw, key.as_bytes()).is_none() {
        return false;
    }
    Object::open(raw).is_ok_and(|meta| meta.get(key).is_some())
}

/// A result with one more text in its `_meta`; as it is where it cannot be opened.
pub fn noted(result: &Bytes, key: &str, text: &str) -> Bytes {
    let Ok(mut object) = Object::open(result) else { return result.clone() };
    let noted = match object.get("_meta").map(Object::open) {
        Some(Ok(mut meta)) => {
            meta.set_text(key, text);
            meta.into_bytes()
        }
        Some(Err(_)) => return result.clone(),
        None => {
            let mut meta = b"{".to_vec();
            escape_into(&mut meta, key);
            meta.push(b':');
            escape_into(&mut meta, text);
            meta.push(b'}');
            meta
        }
    };
    object.set("_meta", noted);
    object.finish().map_or_else(|| result.clone(), Bytes::from)
}

/// The `_meta` of a request to a modern server: the client's own keys, with the protocol's replaced by `facts` and the
/// progress token by ours.
pub fn for_modern(params: &Params, facts: &Facts<'_>, token: Option<u64>) -> Vec<u8> {
    let mut out = Writer::new();
    out.copy(params, |key| !MODERN_ONLY.contains(&key) && key != PROGRESS);
    out.known(VERSION);
    out.word(facts.revision.as_str());
    if let Some(info) = facts.client_info {
        out.known(CLIENT_INFO);
        out.buf.extend_from_slice(info);
    }
    out.known(CAPABILITIES);
    out.buf.extend_from_slice(facts.capabilities);
    if let Some(level) = facts.log_level {
        out.known(LOG_LEVEL);
        out.word(level.as_str());
    }
    out.token(token);
    out.end()
}

/// The `_meta` of a request to a legacy server: the client's own keys without the modern ones, and our progress token.
/// `None` when nothing is left to say.
pub fn for_legacy(params: &Params, token: Option<u64>) -> Option<Vec<u8>> {
    let mut out = Writer::new();
    out.copy(params, |key| !MODERN_ONLY.contains(&key) && key != PROGRESS);
    out.token(token);
    out.any.then(|| out.end())
}

/// The `_meta` of a request within the modern era: only the progress token changes.
pub fn with_token(params: &Params, token: Option<u64>) -> Vec<u8> {
    let mut out = Writer::new();
    out.copy(params, |key| key != PROGRESS);
    out.token(token);
    out.end()
}

struct Writer {
    buf: Vec<u8>,
    any: bool,
}

impl Writer {
    fn new() -> Self {
        let mut buf = Vec::with_capacity(256);
        buf.push(b'{');
        Self { buf, any: false }
    }

    fn separate(&mut self) {
        if self.any {
            self.buf.push(b',');
        }
        self.any = true;
    }

    fn key(&mut self, key: &str) {
        self.separate();
        escape_into(&mut self.buf, key);
        self.buf.push(b':');
    }

    /// A key of the protocol, in which there is nothing to escape.
    fn known(&mut self, key: &'static str) {
        self.separate();
        self.word(key);
        self.buf.push(b':');
    }

    /// A word of the protocol, in which there is nothing to escape.
    fn word(&mut self, word: &'static str) {
        self.buf.push(b'"');
        self.buf.extend_from_slice(word.as_bytes());
        self.buf.push(b'"');
    }

    /// Copies the entries of the client's `_meta` whose key `keeps` admits, byte for byte.
    fn copy(&mut self, params: &Params, keeps: impl Fn(&str) -> bool) {
        let Some(old) = params.meta.clone().and_then(|span| params.raw.get(span)) else { return };
        let Ok(mut reader) = Reader::new(old) else { return };
        let walked = reader.object(|key, reader| {
            let span = reader.value()?;
            if keeps(&key) {
                self.key(&key);
                self.buf.extend_from_slice(reader.raw(&span));
            }
            Ok(())
        });
        debug_assert!(walked.is_ok(), "params were scanned before");
    }

    fn token(&mut self, token: Option<u64>) {
        if let Some(token) = token {
            self.known(PROGRESS);
            self.buf.extend_from_slice(itoa::Buffer::new().format(token).as_bytes());
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.buf.push(b'}');
        self.buf
    }
}

/// `params` with `_meta` set to `meta` (or removed), and the target's string literal replaced.
pub fn respell(params: &Params, target: Option<&str>, meta: Option<Option<Vec<u8>>>) -> Bytes {
    let quoted = target.map(|name| {
        let mut out = Vec::with_capacity(name.len() + 2);
        escape_into(&mut out, name);
        out
    });
    let raw: &[u8] = &params.raw;
    if raw.len() < 2 || !raw.starts_with(b"{") {
        return match meta.flatten() {
            Some(meta) => Bytes::from([b"{\"_meta\":", meta.as_slice(), b"}"].concat()),
            None => Bytes::from_static(b"{}"),
        };
    }
    let mut edits: Vec<(trunkline_model::Span, &[u8])> = Vec::with_capacity(4);
    if let (Some(span), Some(new)) = (&params.target, &quoted) {
        edits.push((span.clone(), new));
    }
    match (&meta, &params.meta) {
        (Some(Some(new)), Some(old)) => edits.push((old.clone(), new)),
        (Some(None), Some(old)) => edits.push((member(raw, old), b"")),
        (Some(Some(new)), None) => {
            let empty = raw[1..raw.len() - 1].iter().all(u8::is_ascii_whitespace);
            let comma: &[u8] = if empty { b"" } else { b"," };
            edits.extend([(1..1, &b"\"_meta\":"[..]), (1..1, new), (1..1, comma)]);
        }
        (Some(None) | None, _) => {}
    }
    if edits.is_empty() {
        return params.raw.clone();
    }
    edits.sort_by_key(|(span, _)| span.start);
    Bytes::from(crate::json::splice(raw, &edits))
}

/// The whole member that `value` is the value of: its key, and the comma that separates it from a neighbour.
fn member(raw: &[u8], value: &trunkline_model::Span) -> trunkline_model::Span {
    let space = |b: &u8| b.is_ascii_whitespace();
    let before = |end: usize| raw[..end].iter().rposition(|b| !space(b)).unwrap_or(0);
    // Behind the value's colon ends the key; `_meta` has no quote inside, however it is spelled.
    let key_end = before(before(value.start));
    let key = raw[..key_end].iter().rposition(|b| *b == b'"').unwrap_or(0);
    let after = raw[value.end..].iter().position(|b| !space(b)).map_or(raw.len(), |at| value.end + at);
    if raw.get(after) == Some(&b',') {
        return key..after + 1;
    }
    let comma = before(key);
    if raw.get(comma) == Some(&b',') { comma..value.end } else { key..value.end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        let whole = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{text}}}"#);
        let scanned = crate::scan::scan(Bytes::from(whole)).unwrap();
        crate::request::params_of(&scanned, scanned.params.name.as_ref())
    }

    #[test]
    fn modern_keys_replace_what_a_legacy_client_had_not_said() {
        let p = params(r#"{"name":"a","_meta":{"x":1.10,"progressToken":"p"}}"#);
        let facts = Facts {
            revision: Revision::MODERN_LATEST,
            client_info: None,
            capabilities: b"{}",
            log_level: None,
        };
        let got = String::from_utf8(for_modern(&p, &facts, Some(9))).unwrap();
        assert_eq!(
            got,
            r#"{"x":1.10,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"progressToken":9}"#
        );
    }

    #[test]
    fn legacy_servers_see_no_modern_keys() {
        let p = params(
            r#"{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","k":[1]}}"#,
        );
        assert_eq!(for_legacy(&p, None).unwrap(), br#"{"k":[1]}"#);
        assert_eq!(for_legacy(&params(r#"{"name":"a"}"#), None), None);
    }

    #[test]
    fn removed_metadata_leaves_no_trace() {
        for (from, to) in [
            (r#"{"_meta":{"a":1},"name":"x"}"#, r#"{"name":"x"}"#),
            (r#"{"name":"x" , "_meta" : {"a":1} }"#, r#"{"name":"x"  }"#),
            (r#"{"name":"x","_meta":{},"z":1}"#, r#"{"name":"x","z":1}"#),
            (r#"{"\u005fmeta":{}}"#, "{}"),
        ] {
            assert_eq!(respell(&params(from), None, Some(None)), to, "{from}");
        }
    }

    #[test]
    fn respelling_touches_name_and_meta_only() {
        let p = params(
            r#"{ "arguments" : {"n": 123456789012345678901234567890 , "d":1.10}, "name":"srv__a", "zz":[] }"#,
        );
        let got = respell(&p, Some("a\"b"), Some(Some(b"{}".to_vec())));
        assert_eq!(
            got,
            r#"{"_meta":{}, "arguments" : {"n": 123456789012345678901234567890 , "d":1.10}, "name":"a\"b", "zz":[] }"#
        );
        assert_eq!(respell(&params("{}"), None, Some(Some(b"{}".to_vec()))), r#"{"_meta":{}}"#);
        assert_eq!(respell(&Params::default(), None, None), "{}");
    }
}
