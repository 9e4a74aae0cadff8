//! Lines of a child: any cut gives the same lines, they are the lines, and memory stays near the cap.

use bytes::Bytes;
use trunkline_transport::process::{LineError, LineReader, Message};

use crate::cuts;
use crate::running::{Peer, run};

/// Caps that are tried.
const LIMITS: [usize; 3] = [0, 30, 1 << 20];
/// What a reader may hold besides a line: room for a read, and for as much again as it has.
const ROOM: usize = 64 << 10;

/// What a child says, and the same bytes as a message to it.
pub fn check(data: &[u8]) {
    for limit in LIMITS {
        let expected = by_hand(data, limit);
        for pieces in cuts::ways(data) {
            assert_eq!(run(read(&pieces, limit)), expected, "limit {limit}");
        }
    }
    one_message_is_one_line(data);
}

/// A line, or that one was too long.
type Line = Option<Vec<u8>>;

async fn read(pieces: &[&[u8]], limit: usize) -> Vec<Line> {
    let mut reader = LineReader::new(Peer::saying(pieces), limit);
    let mut all = Vec::new();
    loop {
        let next = reader.next().await;
        assert!(reader.held() <= 4 * limit + ROOM, "{} bytes for lines of {limit}", reader.held());
        match next {
            Ok(Some(line)) => all.push(Some(line.to_vec())),
            Ok(None) => return all,
            Err(LineError::TooLong { .. }) => all.push(None),
            Err(LineError::Read(error)) => panic!("{error}"),
        }
    }
}

fn by_hand(text: &[u8], limit: usize) -> Vec<Line> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let last = lines.pop().unwrap_or_default();
    let bounded = lines.into_iter().chain([last]).map(|line| (line.len() <= limit).then_some(line));
    let stripped = bounded.map(|line| line.map(|line| line.strip_suffix(b"\r").unwrap_or(line)));
    let worth = stripped.filter(|line| line.is_none_or(|line| !line.trim_ascii().is_empty()));
    worth.map(|line| line.map(<[u8]>::to_vec)).collect()
}

/// Whatever is in a message, the child reads one line for it.
fn one_message_is_one_line(data: &[u8]) {
    let kept: Vec<u8> = data.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    for pieces in cuts::ways(data) {
        let pieces: Vec<Bytes> = pieces.into_iter().map(Bytes::copy_from_slice).collect();
        let (length, written) = trunkline_transport::process::written(Message::from(pieces));
        assert_eq!(length, kept.len());
        assert_eq!(written, [&kept[..], b"\n"].concat());
    }
}
