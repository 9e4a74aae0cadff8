//! Writing: escapes and splices.

use trunkline_model::Span;

/// Appends `text` as a JSON string literal, quotes included.
pub fn escape_into(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut plain = 0;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=0x1f => {
                out.extend_from_slice(&bytes[plain..at]);
                out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                plain = at + 1;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[plain..at]);
        out.extend_from_slice(escape);
        plain = at + 1;
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// `text` with each span replaced; spans must be in order and must not overlap. All other bytes stay as they are.
pub fn splice(text: &[u8], edits: &[(Span, &[u8])]) -> Vec<u8> {
    let grown: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut out = Vec::with_capacity(text.len() + grown);
    let mut from = 0;
    for (span, new) in edits {
        out.extend_from_slice(text.get(from..span.start).unwrap_or_default());
        out.extend_from_slice(new);
        from = span.end;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    out
}
