//! Input nobody wrote with good intentions, or finished writing at all.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy knows this only inside test functions"
)]

use std::path::Path;

use trunkline_clients::{
    ClientKind, EditError, Format, Prefer, ReadError, TrunklineEntry, all, by_id, connect, diff, disconnect,
    read_any, read_servers,
};

/// Deep enough to overflow the stack of a parser without a limit.
const DEPTH: usize = 10_000;

fn kind(id: &str) -> &'static ClientKind {
    by_id(id).unwrap()
}

fn entry(name: &str) -> TrunklineEntry {
    TrunklineEntry {
        name: name.to_owned(),
        url: "http://127.0.0.1:8080/mcp".to_owned(),
        stdio_command: vec!["trunkline".to_owned(), "stdio".to_owned()],
        prefer: Prefer::Http,
    }
}

fn golden(id: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(id);
    let names = ["before.json", "before.jsonc", "before.toml", "before.yaml"];
    names.iter().find_map(|name| std::fs::read_to_string(folder.join(name)).ok()).unwrap()
}

#[test]
fn a_file_cut_off_anywhere_is_an_error_or_a_smaller_file_and_never_a_panic() {
    for kind in all() {
        let text = golden(kind.id);
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let cut = &text[..end];
            let _ = read_servers(kind, cut);
            let _ = read_any(Path::new("x"), cut);
            let _ = diff(cut, &text);
            if let Ok(after) = connect(kind, Some(cut), &entry("trunkline")) {
                assert!(disconnect(kind, &after, "trunkline").is_ok(), "{} at {end}", kind.id);
            }
        }
    }
}

#[test]
fn ten_thousand_levels_are_refused_by_every_format() {
    let deep = [
        ("cursor", "[".repeat(DEPTH)),
        ("cursor", format!("{{\"mcpServers\":{}1{}}}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH))),
        ("codex", format!("a = {}{}", "[".repeat(DEPTH), "]".repeat(DEPTH))),
        ("codex", format!("a = {}", "{a=".repeat(DEPTH))),
        ("codex", format!("{}a = 1", "a.".repeat(DEPTH))),
        ("codex", format!("[{}a]", "a.".repeat(DEPTH))),
        ("goose", format!("a: {}{}", "[".repeat(DEPTH), "]".repeat(DEPTH))),
        ("goose", format!("a: {}", "{a: ".repeat(DEPTH))),
        ("goose", "- ".repeat(DEPTH)),
    ];
    for (id, text) in deep {
        let start: String = text.chars().take(12).collect();
        let read = read_servers(kind(id), &text);
        assert!(matches!(read, Err(ReadError::Syntax { .. })), "{id} {start}: {read:?}");
        assert!(connect(kind(id), Some(&text), &entry("trunkline")).is_err(), "{id} {start}");
        assert!(read_any(Path::new("x"), &text).is_err(), "{id} {start}");
    }
}

#[test]
fn a_yaml_bomb_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let last = level - 1;
        let references = vec![format!("*a{last}"); 9].join(", ");
        bomb.extend([format!("a{level}: &a{level} [{references}]\n")]);
    }
    assert!(matches!(read_servers(kind("goose"), &bomb), Err(ReadError::Syntax { .. })));
}

