//! Whole results, from either era, for every revision.

use proptest::prelude::*;
use serde_json::Value;
use trunkline_model::Text;

use super::*;

const LEGACY: [Revision; 4] =
    [Revision::R2024_11_05, Revision::R2025_03_26, Revision::R2025_06_18, Revision::R2025_11_25];

fn reply(text: &str, era: Era) -> Reply {
    Reply { raw: Bytes::copy_from_slice(text.as_bytes()), era }
}

fn call() -> Operation {
    Operation::CallTool(Text::from("x"))
}

#[test]
fn upward_adds_what_modern_clients_need_and_keeps_the_rest() {
    let read = Operation::ReadResource(Text::from("a:b"));
    let up =
        |text: &str, op: &Operation| result(&reply(text, Era::Legacy), Revision::MODERN_LATEST, op).unwrap();
    assert_eq!(
        up(r#"{"content":[],"n":1.10}"#, &call()),
        r#"{"resultType":"complete","content":[],"n":1.10}"#
    );
    assert_eq!(up("{}", &call()), r#"{"resultType":"complete"}"#);
    assert_eq!(up(r#"{"resultType":"complete"}"#, &call()), r#"{"resultType":"complete"}"#);
    assert_eq!(
        up(r#"{"contents":[]}"#, &read),
        r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[]}"#
    );
}

#[test]
fn downward_removes_what_legacy_clients_never_heard_of() {
    for revision in LEGACY {
        let down = |text: &str| result(&reply(text, Era::Modern), revision, &call());
        for (from, to) in [
            (r#"{"resultType":"complete","content":[]}"#, r#"{"content":[]}"#),
            (r#"{"content":[], "resultType":"complete"}"#, r#"{"content":[]}"#),
            (
                r#"{"ttlMs":5,"content":[],"cacheScope":"public", "x" : 1 ,"resultType":"complete"}"#,
                r#"{"content":[], "x" : 1}"#,
            ),
            (r#"{ "ttlMs":1 , "resultType":"complete" , "content":[] }"#, r#"{ "content":[] }"#),
            (r#"{"content":[]}"#, r#"{"content":[]}"#),
        ] {
            assert_eq!(down(from).unwrap(), to, "{from}");
        }
        let list = Operation::Complete(trunkline_model::Reference::Prompt(Text::from("p")));
        let kept = result(&reply(r#"{"resultType":"complete","ttlMs":1}"#, Era::Modern), revision, &list);
        assert_eq!(kept.unwrap(), "{}");
    }
}

#[test]
fn a_result_that_asks_for_input_is_refused_whatever_era_it_claims() {
    let asks = r#"{"resultType":"input_required","inputRequests":{}}"#;
    let operations =
        [call(), Operation::GetPrompt(Text::from("p")), Operation::ReadResource(Text::from("a:b"))];
    for (era, operation) in
        [Era::Legacy, Era::Modern].into_iter().flat_map(|e| operations.iter().map(move |o| (e, o)))
    {
        let got = result(&reply(asks, era), Revision::R2025_06_18, operation).unwrap_err();
        assert_eq!(got.kind, Kind::CannotBridge, "{era:?} {operation:?}");
    }
    let only_says_so = r#"{"contents":[{"uri":"a:b","text":"input_required"}]}"#;
    let read = &operations[2];
    assert_eq!(result(&reply(only_says_so, Era::Legacy), Revision::R2025_06_18, read).unwrap(), only_says_so);
    // Doubled keys could hide it.
    let hidden = r#"{"resultType":"complete","content":[],"resultType":"input_required"}"#;
    let got = result(&reply(hidden, Era::Modern), Revision::R2025_11_25, &operations[0]).unwrap_err();
    assert_eq!(got.kind, Kind::BadAnswer);
}

#[test]
fn the_usual_result_needs_one_walk() {
    let reading = Reading { place: Place::Result, revision: Revision::R2025_06_18 };
    let usual = |text: &str, era| usual::settled(&reply(text, era), reading).map(Trimmed::into_bytes);
    for (from, to) in [
        (
            r#"{"resultType":"complete","content":[{"type":"text","text":"a"}]}"#,
            r#"{"content":[{"type":"text","text":"a"}]}"#,
        ),
        (r#"{ "content":[] , "isError" : false, "ttlMs":1 }"#, r#"{ "content":[], "isError" : false }"#),
        (r#"{"content":[],"structuredContent":{"a":1}}"#, r#"{"content":[],"structuredContent":{"a":1}}"#),
    ] {
        assert_eq!(usual(from, Era::Modern).as_deref(), Some(to.as_bytes()), "{from}");
        assert_eq!(usual(from, Era::Legacy).as_deref(), Some(from.as_bytes()), "{from}");
    }
    for other in [
        r#"{"resultType":"input_required","content":[]}"#,
        r#"{"resultType":"task","content":[]}"#,
        r#"{"content":[{"type":"video"}]}"#,
        r#"{"content":[7]}"#,
        r#"{"content":[{}]}"#,
        r#"{"content":null}"#,
        r#"{"content":[],"structuredContent":[1]}"#,
        r#"{"content":[],"content":[]}"#,
        r#"{"content":[{"type":"text","type":"text"}]}"#,
        r#"{"content":[]} "#,
        r"{}",
        "[]",
        "",
    ] {
        for era in [Era::Modern, Era::Legacy] {
            assert_eq!(usual(other, era), None, "{other}");
        }
    }
}

#[test]
fn what_is_left_out_at_the_ends_costs_no_copy() {
    let reading = Reading { place: Place::Result, revision: Revision::R2025_06_18 };
    let content = r#""content":[{"type":"text","text":"a"}],"isError":false"#;
    let (typed, hint) = (r#""resultType":"complete""#, r#""ttlMs":1"#);
    for (raw, apart) in [
        (format!("{{{typed},{content}}}"), true),
        (format!("{{{content},{typed}}}"), true),
        (format!("{{{typed},{content},{hint}}}"), true),
        (format!("{{{hint},{typed},{content}}}"), true),
        (format!("{{{content},{typed} }}"), false),
        (format!(r#"{{{content},{typed},"x":1}}"#), false),
    ] {
        let reply = reply(&raw, Era::Modern);
        let trimmed = usual::settled(&reply, reading).unwrap();
        let (_, members, _) = trimmed.pieces();
        let within = reply.raw.as_ptr_range().contains(&members.as_ptr());
        assert_eq!(within, apart, "{raw}");
        assert_eq!(trimmed.into_bytes(), thoroughly(&reply, reading, &call()).unwrap(), "{raw}");
    }
}

#[test]
fn what_needs_no_change_is_the_same_bytes() {
    for (operation, text) in [
        (
            call(),
            r#"{"content":[{"type":"text","text":"a \"type\":\"audio\""}],"structuredContent":{"type":"video"},"x":1.10}"#,
        ),
        (
            Operation::GetPrompt(Text::from("p")),
            r#"{"messages":[{"role":"user","content":{"type":"image","data":"","mimeType":"a/b"}}]}"#,
        ),
        (
            Operation::ReadResource(Text::from("a:b")),
            r#"{"contents":[{"uri":"a:b","blob":"","type":"audio"}]}"#,
        ),
    ] {
        for revision in LEGACY {
            let reply = reply(text, Era::Legacy);
            let got = result(&reply, revision, &operation).unwrap();
            assert_eq!(got.as_ptr(), reply.raw.as_ptr(), "{text}");
        }
    }
}

#[test]
fn a_legacy_server_is_converted_for_an_older_client_too() {
    let sound = r#"{"content":[{"type":"audio","data":"eA==","mimeType":"audio/wav"}]}"#;
    let got = |revision| result(&reply(sound, Era::Legacy), revision, &call()).unwrap();
    assert_eq!(
        got(Revision::R2024_11_05),
        r#"{"content":[{"type":"resource","resource":{"uri":"trunkline://audio/0","mimeType":"audio/wav","blob":"eA=="}}]}"#
    );
    assert_eq!(got(Revision::R2025_03_26), sound);
}

/// A block: of a known type, of one that some revisions know, of one that none knows, or no block at all.
fn block() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z\"\\\\\u{e9} ]{0,12}"
            .prop_map(|s| format!(r#"{{"type":"text","text":{},"n":1.10}}"#, Value::from(s))),
        Just(r#"{ "type" : "audio" ,"data":"eA==","mimeType":"audio/wav" }"#.to_owned()),
        Just(r#"{"ty\u0070e":"audio","data":"eA==","mimeType":"audio/wav"}"#.to_owned()),
        Just(r#"{"type":"resource_link","uri":"a:b","name":"n","size":1e2}"#.to_owned()),
        Just(r#"{"type":"resource","resource":{"uri":"a:b","text":"t"}}"#.to_owned()),
        Just(r#"{"type":"image","data":"eA==","mimeType":"image/png"}"#.to_owned()),
        "[a-z_]{1,8}".prop_map(|kind| format!(r#"{{"type":"{kind}x","n":100000000000000000000}}"#)),
        Just("{}".to_owned()),
        Just(r#"{"type":7}"#.to_owned()),
        Just("null".to_owned()),
        Just("[[]]".to_owned()),
    ]
}

fn tool_result() -> impl Strategy<Value = String> {
    let structured = prop_oneof![
        Just(String::new()),
        Just(r#","structuredContent":{"a":1.10}"#.to_owned()),
        Just(r#", "structuredContent" : [1.10, {"b":[]}]"#.to_owned()),
        Just(r#","structuredContent":"s\u0041""#.to_owned()),
        Just(r#","structuredContent":null"#.to_owned()),
        Just(r#","structuredContent":123456789012345678901234567890"#.to_owned()),
    ];
    let content = prop_oneof![
        6 => proptest::collection::vec(block(), 0..5).prop_map(|all| format!(r#","content":[{}]"#, all.join(" , "))),
        1 => Just(String::new()),
        1 => Just(r#","content":null"#.to_owned()),
        1 => block().prop_map(|one| format!(r#","content":{one}"#)),
    ];
    (content, structured, any::<bool>()).prop_map(|(content, structured, turned)| {
        let (one, two) = if turned { (structured, content) } else { (content, structured) };
        format!(r#"{{"resultType":"complete"{one}{two},"kept":[1.0, 1e5]}}"#)
    })
}

fn legacy() -> impl Strategy<Value = Revision> {
    proptest::sample::select(&LEGACY[..])
}

/// Whether a client of this revision can parse it: the rules of its JSON schema for a tool's result.
fn parsable(value: &Value, revision: Revision) -> bool {
    let text = |v: &Value| v.is_string();
    let known = |block: &Value| match block["type"].as_str() {
        Some("text") => text(&block["text"]),
        Some("image") => text(&block["data"]) && text(&block["mimeType"]),
        Some("resource") => {
            let inner = &block["resource"];
            text(&inner["uri"]) && (text(&inner["text"]) || text(&inner["blob"]))
        }
        Some("audio") => {
            revision >= Revision::R2025_03_26 && text(&block["data"]) && text(&block["mimeType"])
        }
        Some("resource_link") => {
            revision >= Revision::R2025_06_18 && text(&block["uri"]) && text(&block["name"])
        }
        _ => false,
    };
    let structured = value.get("structuredContent");
    value["content"].as_array().is_some_and(|all| all.iter().all(known))
        && structured.is_none_or(Value::is_object)
}

proptest! {
    #[test]
    fn every_legacy_client_can_parse_what_it_gets(raw in tool_result(), revision in legacy(), modern in any::<bool>()) {
        let era = if modern { Era::Modern } else { Era::Legacy };
        let got = result(&reply(&raw, era), revision, &call()).unwrap();
        let value: Value = serde_json::from_slice(&got).unwrap();
        prop_assert!(parsable(&value, revision), "{raw}\nbecame {value}");
        prop_assert_eq!(value.get("resultType").is_none(), modern);
        // What nobody has to touch is there byte for byte.
        let text = std::str::from_utf8(&got).unwrap();
        prop_assert!(text.ends_with(r#""kept":[1.0, 1e5]}"#) || text.contains(r#""kept":[1.0, 1e5],"content":["#), "{text}");
        // Nothing is dropped: every block is there, as it was or as something that holds it.
        let before: Value = serde_json::from_str(&raw).unwrap();
        if let Some(blocks) = before["content"].as_array() {
            prop_assert!(value["content"].as_array().is_some_and(|now| now.len() >= blocks.len()));
        }
        if before.get("structuredContent").is_some_and(|s| !s.is_null() && !s.is_object()) {
            let says = value["content"].as_array().into_iter().flatten().filter_map(|b| b["text"].as_str());
            let says: Vec<Value> = says.filter_map(|t| serde_json::from_str(t).ok()).collect();
            prop_assert!(says.contains(&before["structuredContent"]), "{raw}\nbecame {value}");
        }
    }

    #[test]
    fn the_usual_way_and_the_thorough_one_agree(
        raw in tool_result(),
        more in "( ?,\"(ttlMs|cacheScope|_meta|isError|resultType|x)\" ?: ?(1|\"task\"|\"complete\"|\\{\\}) ?){0,3}",
        revision in legacy(),
        modern in any::<bool>(),
    ) {
        let raw = format!("{}{more}}}", &raw[..raw.len() - 1]);
        let reply = reply(&raw, if modern { Era::Modern } else { Era::Legacy });
        let reading = Reading { place: Place::Result, revision };
        if let Some(usual) = usual::settled(&reply, reading) {
            prop_assert_eq!(usual.into_bytes(), thoroughly(&reply, reading, &call()).unwrap());
        }
    }

    #[test]
    fn converting_again_changes_nothing(raw in tool_result(), revision in legacy()) {
        let once = result(&reply(&raw, Era::Modern), revision, &call()).unwrap();
        let again = Reply { raw: once.clone(), era: Era::Modern };
        prop_assert_eq!(result(&again, revision, &call()).unwrap(), once);
        let bare = unstructured(&reply(&raw, Era::Modern).raw);
        prop_assert!(serde_json::from_slice::<Value>(&bare).unwrap().get("structuredContent").is_none());
        prop_assert_eq!(unstructured(&bare), bare);
    }
}
