//! An answer that is read while it arrives: in any pieces it is what the whole one is.

use bytes::Bytes;
use trunkline_protocol::streamed::{AnswerReader, Ended, Part};
use trunkline_protocol::{ScanError, Shape, scan};

use crate::{cuts, strict};

/// One answer.
pub fn check(data: &[u8]) {
    let whole = scan(Bytes::copy_from_slice(data)).ok();
    let whole = whole.filter(|message| message.shape == Shape::Answer && message.params.whole.is_none());
    for pieces in cuts::ways(data) {
        match (&whole, read(&pieces)) {
            (Some(message), (value, Ok(ended))) => {
                let span = match ended.part {
                    Part::Result => message.result.as_ref(),
                    Part::Error => message.error.as_ref(),
                };
                assert_eq!(message.at(span.expect("the part that was told")), value);
                assert_eq!(message.id_bytes().as_deref(), ended.id.as_deref());
            }
            // It has less room for keys that mean nothing than a whole message.
            (Some(_), (_, Err(ScanError::Invalid { .. }))) => {
                let keys = strict::keys(data).unwrap_or_default();
                assert!(keys.len() > 32 || keys.iter().any(|key| key.len() > 100), "refused in pieces");
            }
            (Some(_), (_, Err(error))) => panic!("refused in pieces: {error}"),
            (None, (_, Ok(ended))) => panic!("accepted in pieces: {ended:?}"),
            (None, (_, Err(_))) => {}
        }
    }
}

fn read(pieces: &[&[u8]]) -> (Vec<u8>, Result<Ended, ScanError>) {
    let mut reader = AnswerReader::new();
    let mut value = Vec::new();
    let mut is_whole = false;
    for piece in pieces {
        match reader.feed(piece) {
            Ok(fed) => {
                assert!(!(is_whole && !fed.value.is_empty()), "more of a value that has ended");
                is_whole = fed.is_whole;
                value.extend_from_slice(&piece[fed.value]);
            }
            Err(error) => {
                assert_eq!(reader.feed(b" "), Err(error), "an error is for good");
                break;
            }
        }
    }
    (value, reader.finish())
}
