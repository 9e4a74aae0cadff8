//! The scan against its first, plain form: the same messages, the same places, the same errors at the same bytes.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{reference, scan};

/// White space, mostly none.
pub(crate) fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just(""), 1 => select(vec![" ", "\n\t", "  \r\n                    "])]
}

/// String literals of fewer than 1000 bytes, around the sizes that are read at once, with escapes and other scripts.
pub(crate) fn literal() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[ -!#-\\[\\]-~]{0,20}",
        1 => "[ -!#-\\[\\]-~]{100,200}",
        1 => select(vec!["é", "漢字", "😀", "\u{7f}", "\u{a0}", "日本語日本語日本語日本語日本語"]).prop_map(str::to_owned),
        1 => select(vec!["\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\ud83d\\ude00", "\\u0000"]).prop_map(str::to_owned),
    ];
    vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// Any value.
pub(crate) fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => literal(),
        2 => select(vec!["0", "-1", "17", "12.50", "1e9", "-0.5E-7", "true", "false", "null"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            (vec((space(), inner.clone()), 0..5)).prop_map(|items| {
                let items: Vec<_> =
                    items.into_iter().map(|(space, item)| format!("{space}{item}{space}")).collect();
                format!("[{}]", items.join(","))
            }),
            members(inner, &["a", "b", "type", "text", "isError", "resultType", "content"], 0..5),
        ]
    })
}

/// An object with keys out of a few, so that doubled ones are not rare, or of any kind.
fn members(
    value: impl Strategy<Value = String> + 'static,
    keys: &[&str],
    count: std::ops::Range<usize>,
) -> BoxedStrategy<String> {
    let quoted: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    let key = prop_oneof![6 => select(quoted), 1 => literal()];
    vec((space(), key, value), count)
        .prop_map(|all| {
            let all: Vec<_> = all
                .into_iter()
                .map(|(space, key, value)| format!("{space}{key}{space}:{space}{value}{space}"))
                .collect();
            format!("{{{}}}", all.join(","))
        })
        .boxed()
}

/// Messages: most of them valid, in the shapes that come.
pub(crate) fn message() -> impl Strategy<Value = String> {
    const META: [&str; 5] = [
        crate::meta::VERSION,
        crate::meta::CLIENT_INFO,
        crate::meta::CAPABILITIES,
        "progressToken",
        "traceparent",
    ];
    const PARAMS: [&str; 9] =
        ["name", "uri", "cursor", "level", "taskId", "ref", "requestId", "capabilities", "n\\u0061me"];
    let id = select(vec!["1", "\"a\"", "null", "-7", "1.5", "123456789012345678901"]);
    let method = prop_oneof![3 => select(vec!["\"tools/call\"", "\"to\\u006fls/call\"", "7"]).prop_map(str::to_owned), 1 => literal()];
    let meta = prop_oneof![3 => members(json(), &META, 0..4), 1 => json()];
    let arguments = prop_oneof![3 => members(json(), &["a", "\\u0061", "b"], 0..20), 1 => json()];
    let params = (members(json(), &PARAMS, 0..3), meta, arguments).prop_map(|(more, meta, arguments)| {
        let more = more.trim_matches(['{', '}']).to_owned();
        let comma = if more.is_empty() { "" } else { "," };
        format!("{{\"_meta\":{meta},\"arguments\":{arguments}{comma}{more}}}")
    });
    let version = select(vec!["\"2.0\"", "\"2.0\"", "\"2.0\"", "\"2.0\"", "\"1.0\"", "2.0"]);
    let part = |key: &'static str, value: BoxedStrategy<String>| {
        value.prop_map(move |value| format!("\"{key}\":{value}"))
    };
    let parts = prop_oneof![
        (part("method", method.boxed()), prop_oneof![params, json()])
            .prop_map(|(method, params)| vec![method, format!("\"params\":{params}")]),
        part("result", json().boxed()).prop_map(|result| vec![result]),
        part("error", json().boxed()).prop_map(|error| vec![error]),
        vec(
            members(json(), &["id", "result", "error", "\\u0069d"], 1..3)
                .prop_map(|m| m[1..m.len() - 1].to_owned()),
            0..3
        ),
    ];
    (version, proptest::option::weighted(0.9, id), parts, space(), any::<prop::sample::Index>()).prop_map(
        |(version, id, mut parts, space, turn)| {
            parts.push(format!("{space}\"jsonrpc\"{space}: {version}"));
            parts.extend(id.map(|id| format!("\"id\":{id}")));
            let turn = turn.index(parts.len());
            parts.rotate_left(turn);
            format!("{space}{{{}}}{space}", parts.join(","))
        },
    )
}

