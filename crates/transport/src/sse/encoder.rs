//! Events out of messages, as pieces to be written one after the other.

use bytes::{Buf, Bytes};
use memchr::memchr2;

/// A comment: it does nothing but show that the connection lives.
pub const KEEP_ALIVE: &[u8] = b":\n\n";

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
        return Bytes::from_static(b"data: ");
    }
    let mut text = String::with_capacity(96);
    for (name, value) in [("event: ", head.event), ("id: ", head.id)] {
        if let Some(value) = value {
            text.push_str(name);
            text.extend(value.chars().filter(|character| !matches!(character, '\r' | '\n' | '\0')));
            text.push('\n');
        }
    }
    if let Some(retry) = head.retry {
        text.push_str("retry: ");
        text.push_str(&retry.to_string());
        text.push('\n');
    }
    text.push_str("data: ");
    text.into()
}
