//! Event streams: any cut gives the same events, they are those of the format's own words, and what is written is read
//! again.

use bytes::Bytes;
use trunkline_transport::sse::{Decoder, Event, EventTooLarge, Head, event_pieces};

use crate::cuts;

/// An event may have so many bytes where the bound is what is looked at.
const SMALL: usize = 40;

/// One stream, and the same bytes as one message to be written.
pub fn check(data: &[u8]) {
    let expected: Vec<_> = by_the_book(data).into_iter().map(Ok).collect();
    let bounded = decode(&[data], SMALL);
    assert!(bounded.iter().flatten().all(|event| event.data.len() <= SMALL));
    for pieces in cuts::ways(data) {
        assert_eq!(decode(&pieces, 1 << 20), expected);
        assert_eq!(decode(&pieces, SMALL), bounded, "with a bound");
        written_and_read_again(&pieces);
    }
}

fn decode(pieces: &[&[u8]], limit: usize) -> Vec<Result<Event, EventTooLarge>> {
    let mut decoder = Decoder::new(limit);
    let mut all = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(event) = decoder.pull().transpose() {
            all.push(event);
        }
    }
    all
}

/// The format's own words (WHATWG HTML, section 9.2.6) as slow code over the whole stream.
fn by_the_book(stream: &[u8]) -> Vec<Event> {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut lines = lines(stream);
    // What no line end has closed is no line.
    lines.pop();
    let (mut all, mut event, mut data) = (Vec::new(), Event::default(), None::<Vec<u8>>);
    for line in lines {
        if line.is_empty() {
            let mut done = std::mem::take(&mut event);
            if data.is_some() || done.id.is_some() || done.retry.is_some() {
                done.data = data.take().unwrap_or_default().into();
                all.push(done);
            }
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => match &mut data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => data = Some(value.to_vec()),
            },
            b"event" => event.event = Some(Bytes::copy_from_slice(value)),
            b"id" if !value.contains(&0) => event.id = Some(Bytes::copy_from_slice(value)),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                event.retry = number.or(event.retry);
            }
            _ => {}
        }
    }
    all
}

/// Lines that end with LF, CR or CRLF; the last is what no end has closed.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let (mut all, mut start, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        let end = match (text[at], text.get(at + 1)) {
            (b'\r', Some(b'\n')) => 2,
            (b'\r' | b'\n', _) => 1,
            _ => 0,
        };
        if end > 0 {
            all.push(&text[start..at]);
            start = at + end;
        }
        at += end.max(1);
    }
    all.push(&text[start..]);
    all
}

/// A message in pieces is one event with the same lines.
fn written_and_read_again(pieces: &[&[u8]]) {
    let message = pieces.concat();
    let head = Head { event: None, id: Some("9\n8"), retry: None };
    let mut out = Vec::new();
    event_pieces(&head, pieces.iter().map(|piece| Bytes::copy_from_slice(piece)), &mut out);
    let events = decode(&[&out.concat()], 1 << 20);
    let [Ok(event)] = events.as_slice() else { panic!("not one event: {events:?}") };
    assert_eq!(event.id.as_deref(), Some(&b"98"[..]));
    assert_eq!(event.data, lines(&message).join(&b'\n'));
}
