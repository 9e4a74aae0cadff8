//! What is a message, what is none, and what is refused.

use super::*;

fn of(text: &str) -> Result<Scanned, ScanError> {
    scan(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn locates_the_parts_of_a_call() {
    let text = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"x\u0079","arguments":{"n":1},"_meta":{"progressToken":7}}}"#;
    let got = of(text).unwrap();
    assert_eq!(got.shape, Shape::Request);
    assert_eq!(got.id_bytes().unwrap(), "\"a\"");
    assert_eq!(&*got.method(), "tools/call");
    assert_eq!(&*got.text(got.params.name.as_ref().unwrap()), "xy");
    assert_eq!(got.at(got.params.arguments.as_ref().unwrap()), br#"{"n":1}"#);
    assert_eq!(got.at(got.params.meta.progress_token.as_ref().unwrap()), b"7");
}

#[test]
fn refuses_ids_that_are_not_strings_or_integers() {
    for id in ["null", "true", "1.5", "{}", "[]", "1e3"] {
        assert!(matches!(
            of(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)),
            Err(ScanError::Invalid { .. })
        ));
    }
    for id in ["\"1\"", "\"\"", "-1", "0", "9007199254740991", "123456789012345678901234567890"] {
        assert_eq!(
            of(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)).unwrap().id_bytes().unwrap(),
            id
        );
    }
}

#[test]
fn refuses_doubled_keys_in_envelope_params_meta_and_arguments() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"a":1,"a":2}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"a":1,"a":2}}}"#,
    ] {
        assert!(of(text).unwrap_err().is_syntax(), "{text}");
    }
}

#[test]
fn tells_batches_and_nonsense_from_messages() {
    assert_eq!(of("[]").unwrap_err(), ScanError::Batch);
    for text in [
        r#"{"id":1,"method":"x"}"#,
        r#"{"jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        "7",
        "\"x\"",
        r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}"#,
    ] {
        assert!(!of(text).unwrap_err().is_syntax(), "{text}");
    }
}
