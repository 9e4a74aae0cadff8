//! Questions and answers, there and back.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::asks::ROOTS;

const OLD: Revision = Revision::R2025_06_18;

fn bytes(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

fn asked(fields: &Value, required: &Value) -> Translation {
    let params = json!({
        "mode": "form", "message": "m", "_meta": { "k": 1 },
        "requestedSchema": { "type": "object", "properties": fields, "required": required }
    });
    Translation::downward(ELICIT, &bytes(&params), OLD, "e").unwrap()
}

fn fields(translation: &Translation) -> Value {
    let params: Value = serde_json::from_slice(translation.params()).unwrap();
    params["requestedSchema"]["properties"].clone()
}

/// The content that the server gets for what the user said.
fn told(translation: &Translation, content: &Value) -> Value {
    let answer = bytes(&json!({ "action": "accept", "content": content }));
    let told: Value = serde_json::from_slice(&translation.answer(&answer).unwrap()).unwrap();
    assert_eq!(told["action"], "accept");
    told["content"].clone()
}

#[test]
fn each_revision_is_asked_in_its_own_words() {
    let of = |method: &str, raw: &'static str, revision| {
        Translation::downward(method, &Bytes::from_static(raw.as_bytes()), revision, "e")
            .map(|t| String::from_utf8(t.params().to_vec()).unwrap())
    };
    let form = r#"{"mode":"form","message":"m"}"#;
    assert_eq!(of(ELICIT, form, Revision::R2025_03_26), None);
    assert_eq!(of(ELICIT, form, OLD).unwrap(), r#"{"message":"m"}"#);
    assert_eq!(of(ELICIT, form, Revision::R2025_11_25).unwrap(), form);
    let url = r#"{"mode":"url","url":"https://a"}"#;
    assert_eq!(
        of(ELICIT, url, Revision::R2025_11_25).unwrap(),
        r#"{"elicitationId":"e","mode":"url","url":"https://a"}"#
    );
    assert_eq!(of(ROOTS, "", OLD).unwrap(), "");
    let sample =
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],"temperature":0.10}"#;
    assert_eq!(
        of(SAMPLE, sample, OLD).unwrap(),
        r#"{"messages":[{"role":"user","content":{"type":"text","text":"a"}}],"temperature":0.10}"#
    );
    assert_eq!(of(SAMPLE, sample, Revision::R2025_11_25).unwrap(), sample);
}

