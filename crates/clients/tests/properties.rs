//! Whatever the file holds, connecting adds exactly one entry.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy knows this only inside test functions"
)]

use proptest::prelude::*;
use serde_json::{Map, Value};
use trunkline_clients::{Prefer, TrunklineEntry, by_id, connect, disconnect};

fn entry() -> TrunklineEntry {
    TrunklineEntry {
        name: "trunkline".to_owned(),
        url: "http://127.0.0.1:8080/mcp".to_owned(),
        stdio_command: vec!["trunkline".to_owned(), "stdio".to_owned()],
        prefer: Prefer::Http,
    }
}

/// Keys and texts with everything that has a meaning in some syntax.
const WORDS: &str = "[a-zA-Z0-9 _.:#'\"\\\\{}\\[\\],&*!|>%@`~=/ü-]{0,12}";

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        WORDS.prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((WORDS, inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// A document with servers under `key`, or without.
fn document(key: &'static str, list: bool) -> impl Strategy<Value = Value> {
    let fields = prop::collection::vec((WORDS, tree()), 0..5);
    let servers = prop::collection::vec((WORDS, prop::collection::vec((WORDS, tree()), 0..4)), 0..4);
    (fields, prop::option::of(servers)).prop_map(move |(fields, servers)| {
        let mut map: Map<String, Value> = fields.into_iter().collect();
        map.shift_remove(key);
        if let Some(servers) = servers {
            let named =
                servers.into_iter().map(|(name, fields)| (name, fields.into_iter().collect::<Map<_, _>>()));
            let value: Value = if list {
                let each = named.map(|(name, mut map)| {
                    map.insert("name".to_owned(), name.into());
                    Value::Object(map)
                });
                each.collect::<Vec<_>>().into()
            } else {
                named.map(|(name, map)| (name, Value::Object(map))).collect()
            };
            map.insert(key.to_owned(), value);
        }
        Value::Object(map)
    })
}

/// Every line of a pretty-printed document gets a comment behind it.
fn commented(text: &str) -> String {
    let lines: Vec<String> =
        text.lines().enumerate().map(|(line, text)| format!("{text} // {line}")).collect();
    lines.join("\n") + "\n"
}

/// What is there besides our entry; an empty or absent container is the same.
fn others(mut doc: Value, key: &str) -> Value {
    if let Value::Object(map) = &mut doc {
        match map.get_mut(key) {
            Some(Value::Object(servers)) => {
                servers.shift_remove("trunkline");
            }
            Some(Value::Array(servers)) => {
                servers.retain(|server| server.get("name") != Some(&"trunkline".into()));
            }
            _ => {}
        }
        let empty = |value: &Value| *value == Value::Array(Vec::new()) || *value == Value::Object(Map::new());
        if map.get(key).is_some_and(empty) {
            map.shift_remove(key);
        }
    }
    doc
}

fn json(text: &str) -> Value {
    jsonc_parser::parse_to_serde_value(text, &jsonc_parser::ParseOptions::default()).unwrap()
}

proptest! {
    #[test]
    fn json_keeps_every_key_and_comment(doc in document("mcpServers", false), crlf: bool, compact: bool) {
        let kind = by_id("cursor").unwrap();
        let pretty = commented(&serde_json::to_string_pretty(&doc).unwrap());
        let text = if compact { doc.to_string() } else { pretty };
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let after = connect(kind, Some(&text), &entry()).unwrap();
        prop_assert_eq!(others(json(&after), "mcpServers"), others(doc.clone(), "mcpServers"));
        for line in text.lines().filter(|_| !compact) {
            let number = line.rsplit("// ").next().unwrap();
            prop_assert!(after.lines().any(|after| after.ends_with(&format!("// {number}"))), "{}", after);
        }
        prop_assert_eq!(&connect(kind, Some(&after), &entry()).unwrap(), &after);
        let back = disconnect(kind, &after, "trunkline").unwrap();
        prop_assert_eq!(others(json(&back), "mcpServers"), others(doc, "mcpServers"));
    }

    #[test]
    fn toml_keeps_every_key(doc in document("mcp_servers", false)) {
        let kind = by_id("codex").unwrap();
        let text = toml::to_string(&doc).unwrap();
        let after = connect(kind, Some(&text), &entry()).unwrap();
        let tree: Value = toml::from_str(&after).unwrap();
        prop_assert_eq!(others(tree, "mcp_servers"), others(doc.clone(), "mcp_servers"));
        prop_assert_eq!(&connect(kind, Some(&after), &entry()).unwrap(), &after);
        let back: Value = toml::from_str(&disconnect(kind, &after, "trunkline").unwrap()).unwrap();
        prop_assert_eq!(others(back, "mcp_servers"), others(doc, "mcp_servers"));
    }

    #[test]
    fn toml_lists_keep_every_key(doc in document("mcp_servers", true)) {
        let kind = by_id("vibe").unwrap();
        let text = toml::to_string(&doc).unwrap();
        let after = connect(kind, Some(&text), &entry()).unwrap();
        let tree: Value = toml::from_str(&after).unwrap();
        prop_assert_eq!(others(tree, "mcp_servers"), others(doc, "mcp_servers"));
    }

    /// YAML may be refused, but what is accepted keeps every key.
    #[test]
    fn yaml_keeps_every_key_or_is_refused(doc in document("extensions", false)) {
        let kind = by_id("goose").unwrap();
        let Ok(text) = serde_saphyr::to_string(&doc) else { return Ok(()) };
        if let Ok(after) = connect(kind, Some(&text), &entry()) {
            let tree: Value = serde_saphyr::from_str(&after).unwrap();
            prop_assert_eq!(others(tree, "extensions"), others(doc, "extensions"));
        }
    }

    #[test]
    fn no_text_makes_anything_panic(text in ".{0,80}", name in WORDS) {
        for kind in trunkline_clients::all() {
            let _ = trunkline_clients::read_servers(kind, &text);
            let _ = connect(kind, Some(&text), &TrunklineEntry { name: name.clone(), ..entry() });
            let _ = disconnect(kind, &text, &name);
        }
        let _ = trunkline_clients::diff(&text, &name);
    }
}
