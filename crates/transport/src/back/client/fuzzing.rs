//! The answers that one connection brings, for fuzz targets.

use bytes::{Buf as _, BytesMut};

use super::body::{Rest, Step, step};
use super::head::{self, Found};

/// One answer of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// What came of its body.
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub is_whole: bool,
}

/// The answers in what a server says on one connection, piece by piece, up to what cannot be read or to the end. As on a
/// real connection, nothing follows an answer that does not allow it.
pub fn answers(pieces: &[&[u8]]) -> Vec<Answer> {
    let (mut all, mut ahead) = (Vec::<Answer>::new(), BytesMut::new());
    // `None` before a head.
    let mut rest = None;
    let mut keeps = true;
    for piece in pieces {
        ahead.extend_from_slice(piece);
        if feed(&mut ahead, &mut rest, &mut keeps, &mut all).is_none() {
            return all;
        }
    }
    if rest == Some(Rest::Close)
        && let Some(last) = all.last_mut()
    {
        last.is_whole = true;
    }
    all
}

/// Takes what has come; `None` when nothing more is to be read.
fn feed(
    ahead: &mut BytesMut,
    rest: &mut Option<Rest>,
    keeps: &mut bool,
    all: &mut Vec<Answer>,
) -> Option<()> {
    loop {
        let Some(state) = rest else {
            if !*keeps || ahead.is_empty() {
                return keeps.then_some(());
            }
            match head::parse(ahead).ok()? {
                Found::Head(head, length) => {
                    ahead.advance(length);
                    *keeps &= head.keeps;
                    *rest = Some(Rest::of(head.framing));
                    all.push(Answer { status: head.status, body: Vec::new(), is_whole: false });
                }
                Found::Interim(length) => ahead.advance(length),
                Found::Part if ahead.len() > head::HEAD_BYTES_MAX => return None,
                Found::Part => return Some(()),
            }
            continue;
        };
        let last = all.last_mut()?;
        match step(state, ahead).ok()? {
            Step::Data(data) => last.body.extend_from_slice(&data),
            Step::Over => {
                last.is_whole = true;
                *rest = None;
            }
            Step::More => return Some(()),
        }
    }
}
