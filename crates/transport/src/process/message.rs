//! One message on its way to a child.

use bytes::{Buf, Bytes};
use memchr::memchr2;

/// One message for a child, in the pieces it was made of. The line end is added, and line ends within are left out:
/// in JSON they can only be white space, on this wire they would end the message.
#[derive(Clone, Debug)]
pub struct Message(Pieces);

#[derive(Clone, Debug)]
enum Pieces {
    One(Bytes),
    Many(Vec<Bytes>),
}

impl From<Bytes> for Message {
    fn from(whole: Bytes) -> Self {
        let end = memchr2(b'\n', b'\r', &whole);
        Self(if end.is_none() { Pieces::One(whole) } else { Pieces::Many(unfolded(vec![whole])) })
    }
}

impl From<Vec<Bytes>> for Message {
    fn from(pieces: Vec<Bytes>) -> Self {
        let folded = pieces.iter().any(|piece| memchr2(b'\n', b'\r', piece).is_some());
        Self(Pieces::Many(if folded { unfolded(pieces) } else { pieces }))
    }
}

impl Message {
    /// Bytes of the message, its line end not counted.
    pub(super) fn len(&self) -> usize {
        match &self.0 {
            Pieces::One(whole) => whole.len(),
            Pieces::Many(pieces) => pieces.iter().map(Bytes::len).sum(),
        }
    }

    /// The pieces, some of which may be empty, without a line end.
    pub(super) fn pieces(&self) -> &[Bytes] {
        match &self.0 {
            Pieces::One(whole) => std::slice::from_ref(whole),
            Pieces::Many(pieces) => pieces,
        }
    }

    /// Moves the pieces, and a line end after them, to the end of `out`.
    pub(super) fn append_to(self, out: &mut Vec<Bytes>) {
        match self.0 {
            Pieces::One(whole) => out.push(whole),
            Pieces::Many(pieces) => out.extend(pieces.into_iter().filter(|piece| !piece.is_empty())),
        }
        out.push(Bytes::from_static(b"\n"));
    }
}

/// The same pieces without line ends, sliced and not copied.
fn unfolded(pieces: Vec<Bytes>) -> Vec<Bytes> {
    let mut out = Vec::new();
    for mut piece in pieces {
        while let Some(at) = memchr2(b'\n', b'\r', &piece) {
            out.push(piece.split_to(at));
            piece.advance(1);
        }
        out.push(piece);
    }
    out
}

/// A message as the child reads it, and its length without the line end. For fuzz targets.
#[cfg(any(test, fuzzing))]
pub fn written(message: Message) -> (usize, Vec<u8>) {
    let (length, mut out) = (message.len(), Vec::new());
    message.append_to(&mut out);
    (length, out.concat())
}
