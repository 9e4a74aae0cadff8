//! Events out of messages, as pieces to be written one after the other.

use bytes::{Buf, Bytes};
use memchr::memchr2;

/// A comment: it does nothing but show that the connection lives.
pub const KEEP_ALIVE: &[u8] = b":\n\n";

const DATA: &[u8] = b"data: ";

/// What goes before the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head<'a> {
    /// The kind of event; `None` is `message`.
    pub event: Option<&'a str>,
    /// The position to resume from.
    pub id: Option<&'a str>,
    /// How long the reader should wait before reconnecting, in milliseconds.
    pub retry: Option<u64>,
}

/// Appends one event to `out`: a message given as `pieces` of any cut, none of them copied. A line end in the message
/// (somebody prints JSON prettily) starts a further data line, as the format demands; a reader sees LF for it.
///
/// CR, LF and NUL in the head are left out: they would end the field, or make readers ignore it.
pub fn event_pieces(head: &Head<'_>, pieces: impl IntoIterator<Item = Bytes>, out: &mut Vec<Bytes>) {
    out.push(opening(head));
    let mut after_cr = false;
    for mut piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        skip_lf(&mut after_cr, &mut piece);
        while let Some(end) = memchr2(b'\n', b'\r', &piece) {
            push(out, piece.split_to(end));
            out.push(Bytes::from_static(b"\ndata: "));
            after_cr = piece.get_u8() == b'\r';
            skip_lf(&mut after_cr, &mut piece);
        }
        push(out, piece);
    }
    out.push(Bytes::from_static(b"\n\n"));
}

/// The same for a small message, gathered; `None` when it has line ends, which is rare.
pub fn small_event(head: &Head<'_>, pieces: &[Bytes]) -> Option<Bytes> {
    if pieces.iter().any(|piece| memchr2(b'\n', b'\r', piece).is_some()) {
        return None;
    }
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let mut out = Vec::with_capacity(head.len() + DATA.len() + length + 2);
    head.write(&mut out);
    out.extend_from_slice(DATA);
    for piece in pieces {
        out.extend_from_slice(piece);
    }
    out.extend_from_slice(b"\n\n");
    Some(Bytes::from(out))
}

/// Passes over the second half of a CRLF, which may lie in the next piece.
fn skip_lf(after_cr: &mut bool, piece: &mut Bytes) {
    if let Some(next) = piece.first()
        && std::mem::take(after_cr)
        && *next == b'\n'
    {
        piece.advance(1);
    }
}

fn push(out: &mut Vec<Bytes>, piece: Bytes) {
    if !piece.is_empty() {
        out.push(piece);
    }
}

/// Everything up to the data. Nothing is allocated for an empty head.
fn opening(head: &Head<'_>) -> Bytes {
    if *head == Head::default() {
        return Bytes::from_static(DATA);
    }
    let mut out = Vec::with_capacity(head.len() + DATA.len());
    head.write(&mut out);
    out.extend_from_slice(DATA);
    out.into()
}

impl Head<'_> {
    /// Bytes that it takes: exactly so many where it has no wait and forges nothing, else at most. A vector with room left
    /// over costs `Bytes` another allocation.
    fn len(&self) -> usize {
        let field = |name: &str, value: Option<&str>| value.map_or(0, |value| name.len() + value.len() + 1);
        // Twenty digits are the longest number.
        field("event: ", self.event) + field("id: ", self.id) + self.retry.map_or(0, |_| "retry: ".len() + 21)
    }

    fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in [("event: ", self.event), ("id: ", self.id)] {
            if let Some(value) = value {
                out.extend_from_slice(name.as_bytes());
                let forged = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
                if value.as_bytes().iter().any(forged) {
                    out.extend(value.bytes().filter(|byte| !forged(byte)));
                } else {
                    out.extend_from_slice(value.as_bytes());
                }
                out.push(b'\n');
            }
        }
        if let Some(retry) = self.retry {
            out.extend_from_slice(b"retry: ");
            out.extend_from_slice(itoa::Buffer::new().format(retry).as_bytes());
            out.push(b'\n');
        }
    }
}
