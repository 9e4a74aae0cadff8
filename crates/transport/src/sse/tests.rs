use bytes::Bytes;

use super::{Decoder, Event, EventTooLarge, Head, KEEP_ALIVE, event_pieces, small_event};

/// Streams with everything that has ever gone wrong in them.
const NASTY: &[&str] = &[
    "data: a\n\n",
    "data: a\r\rdata: b\r\n\r\ndata: c\n\n",
    "\u{feff}data: marked\n\n\u{feff}data: not a field\n\n",
    "\u{feff}\ndata:x\n\n",
    ": comment\n\n:\n\ndata\n\ndata:\n\nevent: only a name\n\n",
    "data: one\ndata:two\r\ndata:  three\rdata\n\n",
    "id: 7\r\nevent: message\r\ndata: {}\r\n\r\n",
    "id: nul\0\nid\nretry: 12\nretry: 1x\nretry: \n\ndata: cut off",
    "id: 1\nretry: 99999999999999999999999\n\nunknown: field\ndata : no\ndata: yes\n\n",
    "\r\r\n\n\ndata: é\u{2028}\n\n\n\n",
];

/// A fixed stream of numbers, so that a failure can be had again.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Vec<Result<Event, EventTooLarge>> {
    let mut decoder = Decoder::new(limit);
    let mut all = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(event) = decoder.pull().transpose() {
            all.push(event);
        }
    }
    all
}

fn events(stream: &[u8]) -> Vec<Event> {
    decode([stream], 1 << 20).into_iter().map(Result::unwrap).collect()
}

/// The format's own words as slow code: whole stream, lines first.
fn by_the_book(stream: &[u8]) -> Vec<Event> {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let text = String::from_utf8(stream.to_vec()).unwrap().replace("\r\n", "\n").replace('\r', "\n");
    let mut whole_lines: Vec<&str> = text.split('\n').collect();
    whole_lines.pop();
    let (mut all, mut event, mut data) = (Vec::new(), Event::default(), None::<String>);
    for line in whole_lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let bytes = || Some(Bytes::copy_from_slice(value.as_bytes()));
        match name {
            "" if line.is_empty() => {
                let mut done = std::mem::take(&mut event);
                if data.is_some() || done.id.is_some() || done.retry.is_some() {
                    done.data = data.take().unwrap_or_default().into();
                    all.push(done);
                }
            }
            "data" => data = Some(data.map_or(value.to_owned(), |old| format!("{old}\n{value}"))),
            "event" => event.event = bytes(),
            "id" if !value.contains('\0') => event.id = bytes(),
            "retry" if value.bytes().all(|digit| digit.is_ascii_digit()) => {
                event.retry = value.parse().ok().or(event.retry);
            }
            _ => {}
        }
    }
    all
}

#[test]
fn every_split_of_a_nasty_stream_in_three_gives_the_same_events() {
    for stream in NASTY {
        let stream = stream.as_bytes();
        let whole: Vec<_> = by_the_book(stream).into_iter().map(Ok).collect();
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let chunks = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(
                    decode(chunks, 1 << 20),
                    whole,
                    "{:?} at {first} and {second}",
                    stream.escape_ascii()
                );
            }
        }
        assert_eq!(decode(stream.chunks(1), 1 << 20), whole);
    }
}

#[test]
fn random_streams_in_random_chunks_give_what_the_format_says() {
    let words = [
        "data", "event", "id", "retry", ":", ": ", " ", "\n", "\r", "\r\n", "\n\n", "12", "é", "\0",
        "\u{feff}",
    ];
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..20_000 {
        let stream: String = (0..numbers.below(40)).map(|_| words[numbers.below(words.len())]).collect();
        let mut rest = stream.as_bytes();
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(1 + numbers.below(rest.len().min(9)));
            chunks.push(chunk);
            rest = after;
        }
        let whole: Vec<_> = by_the_book(stream.as_bytes()).into_iter().map(Ok).collect();
        assert_eq!(decode(chunks.iter().copied(), 1 << 20), whole, "{stream:?} as {chunks:?}");
    }
}