#[test]
fn a_wrong_type_is_named_with_the_path_to_it() {
    for (id, text, path, expected, found) in [
        ("cursor", "[]", "(the whole file)", "a map", "a list"),
        ("cursor", r#"{"mcpServers": 5}"#, "mcpServers", "a map or list of servers", "a number"),
        ("cursor", r#"{"mcpServers": {"a": "b"}}"#, "mcpServers.a", "a map", "a text"),
        ("cursor", r#"{"mcpServers": {"a": {"command": 1}}}"#, "mcpServers.a.command", "a text", "a number"),
        (
            "cursor",
            r#"{"mcpServers": {"a": {"args": "x"}}}"#,
            "mcpServers.a.args",
            "a list of texts",
            "a text",
        ),
        ("cursor", r#"{"mcpServers": {"a": {"args": [1, {}]}}}"#, "mcpServers.a.args[1]", "a text", "a map"),
        ("cursor", r#"{"mcpServers": {"a": {"env": {"K": []}}}}"#, "mcpServers.a.env.K", "a text", "a list"),
        ("zed", r#"{"context_servers": {"a": {"url": {}}}}"#, "context_servers.a.url", "a text", "a map"),
        ("codex", "[mcp_servers.a]\nenabled = 1", "mcp_servers.a.enabled", "a boolean", "a number"),
        ("vibe", "[[mcp_servers]]\nname = 1", "mcp_servers[0].name", "a text", "a number"),
        ("continue", "mcpServers:\n- name: a\n  url: 1", "mcpServers[0].url", "a text", "a number"),
        ("goose", "extensions:\n  a:\n    timeout: x", "extensions.a.timeout", "a number", "a text"),
        ("opencode", r#"{"mcp": {"a": {"command": [null]}}}"#, "mcp.a.command[0]", "a text", "null"),
    ] {
        let wanted = ReadError::WrongType { path: path.to_owned(), expected, found };
        assert_eq!(read_servers(kind(id), text), Err(wanted), "{id} {text}");
    }
}

#[test]
fn a_container_of_the_wrong_type_is_not_overwritten() {
    for (id, text) in [
        ("cursor", r#"{"mcpServers": 5}"#),
        ("cursor", r#"{"mcpServers": [{"name": "a"}]}"#),
        ("cursor", "[]"),
        ("codex", "mcp_servers = 5"),
        ("goose", "extensions: text"),
        ("opencode", r#"{"mcp": true}"#),
    ] {
        assert!(connect(kind(id), Some(text), &entry("trunkline")).is_err(), "{id} {text}");
    }
}

#[test]
fn yaml_that_is_not_plain_blocks_is_refused_with_something_to_paste() {
    for text in [
        "extensions: {a: {type: builtin}}\n",
        "extensions: &x\n  a: {type: builtin}\n",
        "{extensions: {a: {type: builtin}}}\n",
        "a: 1\n...\n",
    ] {
        match connect(kind("goose"), Some(text), &entry("trunkline")) {
            Err(EditError::Unsafe { snippet, .. }) => {
                assert!(snippet.starts_with("extensions:\n  trunkline:\n"));
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn yaml_habits_that_are_plain_enough_are_edited() {
    let golden = golden("goose");
    let unindented = "mcpServers: # mine\n- name: a\n  url: http://a\nmodels: []\n";
    for (id, text, keeps) in [
        ("goose", "extensions: {} # none yet\nA: 1\n", "extensions: # none yet\n  trunkline:\n"),
        ("goose", "A: 1\nextensions:\n", "A: 1\nextensions:\n  trunkline:\n"),
        ("goose", "---\n# c\nA: |\n  extensions: no\n", "  extensions: no\nextensions:\n  trunkline:\n"),
        ("goose", "A: 1", "A: 1\nextensions:\n  trunkline:\n"),
        ("goose", "'extensions':\n    a:\n        type: builtin\n", "builtin\n    trunkline:\n      type"),
        ("goose", golden.as_str(), "# end of extensions\n"),
        ("continue", unindented, "  url: http://a\n- name: trunkline\n  type: streamable-http\n"),
        ("continue", "name: x\n", "name: x\nmcpServers:\n  - name: trunkline\n"),
    ] {
        let after = connect(kind(id), Some(text), &entry("trunkline")).unwrap();
        assert!(after.contains(keeps), "{after}");
        assert_eq!(after.ends_with('\n'), text.ends_with('\n'));
        let back = disconnect(kind(id), &after, "trunkline").unwrap();
        assert!(!back.contains("trunkline"), "{back}");
    }
}

#[test]
fn opencode_two_keeps_its_servers_one_level_deeper() {
    let text = "{\n  \"mcp\": {\n    \"servers\": {}\n  }\n}\n";
    let after = connect(kind("opencode"), Some(text), &entry("trunkline")).unwrap();
    assert!(after.contains("\"servers\": {\n      \"trunkline\": {"), "{after}");
    assert_eq!(read_servers(kind("opencode"), &after).unwrap().len(), 1);
    let named = r#"{"mcp": {"servers": {"type": "remote", "url": "http://a"}}}"#;
    assert_eq!(read_servers(kind("opencode"), named).unwrap()[0].name, "servers");
}

#[test]
fn comments_of_a_toml_file_survive_a_replaced_and_a_removed_entry() {
    let text =
        "# top\na = 1 # one\n\n# ours\n[mcp_servers.trunkline]\nurl = \"x\"\n\n# last\n[b]\nc = 2\n# end\n";
    let after = connect(kind("codex"), Some(text), &entry("trunkline")).unwrap();
    let back = disconnect(kind("codex"), &after, "trunkline").unwrap();
    for comment in ["# top", "# one", "# ours", "# last", "# end"] {
        assert!(after.contains(comment) && back.contains(comment), "{comment}: {back}");
    }
    let vibe = connect(kind("vibe"), Some("# none\nmcp_servers = []\nb = 1\n"), &entry("trunkline")).unwrap();
    assert!(vibe.contains("# none\n[[mcp_servers]]\n"), "{vibe}");
}

#[test]
fn a_bare_map_and_a_gemini_file_are_known_by_shape() {
    let bare = read_any(Path::new("x.json"), r#"{"a": {"command": "b"}}"#).unwrap();
    assert_eq!(bare[0].command.as_deref(), Some("b"));
    let foreign = read_any(Path::new("x.json"), r#"{"extensions": {"a": {"version": "1"}}}"#);
    assert_eq!(foreign, Err(ReadError::Unrecognised));
    let seconds =
        read_any(Path::new("/h/.config/zed/settings.json"), r#"{"context_servers": {"a": {"timeout": 2}}}"#);
    assert_eq!(seconds.unwrap()[0].timeout_ms, Some(2000));
}

#[test]
fn two_keys_of_one_name_are_refused_rather_than_guessed_at() {
    let text = r#"{"mcpServers": {"a": {"url": "http://a"}}, "mcpServers": {}}"#;
    assert!(matches!(
        connect(kind("cursor"), Some(text), &entry("trunkline")),
        Err(EditError::Unsafe { .. })
    ));
}

#[test]
fn names_that_need_quoting_are_quoted() {
    for kind in all() {
        for name in ["a.b", "with space", "ü\"'\\", "null", "#x", "- y", "a: b", "*z", "{}", "1"] {
            let once = connect(kind, Some(&golden(kind.id)), &entry(name));
            let once = once.unwrap_or_else(|error| panic!("{} {name}: {error}", kind.id));
            let names = read_servers(kind, &once).unwrap().into_iter().map(|server| server.name);
            assert!(names.into_iter().any(|found| found == name), "{} {name}", kind.id);
        }
    }
}

#[test]
fn errors_do_not_repeat_the_text_of_the_file() {
    for (id, text) in [
        ("cursor", "{\"env\": {\"T\": hunter22}}"),
        ("codex", "[mcp_servers.a]\ntoken = hunter22\n"),
        ("goose", "extensions:\n  a: \"hunter22\n b: ["),
        ("goose", "extensions:\n  a: [hunter22"),
        ("goose", "extensions:\n  a: *b\n  c: hunter22\n"),
        ("goose", "extensions:\n  a: 1\n  a: hunter22\n"),
    ] {
        let error = read_servers(kind(id), text).unwrap_err();
        assert!(!error.to_string().contains("hunter22") && !error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn the_line_of_a_syntax_error_is_told() {
    for (id, text, at) in [
        ("cursor", "{\n  \"a\": 1,\n  oops\n}", 3),
        ("codex", "a = 1\nb = = 2\n", 2),
        ("goose", "a: 1\nb: [1\nc: 2\n", 3),
    ] {
        match read_servers(kind(id), text) {
            Err(ReadError::Syntax { line: Some(line), format, .. }) => {
                assert!(line == at || format == Format::Yaml, "{id}: {line}");
            }
            other => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn a_client_that_starts_programs_needs_one() {
    let bare = TrunklineEntry { stdio_command: Vec::new(), ..entry("trunkline") };
    let error = connect(kind("claude-desktop"), None, &bare).unwrap_err();
    assert_eq!(error, EditError::NoCommand { client: "Claude Desktop" });
    assert_eq!(connect(kind("cursor"), None, &entry(" ")).unwrap_err(), EditError::NoName);
}
