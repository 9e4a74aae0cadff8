//! Answers in pieces against whole ones.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{AnswerReader, Ended, Part};
use crate::json::{JsonError, Problem};
use crate::scan::agreement::{changed, changes, message};
use crate::scan::{ScanError, Shape, scan};

/// What a reader makes of a text in pieces of the given sizes, over and over.
fn read(text: &[u8], sizes: &[usize]) -> (Vec<u8>, Result<Ended, ScanError>) {
    let mut reader = AnswerReader::new();
    let mut value = Vec::new();
    let mut rest = text;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, more) = rest.split_at(rest.len().min(*size));
        match reader.feed(piece) {
            Ok(fed) => value.extend_from_slice(&piece[fed.value]),
            Err(error) => {
                assert_eq!(reader.feed(b" "), Err(error));
                break;
            }
        }
        rest = more;
    }
    (value, reader.finish())
}

fn agree(text: &[u8], sizes: &[usize]) -> Result<(), TestCaseError> {
    let whole = scan(Bytes::copy_from_slice(text)).ok();
    let answer = whole.filter(|message| message.shape == Shape::Answer && message.params.whole.is_none());
    // A name for a method that is not a string makes a message an answer nowhere.
    let (value, read) = read(text, sizes);
    match (answer, read) {
        (Some(message), Ok(ended)) => {
            let (span, part) = match (&message.result, &message.error) {
                (Some(span), _) => (span, Part::Result),
                (_, Some(span)) => (span, Part::Error),
                _ => return Err(TestCaseError::fail("an answer without a value")),
            };
            prop_assert_eq!(message.at(span), value);
            prop_assert_eq!(part, ended.part);
            prop_assert_eq!(message.id_bytes().map(|id| id.to_vec()), ended.id);
        }
        (None, Err(_)) => {}
        (whole, pieces) => prop_assert!(false, "{whole:?} but {pieces:?}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn pieces_are_read_like_the_whole(text in message(), sizes in vec(prop_oneof![1..40_usize, 40..700_usize], 1..6)) {
        agree(text.as_bytes(), &sizes)?;
    }

    #[test]
    fn damaged_pieces_are_refused_like_the_whole(
        text in message(), changes in changes(), sizes in vec(prop_oneof![1..40_usize, 40..700_usize], 1..6),
    ) {
        agree(&changed(&text, &changes), &sizes)?;
    }

    #[test]
    fn any_bytes_in_a_string_are_read_like_the_whole(odd in vec(any::<u8>(), 0..6), sizes in vec(1..5_usize, 1..6)) {
        let text = [b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[\"abc", &odd[..], b"\"]}"].concat();
        agree(&text, &sizes)?;
    }
}

#[test]
fn an_answer_may_be_cut_at_any_byte() {
    let text = r#" {"jsonrpc" : "2.0", "x\u00e9": [[], {}, {"a":[]}], "result": {"resultType":"complete","n":[-1.5e+7,0,true,false,null],
        "é漢😀":"\ud83d\ude00\n\u00e9 漢字","isError" : false, "structuredContent": {"isError":true} } , "id":"a\u0062" } "#;
    for first in 0..=text.len() {
        for second in [1, 2, 3, 7, 1000] {
            agree(text.as_bytes(), &[first.max(1), second]).unwrap();
        }
    }
}

#[test]
fn long_text_may_be_cut_at_any_byte() {
    let line = r#"plain words of some length, more than a block, \"quoted\" and \\ escaped\n"#;
    let text = [line, line, "é漢字\\u00e9\\n", line].concat();
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"text":"{text}"}}}}"#);
    for first in 1..text.len() {
        for second in [33, 1000] {
            agree(text.as_bytes(), &[first, second]).unwrap();
        }
    }
}

#[test]
fn what_is_known_is_told_as_soon_as_it_has_come() {
    let mut reader = AnswerReader::new();
    reader.feed(br#"{"jsonrpc":"2.0","id":1"#).unwrap();
    assert_eq!((reader.id(), reader.part()), (None, None), "the number may go on");
    let fed = reader.feed(br#"7,"result":{"resultType":"inp"#).unwrap();
    assert_eq!(
        (reader.id(), reader.part(), reader.is_object()),
        (Some(&b"17"[..]), Some(Part::Result), Some(true))
    );
    assert_eq!(fed.value.len(), r#"{"resultType":"inp"#.len());
    assert!(!fed.is_whole);
    let noted = reader.result_type().unwrap();
    assert_eq!((noted.text(), noted.is_whole()), (&b"\"inp"[..], false));
    let fed = reader.feed(br#"ut","a":{"isError":true},"is\u0045rror":false,"isError":true}"#).unwrap();
    assert!(fed.is_whole);
    assert_eq!(reader.result_type().unwrap().text(), b"\"input\"");
    assert!(reader.result_type().unwrap().is_whole());
    let noted = reader.is_error().unwrap();
    assert_eq!((noted.text(), noted.is_whole(), noted.is_doubled()), (&b"false"[..], true, true));
    assert_eq!(reader.feed(b" } "), Ok(super::Fed { value: 0..0, is_whole: true }));
    assert_eq!(reader.finish(), Ok(Ended { id: Some(b"17".to_vec()), part: Part::Result }));
}

#[test]
fn long_values_of_watched_keys_are_kept_in_part() {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"resultType":"{}"}}}}"#, "x".repeat(100));
    let mut reader = AnswerReader::new();
    reader.feed(text.as_bytes()).unwrap();
    let noted = reader.result_type().unwrap();
    assert_eq!((noted.text().len(), noted.is_whole()), (32, false));
}

#[test]
fn an_envelope_without_bounds_is_refused() {
    let many: Vec<String> = (0..100).map(|i| format!("\"k{i}\":0")).collect();
    let long = format!("\"{}\":0", "k".repeat(1100));
    for odd in [many.join(","), long] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,{odd},"result":{{}}}}"#);
        assert!(matches!(read(text.as_bytes(), &[10]).1, Err(ScanError::Invalid { .. })));
    }
}

#[test]
fn errors_tell_their_place_in_the_answer() {
    let text = br#"{"jsonrpc":"2.0","result":[1,]}"#;
    let error = JsonError { problem: Problem::Unexpected, at: 29 };
    assert_eq!(read(text, &[7]).1, Err(ScanError::Json(error)));
    let deep = format!("{{\"jsonrpc\":\"2.0\",\"result\":{}", "[".repeat(100_000));
    assert!(matches!(
        read(deep.as_bytes(), &[999]).1,
        Err(ScanError::Json(JsonError { problem: Problem::Depth, .. }))
    ));
    let doubled = br#"{"id":1,"i\u0064":2}"#;
    assert!(matches!(
        read(doubled, &[5]).1,
        Err(ScanError::Json(JsonError { problem: Problem::Duplicate, .. }))
    ));
}