#[test]
fn a_form_that_2025_06_18_knows_is_not_touched() {
    let raw = Bytes::from_static(
        br#"{ "message":"m","requestedSchema":{"type":"object", "properties":{ "a":{"type":"boolean","default":true},"b":{"type":"number","minimum":1.0},"c":{"type":"string","enum":["x"],"enumNames":["X"]} } } }"#,
    );
    let translation = Translation::downward(ELICIT, &raw, OLD, "e").unwrap();
    assert_eq!(translation.params().as_ptr(), raw.as_ptr());
    let answer = Bytes::from_static(br#"{"action":"accept","content":{"b":1.10}}"#);
    assert_eq!(translation.answer(&answer).unwrap().as_ptr(), answer.as_ptr());
}

#[test]
fn defaults_are_taken_out_and_put_into_missing_answers() {
    let translation = asked(
        &json!({
            "name": { "type": "string", "default": "Ada", "minLength": 1 },
            "age": { "type": "integer", "default": 30 },
            "state": { "type": "string", "enum": ["on", "off"], "default": "on" },
            "nick": { "type": ["string", "null"], "default": null },
            "sure": { "type": "boolean", "default": true },
        }),
        &json!(["name"]),
    );
    assert_eq!(
        fields(&translation),
        json!({
            "name": { "type": "string", "minLength": 1 },
            "age": { "type": "integer" },
            "state": { "type": "string", "enum": ["on", "off"] },
            "nick": { "type": "string" },
            "sure": { "type": "boolean", "default": true },
        })
    );
    assert_eq!(
        told(&translation, &json!({ "age": null, "sure": false })),
        json!({ "name": "Ada", "age": 30, "state": "on", "sure": false })
    );
    assert_eq!(
        told(&translation, &json!({ "name": "", "age": 0, "state": "off" })),
        json!({ "name": "", "age": 0, "state": "off" })
    );
    for raw in [r#"{"action":"decline"}"#, r#"{"action":"cancel","content":{}}"#, "{}", "7"] {
        assert_eq!(translation.answer(&Bytes::from_static(raw.as_bytes())).unwrap(), raw);
    }
    let bare = translation.answer(&Bytes::from_static(br#"{"action":"accept"}"#)).unwrap();
    assert_eq!(bare, r#"{"action":"accept","content":{"name":"Ada","age":30,"state":"on"}}"#);
}

#[test]
fn single_choices_keep_their_titles() {
    let translation = asked(
        &json!({
            "a": { "type": "string", "title": "A", "oneOf": [{ "const": "x", "title": "X" }, { "const": "y", "title": "Y" }], "default": "y" },
            "b": { "enum": ["p", "q"] },
            "c": { "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "null" }], "title": "C", "default": null },
        }),
        &json!([]),
    );
    assert_eq!(
        fields(&translation),
        json!({
            "a": { "type": "string", "title": "A", "enum": ["x", "y"], "enumNames": ["X", "Y"] },
            "b": { "type": "string", "enum": ["p", "q"] },
            "c": { "type": "integer", "minimum": 1, "title": "C" },
        })
    );
    assert_eq!(told(&translation, &json!({ "b": "q" })), json!({ "a": "y", "b": "q" }));
}

fn colours(more: Value) -> Value {
    let mut field = json!({
        "type": "array", "title": "Colours",
        "items": { "anyOf": [{ "const": "r", "title": "Red" }, { "const": "g", "title": "Green" }, { "const": "b", "title": "Blue" }] }
    });
    field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    field
}

#[test]
fn several_choices_are_boxes_and_come_back_as_a_list() {
    let form = json!({ "c": colours(json!({ "maxItems": 2 })), "c_1": { "type": "string" } });
    let translation = asked(&form, &json!(["c", "c_1"]));
    let shown = fields(&translation);
    assert_eq!(
        shown["c_1_"],
        json!({ "type": "boolean", "title": "Colours: Red", "description": "Choose at most 2." })
    );
    assert_eq!(shown.as_object().unwrap().len(), 4);
    let params: Value = serde_json::from_slice(translation.params()).unwrap();
    assert_eq!(params["requestedSchema"]["required"], json!(["c_1"]));
    assert_eq!(
        told(&translation, &json!({ "c_1": "own", "c_1_": true, "c_3": true, "c_2": false })),
        json!({ "c_1": "own", "c": ["r", "b"] })
    );
    assert_eq!(told(&translation, &json!({ "c_1": "own" })), json!({ "c_1": "own", "c": [] }));

    let defaulted = asked(&json!({ "c": colours(json!({ "default": ["g"] })) }), &json!([]));
    assert_eq!(fields(&defaulted)["c_2"]["default"], true);
    assert_eq!(told(&defaulted, &json!({})), json!({ "c": ["g"] }));
    assert_eq!(told(&defaulted, &json!({ "c_1": true })), json!({ "c": ["r", "g"] }));
    assert_eq!(told(&defaulted, &json!({ "c_1": false, "c_2": false, "c_3": false })), json!({ "c": [] }));

    let optional = asked(&json!({ "c": colours(json!({ "minItems": 1 })) }), &json!([]));
    assert_eq!(told(&optional, &json!({})), json!({}));
    assert_eq!(told(&optional, &json!({ "c_1": false, "c_2": false, "c_3": false })), json!({}));
}

#[test]
fn many_choices_are_written_as_a_list() {
    let names: Vec<String> = (0..13).map(|n| format!("v{n}")).collect();
    let field = json!({ "type": "array", "items": { "type": "string", "enum": names }, "description": "D.", "minItems": 2 });
    let translation = asked(&json!({ "c": field }), &json!(["c"]));
    let shown = fields(&translation);
    assert_eq!(shown["c"]["type"], "string");
    let text = shown["c"]["description"].as_str().unwrap();
    assert!(
        text.starts_with("D. Choose at least 2. One or more, with commas between them: v0, v1,"),
        "{text}"
    );
    assert_eq!(told(&translation, &json!({ "c": "v3 , V1" })), json!({ "c": ["v1", "v3"] }));
}

#[test]
fn an_answer_that_does_not_fit_is_asked_for_once_more_and_then_cancelled() {
    let translation = asked(&json!({ "c": colours(json!({ "minItems": 2 })) }), &json!(["c"]));
    let wrong = bytes(&json!({ "action": "accept", "content": { "c_1": true } }));
    let again = translation.answer(&wrong).unwrap_err();
    let params: Value = serde_json::from_slice(again.params()).unwrap();
    assert_eq!(params["message"], "m\nc: Choose at least 2.");
    assert_eq!(told(&again, &json!({ "c_1": true, "c_2": true })), json!({ "c": ["r", "g"] }));
    assert_eq!(again.answer(&wrong).unwrap(), CANCELLED);
    let declined = Bytes::from_static(br#"{"action":"decline"}"#);
    assert_eq!(again.answer(&declined).unwrap(), declined);
}

#[test]
fn what_a_server_says_once_is_not_multiplied() {
    let long = "x".repeat(100_000);
    let mut field = colours(json!({ "description": long, "title": long }));
    let shown = asked(&json!({ long.clone(): field.take() }), &json!([])).params().len();
    assert!(shown < 110_000, "{shown}");
    let blocks: Vec<Value> = (0..1000).map(|_| json!({ "type": "text", "text": "" })).collect();
    let params =
        bytes(&json!({ "messages": [{ "role": "user", "content": blocks, "_meta": { "x": long } }] }));
    let sampled = Translation::downward(SAMPLE, &params, OLD, "e").unwrap();
    assert!(sampled.params().len() < 200_000, "{}", sampled.params().len());
    let many: serde_json::Map<String, Value> =
        (0..300).map(|n| (n.to_string(), json!({ "type": "string" }))).collect();
    let many = json!({ "message": "m", "requestedSchema": { "type": "object", "properties": many } });
    assert!(Translation::downward(ELICIT, &bytes(&many), OLD, "e").is_none());
}

#[test]
fn a_field_of_an_unknown_kind_is_written_as_json() {
    let translation = asked(
        &json!({ "o": { "type": "object", "description": "D." }, "l": { "type": "array", "items": {} } }),
        &json!([]),
    );
    let shown = fields(&translation);
    assert_eq!(shown["o"]["type"], "string");
    assert!(shown["o"]["description"].as_str().unwrap().starts_with("D. JSON that fits {"));
    assert_eq!(
        told(&translation, &json!({ "o": " {\"a\": 1.10} ", "l": "not [json" })).to_string(),
        json!({ "o": { "a": 1.10 }, "l": "not [json" }).to_string()
    );
}

#[test]
fn a_legacy_question_loses_what_modern_clients_must_not_see() {
    for (method, from, to) in [
        (
            ELICIT,
            r#"{"mode":"url","elicitationId":"1","url":"https://a","_meta":{"progressToken":1,"k":1.0}}"#,
            r#"{"mode":"url","url":"https://a","_meta":{"k":1.0}}"#,
        ),
        (SAMPLE, r#"{"messages":[],"_meta":{"progressToken":1}}"#, r#"{"messages":[]}"#),
        (SAMPLE, r#"{"messages":[],"elicitationId":1}"#, r#"{"messages":[],"elicitationId":1}"#),
        (
            ELICIT,
            r#"{"message":"m","requestedSchema":{"properties":{"a":{"enum":["x"],"enumNames":["X"]}}},"_meta":{}}"#,
            r#"{"message":"m","requestedSchema":{"properties":{"a":{"enum":["x"],"enumNames":["X"]}}},"_meta":{}}"#,
        ),
        (ROOTS, "", ""),
    ] {
        assert_eq!(params_upward(method, &Bytes::from_static(from.as_bytes())), to);
    }
}

fn field() -> impl Strategy<Value = Value> {
    let names = || {
        proptest::collection::btree_set("[a-zA-Z,\" ]{1,6}", 1..15)
            .prop_map(|set| set.into_iter().collect::<Vec<_>>())
    };
    let titled = |names: &[String]| -> Value {
        names.iter().map(|n| json!({ "const": n, "title": format!("T {n}") })).collect()
    };
    prop_oneof![
        any::<Option<i32>>().prop_map(
            |d| d.map_or(json!({ "type": "integer" }), |d| json!({ "type": "integer", "default": d }))
        ),
        Just(json!({ "type": "string", "default": "d", "maxLength": 3 })),
        Just(json!({ "type": "boolean", "default": true })),
        names().prop_map(move |n| json!({ "type": "string", "oneOf": titled(&n), "default": n[0] })),
        (names(), any::<bool>(), any::<bool>(), 0usize..4, 0usize..4).prop_map(
            move |(n, with_titles, defaulted, least, room)| {
                let items = if with_titles {
                    json!({ "anyOf": titled(&n) })
                } else {
                    json!({ "type": "string", "enum": n })
                };
                let least = least.min(n.len());
                let mut field =
                    json!({ "type": "array", "items": items, "minItems": least, "maxItems": least + room });
                if defaulted {
                    field["default"] = n.iter().take(least.max(1)).cloned().collect();
                }
                field
            }
        ),
    ]
}

/// Whether the client's revision has such a field.
fn of_2025_06_18(field: &Value) -> bool {
    let keys: Vec<&str> = field.as_object().unwrap().keys().map(String::as_str).collect();
    let only = |known: &[&str]| {
        keys.iter().all(|key| known.contains(key) || matches!(*key, "type" | "title" | "description"))
    };
    match field["type"].as_str() {
        Some("boolean") => only(&["default"]) && field.get("default").is_none_or(Value::is_boolean),
        Some("integer" | "number") => only(&["minimum", "maximum"]),
        Some("string") => only(&["enum", "enumNames", "minLength", "maxLength", "format"]),
        _ => false,
    }
}

/// Whether a value is one that the server's field allows.
fn fits(field: &Value, value: &Value) -> bool {
    let consts = |list: &Value| -> Vec<Value> {
        list.as_array().unwrap().iter().map(|one| one["const"].clone()).collect()
    };
    match field["type"].as_str().unwrap() {
        "integer" => value.is_i64(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string() && field.get("oneOf").is_none_or(|list| consts(list).contains(value)),
        _ => {
            let items = &field["items"];
            let known = items
                .get("enum")
                .map_or_else(|| consts(&items["anyOf"]), |list| list.as_array().unwrap().clone());
            let Some(picked) = value.as_array() else { return false };
            let count = picked.len() as u64;
            picked.iter().all(|one| known.contains(one))
                && picked.iter().enumerate().all(|(at, one)| !picked[..at].contains(one))
                && (field["minItems"].as_u64().unwrap()..=field["maxItems"].as_u64().unwrap())
                    .contains(&count)
        }
    }
}

/// What a user of an old client could say: `pick` decides about each field.
fn filled(shown: &Value, pick: &[u8]) -> Value {
    let mut content = serde_json::Map::new();
    for (at, (name, field)) in shown.as_object().unwrap().iter().enumerate() {
        let pick = pick[at % pick.len()];
        if pick.is_multiple_of(4) {
            continue;
        }
        let value = match field["type"].as_str().unwrap() {
            "boolean" => json!(pick.is_multiple_of(2)),
            "integer" => json!(pick),
            _ if field.get("enum").is_some() => {
                let all = field["enum"].as_array().unwrap();
                all[usize::from(pick) % all.len()].clone()
            }
            // Of a long list: its beginning, as it is shown.
            _ => match field["description"].as_str().and_then(|text| text.split("between them: ").nth(1)) {
                Some(list) => {
                    json!(list.split(", ").take(usize::from(pick % 5)).collect::<Vec<_>>().join(", "))
                }
                None => json!("text"),
            },
        };
        content.insert(name.clone(), value);
    }
    Value::Object(content)
}

proptest! {
    #[test]
    fn every_form_is_shown_to_an_old_client_and_its_answers_fit(
        form in proptest::collection::btree_map("[a-d]_?[12]?", field(), 1..5),
        pick in proptest::collection::vec(any::<u8>(), 1..20),
    ) {
        let required: Vec<&String> = form.iter().filter(|(_, f)| f["type"] == "array").map(|(n, _)| n).collect();
        let form = serde_json::to_value(&form).unwrap();
        let translation = asked(&form, &json!(required));
        let shown = fields(&translation);
        for (name, field) in shown.as_object().unwrap() {
            prop_assert!(of_2025_06_18(field), "{name}: {field}");
        }
        let params: Value = serde_json::from_slice(translation.params()).unwrap();
        prop_assert!(params.get("mode").is_none());
        for name in params["requestedSchema"]["required"].as_array().unwrap() {
            prop_assert!(shown.get(name.as_str().unwrap()).is_some(), "{name} is required and not there");
        }
        // Showing it again changes nothing.
        let again = Translation::downward(ELICIT, translation.params(), OLD, "e").unwrap();
        prop_assert_eq!(again.params(), translation.params());

        let answer = bytes(&json!({ "action": "accept", "content": filled(&shown, &pick) }));
        match translation.answer(&answer) {
            Ok(told) => {
                let told: Value = serde_json::from_slice(&told).unwrap();
                for (name, value) in told["content"].as_object().unwrap() {
                    prop_assert!(form.get(name).is_some_and(|field| fits(field, value)), "{name}: {value}\n{form}");
                }
                for name in required {
                    prop_assert!(told["content"].get(name).is_some(), "{name} is missing in {told}");
                }
            }
            // Asked again, the same answer ends it.
            Err(again) => prop_assert_eq!(again.answer(&answer).unwrap(), CANCELLED),
        }
    }
}
