//! Writing: escapes and splices.

use trunkline_model::Span;

use super::literal;

/// Appends `text` as a JSON string literal, quotes included.
pub fn escape_into(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let (mut plain, mut at) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        if *byte > 0x7f {
            at += 1;
            continue;
        }
        if literal::is_plain(*byte) {
            at = literal::plain(bytes, at + 1);
            continue;
        }
        out.extend_from_slice(&bytes[plain..at]);
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
        at += 1;
        plain = at;
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// `text` with each span replaced; spans must be in order and must not overlap. All other bytes stay as they are.
pub fn splice(text: &[u8], edits: &[(Span, &[u8])]) -> Vec<u8> {
    let grown: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let gone: usize = edits.iter().map(|(span, _)| span.len()).sum();
    // As much as it takes: a vector with room left over costs `Bytes` another allocation.
    let mut out = Vec::with_capacity((text.len() + grown).saturating_sub(gone));
    let mut from = 0;
    for (span, new) in edits {
        out.extend_from_slice(text.get(from..span.start).unwrap_or_default());
        out.extend_from_slice(new);
        from = span.end;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    out
}