#[test]
fn the_usual_events_among_unusual_ones_in_large_chunks_give_what_the_format_says() {
    let words = [
        "data: {}\n\n",
        "data: {\"a\":1}\r\n\r\n",
        "data: x\n",
        "data: \n\n",
        "data: y\r\r",
        "data: z\n\r\n",
        "data:no space\n\n",
        ": comment\n",
        "id: 7\n",
        "id: 8\r\n",
        "id: \0\n",
        "id: \n",
        "event: note\r\n",
        "event: message\n",
        "event: message\r\n",
        "event: messages\n",
        "event: message\r",
        "\n",
        "\r\n",
        "\r",
        "\u{feff}",
        "data: cut",
    ];
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    for _ in 0..20_000 {
        let stream: String = (0..numbers.below(12)).map(|_| words[numbers.below(words.len())]).collect();
        let stream = stream.as_bytes();
        let whole: Vec<_> = by_the_book(stream).into_iter().map(Ok).collect();
        let (first, rest) = stream.split_at(numbers.below(stream.len() + 1));
        assert_eq!(decode([stream], 1 << 20), whole, "{:?}", stream.escape_ascii());
        assert_eq!(
            decode([first, rest], 1 << 20),
            whole,
            "{:?} and {:?}",
            first.escape_ascii(),
            rest.escape_ascii()
        );
    }
}

#[test]
fn the_usual_event_is_held_to_the_cap_like_any_other() {
    let sizes = |stream: &[u8], limit| -> Vec<_> {
        decode([stream], limit).into_iter().map(|event| event.map(|e| e.data.len())).collect()
    };
    let stream = b"data: 12345\n\ndata: 123456\n\ndata: 1\n\n";
    assert_eq!(sizes(stream, 11), [Ok(5), Err(EventTooLarge { limit: 11 }), Ok(1)]);
    // The lines of an event count together, whatever they say.
    let stream = b"event: message\nid: 1\ndata: 12345\n\nid: 2\nevent: message\ndata: 123456\n\ndata: 1\n\n";
    assert_eq!(sizes(stream, 30), [Ok(5), Err(EventTooLarge { limit: 30 }), Ok(1)]);
}

#[test]
fn all_fields_of_an_event_are_told() {
    let all = events(b"event: note\nid: 42\nretry: 3000\ndata: {\"a\":1}\n\n");
    let (event, data) = (Some(Bytes::from("note")), Bytes::from("{\"a\":1}"));
    assert_eq!(all, [Event { event, data, id: Some(Bytes::from("42")), retry: Some(3000) }]);
    assert!(!all[0].is_message());
}

#[test]
fn a_priming_event_moves_the_position_and_delivers_nothing() {
    let all = events(b"id: 1\ndata:\n\n");
    assert_eq!((all[0].id.as_deref(), all[0].is_message()), (Some(&b"1"[..]), false));
}

#[test]
fn data_in_one_line_and_one_chunk_is_not_copied() {
    for before in ["", "event: message\n", "id: 1\r\nevent: message\r\n", "event: note\n"] {
        let chunk = Bytes::from(format!("{before}data: {{\"a\":1}}\n\n"));
        let mut decoder = Decoder::new(100);
        decoder.push(chunk.clone());
        let data = decoder.pull().unwrap().unwrap().data;
        assert_eq!(data.as_ptr(), chunk[before.len() + 6..].as_ptr(), "{before:?}");
    }
}

#[test]
fn an_event_over_the_cap_is_an_error_once_and_the_next_one_comes() {
    let long_line = format!("data: {}\ndata: more\n\ndata: next\n\n", "x".repeat(100));
    let many_lines = format!("{}\ndata: next\n\n", "data: 0123456789\n".repeat(10));
    for stream in [long_line, many_lines] {
        for size in [1, 7, 1000] {
            let all = decode(stream.as_bytes().chunks(size), 50);
            let data: Vec<_> = all.iter().map(|event| event.as_ref().map(|event| &event.data[..])).collect();
            assert_eq!(data, [Err(&EventTooLarge { limit: 50 }), Ok(&b"next"[..])], "chunks of {size}");
        }
    }
}