/// A change at some byte.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Drop(prop::sample::Index),
    Cut(prop::sample::Index),
    Repeat(prop::sample::Index),
}

/// Changes that mostly hit the grammar.
pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let byte = prop_oneof![
        4 => select(b"{}[],:\"\\ \n0-.eEtu\x00\x1f\x7f".to_vec()),
        1 => any::<u8>(),
        1 => select(vec![0x80, 0xbf, 0xc3, 0xe2, 0xed, 0xf0, 0xff]),
    ];
    let change = (any::<prop::sample::Index>(), byte, 0..5).prop_map(|(at, byte, kind)| match kind {
        0 => Change::Put(at, byte),
        1 => Change::Insert(at, byte),
        2 => Change::Drop(at),
        3 => Change::Repeat(at),
        _ => Change::Cut(at),
    });
    vec(change, 0..3)
}

/// The text with its changes.
pub(crate) fn changed(text: &str, changes: &[Change]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        match change {
            Change::Put(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
            Change::Drop(at) => drop(bytes.remove(at.index(bytes.len()))),
            Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Change::Repeat(at) => {
                let at = at.index(bytes.len());
                let part = bytes[at..(at + 9).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

fn agree(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let raw = Bytes::from(bytes);
    let (fast, plain) = (scan(raw.clone()), reference::scan(raw.clone()));
    prop_assert_eq!(format!("{fast:?}"), format!("{plain:?}"), "{:?}", raw);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn messages_are_read_as_in_the_plain_way(text in message()) {
        agree(text.into_bytes())?;
    }

    #[test]
    fn damaged_messages_are_read_or_refused_as_in_the_plain_way(text in message(), changes in changes()) {
        agree(changed(&text, &changes))?;
    }

    #[test]
    fn odd_strings_are_read_or_refused_as_in_the_plain_way(
        start in 0..40_usize, len in 0..200_usize, odd in vec(any::<u8>(), 0..4), end in 0..20_usize,
    ) {
        let mut bytes = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,{}\"result\":\"{}", " ".repeat(start), "x".repeat(len)).into_bytes();
        bytes.extend(odd);
        bytes.extend(b"\"}");
        bytes.extend(vec![b' '; end]);
        agree(bytes)?;
    }
}

#[test]
fn most_messages_of_the_generator_are_valid() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let good = (0..400).filter(|_| {
        let text = message().new_tree(&mut runner).expect("a message").current();
        scan(Bytes::from(text)).is_ok()
    });
    let good = good.count();
    assert!((100..390).contains(&good), "{good} of 400 are valid");
}

/// What ends a plain stretch, well or badly, at every place of the blocks that are looked at together.
#[test]
fn stretches_of_any_length_end_as_in_the_plain_way() {
    let odd = [
        "\\n",
        "\\\\",
        "\\\"",
        "\\\\\\\"",
        "\\u0041",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\x",
        "\\",
        "é",
        "\u{1}",
        "\"",
    ];
    for lead in 0..140 {
        for odd in odd {
            for rest in [0, 1, 30, 31, 32, 33, 140] {
                let text = format!("{}{odd}{}", "x".repeat(lead), "y".repeat(rest));
                let whole = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"{text}\"}}");
                agree(whole.into_bytes()).expect("they agree");
            }
        }
    }
}

#[test]
fn nesting_is_bounded_as_in_the_plain_way() {
    for depth in [1, 125, 126, 127, 128, 129, 4000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]"), ("[  ", " ]")] {
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for text in [
                value.clone(),
                format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{value}}}"),
                format!(
                    "{{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{{\"arguments\":{{\"b\":{value}}}}}}}"
                ),
                format!(
                    "{{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{{\"_meta\":{{\"progressToken\":{value}}}}}}}"
                ),
            ] {
                let raw = Bytes::from(text);
                assert_eq!(format!("{:?}", scan(raw.clone())), format!("{:?}", reference::scan(raw)));
            }
        }
    }
}
