//! The strict reader against serde_json and against a table of hostile texts.

use proptest::prelude::*;

use super::{Problem, Reader, escape_into, splice};

fn whole(text: &[u8]) -> Result<(), Problem> {
    let mut reader = Reader::new(text).map_err(|e| e.problem)?;
    reader.value().map_err(|e| e.problem)?;
    reader.end().map_err(|e| e.problem)
}

#[test]
fn accepts_every_kind_of_value() {
    for text in [
        "{}",
        "[]",
        " [1, -0.5e+10, true, false, null, \"\\u00e9\\ud83d\\ude00\"] ",
        "{\"a\":{\"b\":[{}]}}",
        "0",
    ] {
        assert_eq!(whole(text.as_bytes()), Ok(()), "{text}");
    }
}

#[test]
fn refuses_what_the_grammar_refuses() {
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "NaN",
        "-",
        "01",
        "1.",
        ".5",
        "1e",
        "+1",
        "tru",
        "\"\t\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"abc",
        "[1 2]",
        "{\"a\" 1}",
        "1 2",
        "{} {}",
        "// c\n1",
    ] {
        assert!(whole(text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(whole(b"\"\xff\""), Err(Problem::Encoding));
    assert_eq!(whole("\u{feff}{}".as_bytes()), Err(Problem::Unexpected));
}

#[test]
fn refuses_deep_nesting_without_overflowing_the_stack() {
    assert_eq!(whole("[".repeat(100_000).as_bytes()), Err(Problem::Depth));
    assert_eq!(whole("{\"a\":".repeat(100_000).as_bytes()), Err(Problem::Depth));
    let deepest = format!("{}{}", "[".repeat(128), "]".repeat(128));
    assert_eq!(whole(deepest.as_bytes()), Ok(()));
}

#[test]
fn refuses_doubled_keys_even_when_spelled_differently() {
    for text in [r#"{"name":1,"name":2}"#, r#"{"name":1,"na\u006de":2}"#] {
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        let got = reader.object(|_, r| r.skip());
        assert_eq!(got.unwrap_err().problem, Problem::Duplicate);
    }
    let many: Vec<String> = (0..200).map(|i| format!("\"k{}\":0", i % 199)).collect();
    let text = format!("{{{}}}", many.join(","));
    let mut reader = Reader::new(text.as_bytes()).unwrap();
    assert_eq!(reader.object(|_, r| r.skip()).unwrap_err().problem, Problem::Duplicate);
}

#[test]
fn splices_and_leaves_every_other_byte_alone() {
    assert_eq!(splice(b"0123456789", &[(2..4, b"ab"), (6..6, b"-"), (9..10, b"")]), b"01ab45-678");
}

proptest! {
    #[test]
    fn agrees_with_serde_json_on_arbitrary_text(text in "[\\[\\]{}:,\"\\\\u0-9a-f.eE+\\- tn]{0,40}") {
        let ours = whole(text.as_bytes()).is_ok();
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        // serde_json refuses numbers that overflow f64; the grammar does not.
        if ours { if let Err(e) = theirs { prop_assert!(e.to_string().contains("number out of range"), "{text}: {e}"); } }
        else { prop_assert!(theirs.is_err(), "{}", text); }
    }

    #[test]
    fn escaped_text_reads_back(text in any::<String>()) {
        let mut out = Vec::new();
        escape_into(&mut out, &text);
        let mut reader = Reader::new(&out).unwrap();
        let literal = reader.string().unwrap();
        prop_assert_eq!(reader.decode(&literal), text);
    }

    #[test]
    fn escaped_text_of_any_length_reads_back(text in "[a-z]{0,40}[a-f\"\\\\\n\u{1}\u{7f}é]{0,60}[a-z]{0,40}") {
        let mut out = Vec::new();
        escape_into(&mut out, &text);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = whole(&bytes);
    }
}
