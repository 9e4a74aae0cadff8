//! Bytes that lie apart and are written together.

use std::io::IoSlice;

use bytes::{Buf, Bytes};
use trunkline_protocol::Message;

/// Up to three slices, one behind the other. What is large in them is not copied, and what is small needs no write of its
/// own.
#[derive(Debug, Default)]
pub(crate) struct Pieces([Bytes; 3]);

impl From<Bytes> for Pieces {
    fn from(whole: Bytes) -> Self {
        Self([whole, Bytes::new(), Bytes::new()])
    }
}

impl From<Message> for Pieces {
    fn from(message: Message) -> Self {
        match message {
            Message::One(whole) => whole.into(),
            Message::Three(pieces) => Self(pieces),
        }
    }
}

impl Pieces {
    /// Puts a slice behind the others; copies them first, should there be three.
    pub(crate) fn push(&mut self, slice: Bytes) {
        if !self.0[2].is_empty() {
            let all = std::mem::take(&mut self.0);
            self.0[0] = Bytes::from(all.concat());
        }
        let last = self.0.iter().rposition(|piece| !piece.is_empty());
        self.0[last.map_or(0, |last| last + 1)] = slice;
    }

    /// Whether any of them is such.
    pub(crate) fn any(&self, such: impl Fn(&[u8]) -> bool) -> bool {
        self.0.iter().any(|piece| such(piece))
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.iter().find(|piece| !piece.is_empty()).map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slots: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slot, piece) in slots.iter_mut().zip(self.0.iter().filter(|piece| !piece.is_empty())) {
            *slot = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        for piece in &mut self.0 {
            let taken = count.min(piece.len());
            piece.advance(taken);
            count -= taken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn slices_are_one_behind_the_other_however_they_are_taken() {
        for step in 1..10 {
            let mut pieces = Pieces::from(Message::Three([slice("abc"), slice(""), slice("defg")]));
            let mut all = Vec::new();
            while pieces.has_remaining() {
                let taken = pieces.chunk().len().min(step);
                all.extend_from_slice(&pieces.chunk()[..taken]);
                pieces.advance(taken);
                assert_eq!(pieces.remaining(), 7 - all.len());
            }
            assert_eq!(all, b"abcdefg");
        }
        assert_eq!(Pieces::default().chunk(), b"");
    }

    #[test]
    fn slices_lie_where_they_lay() {
        let (mut pieces, body) = (Pieces::from(slice("<")), Bytes::from(vec![b'x'; 100]));
        pieces.push(body.clone());
        pieces.push(slice(">"));
        let mut slots = [IoSlice::new(&[]); 4];
        assert_eq!(pieces.chunks_vectored(&mut slots), 3);
        assert_eq!(slots[1].as_ptr(), body.as_ptr());
        pieces.push(slice("!"));
        assert_eq!(pieces.copy_to_bytes(103), [b"<", &body[..], b">!"].concat());
        let mut pieces = Pieces::from(Message::Three([slice(""), slice("a"), slice("")]));
        pieces.push(slice("b"));
        assert_eq!(pieces.copy_to_bytes(2), "ab");
    }
}