#[test]
fn an_endless_line_is_not_hoarded_and_comments_do_not_count() {
    let mut decoder = Decoder::new(1000);
    let chunk = Bytes::from(vec![b'x'; 500]);
    let errors = (0..10_000).filter(|_| {
        decoder.push(chunk.clone());
        decoder.pull().is_err()
    });
    assert_eq!(errors.count(), 1);
    assert_eq!(
        decode([":".repeat(900).as_bytes(), b"\n", b":\n".repeat(900).as_slice(), b"data: x\n\n"], 1000)
            .len(),
        1
    );
}

fn encoded(head: &Head<'_>, pieces: &[&'static str]) -> Vec<u8> {
    let mut out = Vec::new();
    event_pieces(head, pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())), &mut out);
    out.concat()
}

#[test]
fn a_message_is_framed_without_being_copied() {
    let message = Bytes::from_static(b"{\"id\":1}");
    let mut out = Vec::new();
    event_pieces(&Head::default(), [message.clone()], &mut out);
    assert_eq!(out.concat(), b"data: {\"id\":1}\n\n");
    assert_eq!(out[1].as_ptr(), message.as_ptr());
}

#[test]
fn the_head_comes_first_and_cannot_forge_a_field() {
    let head = Head { event: Some("note"), id: Some("a\r\ndata: forged\0"), retry: Some(500) };
    assert_eq!(encoded(&head, &["{}"]), b"event: note\nid: adata: forged\nretry: 500\ndata: {}\n\n");
}

#[test]
fn a_small_message_is_the_same_event_in_one_piece() {
    for head in [
        Head::default(),
        Head { event: Some("note"), id: Some("a\r\ndata: forged\0"), retry: Some(u64::MAX) },
        Head { id: Some("c1-2"), ..Head::default() },
    ] {
        for message in ["", "{\"id\":1}"] {
            let message = Bytes::from_static(message.as_bytes());
            let mut pieces = Vec::new();
            event_pieces(&head, [message.clone()], &mut pieces);
            let whole = Bytes::from(pieces.concat());
            assert_eq!(small_event(&head, std::slice::from_ref(&message)).as_ref(), Some(&whole), "{head:?}");
            for at in 0..=message.len() {
                let cut = [message.slice(..at), message.slice(at..)];
                assert_eq!(small_event(&head, &cut).as_ref(), Some(&whole), "{head:?} at {at}");
            }
        }
    }
    for pieces in [["{\n", "}"], ["{", "\r}"]] {
        assert_eq!(small_event(&Head::default(), &pieces.map(Bytes::from)), None);
    }
}

#[test]
fn line_ends_in_a_message_become_data_lines() {
    assert_eq!(
        encoded(&Head::default(), &["{\r", "\n \"a\":", "", "1\n}"]),
        b"data: {\ndata:  \"a\":1\ndata: }\n\n"
    );
    assert_eq!(encoded(&Head::default(), &["a\r\nb\rc"]), b"data: a\ndata: b\ndata: c\n\n");
}

#[test]
fn what_is_encoded_is_decoded_again() {
    let mut numbers = Numbers(77);
    let words = ["{", "}", "\n", "\r\n", "\r", "\"x\"", ": ", " ", "data: "];
    for _ in 0..5_000 {
        let pieces: Vec<&str> = (0..=numbers.below(12)).map(|_| words[numbers.below(words.len())]).collect();
        let stream = encoded(&Head { id: Some("9"), ..Head::default() }, &pieces);
        let expected = pieces.concat().replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(events(&stream)[0].data, expected, "{pieces:?}");
    }
}

#[test]
fn the_keep_alive_is_no_event() {
    assert!(events(KEEP_ALIVE).is_empty());
}

#[test]
fn a_field_that_is_ignored_counts_the_same_however_the_stream_is_cut() {
    let stream = b"retry: never\ndata: yes\n\n";
    let limit = stream.len() - 4;
    let mut whole = Decoder::new(limit);
    whole.push(Bytes::from_static(stream));
    let (head, tail) = stream.split_at(13);
    let mut cut = Decoder::new(limit);
    cut.push(Bytes::from_static(head));
    assert_eq!(cut.pull(), Ok(None));
    cut.push(Bytes::from_static(tail));
    assert_eq!(whole.pull(), Err(EventTooLarge { limit }));
    assert_eq!(cut.pull(), Err(EventTooLarge { limit }));
}
