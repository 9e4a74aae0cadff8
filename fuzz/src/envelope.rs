//! The strict scanner: what it accepts is JSON to a parser that we did not write, its spans lie where they should, and
//! what is made of the parts is the message again.

use bytes::Bytes;
use serde_json::Value;
use trunkline_protocol::json::Str;
use trunkline_protocol::{Scanned, Shape, compose, scan};

use crate::strict::{self, Read, assert_no_key_twice};

/// One message.
pub fn check(data: &[u8]) {
    let raw = Bytes::copy_from_slice(data);
    let fast = scan(raw.clone());
    // The scanner against its first and plain form: the same spans, the same errors at the same bytes.
    let plain = trunkline_protocol::fuzzing::plain_scan(raw);
    assert_eq!(format!("{fast:?}"), format!("{plain:?}"));
    let Ok(message) = fast else { return };
    match strict::read(data) {
        Read::Refused => panic!("accepted, but no JSON"),
        Read::TooLarge => {}
        Read::Value(whole) => lies_where_it_should(&message, &whole),
    }
    no_key_counts_twice(&message);
    is_itself_again(&message);
}

fn lies_where_it_should(message: &Scanned, whole: &Value) {
    let same = |span: &std::ops::Range<usize>, expected: &Value, about: &str| {
        assert_eq!(&strict::value(message.at(span)), expected, "{about}");
    };
    let text = |literal: &Str, expected: &Value, about: &str| {
        assert_eq!(message.string(literal), expected.as_str().unwrap_or_default(), "{about}");
        assert_eq!(&*message.text(literal), expected.as_str().unwrap_or_default(), "{about}");
        same(&literal.span, expected, about);
    };
    assert_eq!(whole["jsonrpc"], "2.0");
    if let Some(id) = &message.id {
        same(id, &whole["id"], "id");
        assert!(whole["id"].is_string() || whole["id"].is_number());
    }
    for (span, key) in [(&message.result, "result"), (&message.error, "error")] {
        assert_eq!(span.is_some(), whole.get(key).is_some(), "{key}");
        if let Some(span) = span {
            same(span, &whole[key], key);
        }
    }
    assert_eq!(message.method.is_some(), whole.get("method").is_some());
    if let Some(method) = &message.method {
        text(method, &whole["method"], "method");
    }
    let (found, params) = (&*message.params, &whole["params"]);
    let texts = [
        (&found.name, "name"),
        (&found.uri, "uri"),
        (&found.cursor, "cursor"),
        (&found.task_id, "taskId"),
        (&found.level, "level"),
        (&found.protocol_version, "protocolVersion"),
    ];
    for (literal, key) in texts {
        assert_eq!(literal.is_some(), params.get(key).is_some_and(Value::is_string), "{key}");
        if let Some(literal) = literal {
            text(literal, &params[key], key);
        }
    }
    let spans = [
        (&found.arguments, "arguments"),
        (&found.reference, "ref"),
        (&found.request_id, "requestId"),
        (&found.progress_token, "progressToken"),
        (&found.notifications, "notifications"),
        (&found.capabilities, "capabilities"),
        (&found.client_info, "clientInfo"),
        (&found.meta.whole, "_meta"),
    ];
    for (span, key) in spans {
        let there = params.get(key).filter(|value| key != "_meta" || value.is_object());
        assert_eq!(span.is_some(), there.is_some(), "{key}");
        if let Some(span) = span {
            same(span, &params[key], key);
        }
    }
    let meta = &params["_meta"];
    let spans = [
        (&found.meta.client_info, "io.modelcontextprotocol/clientInfo"),
        (&found.meta.capabilities, "io.modelcontextprotocol/clientCapabilities"),
        (&found.meta.log_level, "io.modelcontextprotocol/logLevel"),
        (&found.meta.subscription, "io.modelcontextprotocol/subscriptionId"),
        (&found.meta.progress_token, "progressToken"),
    ];
    for (span, key) in spans {
        assert_eq!(span.is_some(), meta.get(key).is_some(), "_meta {key}");
        if let Some(span) = span {
            same(span, &meta[key], key);
        }
    }
    if let Some(Some(version)) = &found.meta.version {
        text(version, &meta["io.modelcontextprotocol/protocolVersion"], "version");
    }
}

/// Where we read a key, another reader must not be able to read another value of it.
fn no_key_counts_twice(message: &Scanned) {
    assert_no_key_twice(&message.raw);
    let params = &message.params;
    for span in [&params.whole, &params.meta.whole, &params.arguments].into_iter().flatten() {
        assert_no_key_twice(message.at(span));
    }
}

fn is_itself_again(message: &Scanned) {
    let part = |span: &std::ops::Range<usize>| message.share(span);
    let again = |made: compose::Message| scan(made.into_bytes()).expect("what we make is a message");
    let value = |message: &Scanned, span: &Option<std::ops::Range<usize>>| {
        span.as_ref().map(|span| message.at(span).to_vec())
    };
    let params = message.params.whole.as_ref().map(part).unwrap_or_default();
    match message.shape {
        Shape::Request => {
            let params = if params.is_empty() { Bytes::from_static(b"{}") } else { params };
            let made = again(compose::request(7, &message.method(), &params));
            assert_eq!((made.shape, made.id_number()), (Shape::Request, Some(7)));
            assert_eq!(made.method(), message.method());
            assert_eq!(value(&made, &made.params.whole), Some(params.to_vec()));
        }
        Shape::Notification => {
            let made = again(compose::notification(&message.method(), &params));
            assert_eq!((made.shape, made.id.is_some()), (Shape::Notification, false));
            assert_eq!(made.method(), message.method());
            assert_eq!(value(&made, &made.params.whole).unwrap_or_default(), params.to_vec());
        }
        Shape::Answer => {
            let id = message.id_bytes().unwrap_or_else(|| Bytes::from_static(b"1"));
            let made = match (&message.result, &message.error) {
                (Some(result), _) => again(compose::result(&id, &part(result))),
                (None, error) => {
                    again(compose::error(Some(&id), &error.as_ref().map(part).expect("one of them")))
                }
            };
            assert_eq!((made.shape, made.id_bytes()), (Shape::Answer, Some(id)));
            assert_eq!(value(&made, &made.result), value(message, &message.result));
            assert_eq!(value(&made, &made.error), value(message, &message.error));
        }
    }
}
