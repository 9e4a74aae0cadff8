//! What a terminal shows, character by character, and that no secret is in it.

use trunkline_config::{Source, load, render};

fn rendered(name: &str, text: &str) -> String {
    match load(Source::new(name, text), &|_| None) {
        Ok(loaded) => render(&loaded.notes, false),
        Err(problems) => render(&problems, false),
    }
}

#[test]
fn a_misspelt_key_is_shown_with_caret_and_hint() {
    let wanted = "\
error: unknown key `bodyByte`
 --> gate.yaml:3:3
  |
3 |   bodyByte: 4MiB
  |   ^^^^^^^^
  |
  = help: did you mean `bodyBytes`?
";
    assert_eq!(rendered("gate.yaml", "listen: 80\nlimits:\n  bodyByte: 4MiB\n"), wanted);
}

#[test]
fn a_value_under_env_is_masked() {
    let wanted = "\
error: the environment variable NO is not set
 --> gate.yaml:2:46
  |
2 |   a: {command: x, env: {KEY: ***, B: ***}}
  |                                      ^^^
  |
  = help: set it, or give a default: ${NO:-...}
";
    let text = "mcpServers:\n  a: {command: x, env: {KEY: 'hunter2', B: 'x${NO}y'}}\n";
    assert_eq!(rendered("gate.yaml", text), wanted);
}

#[test]
fn a_note_is_shown_as_a_note() {
    let wanted = "\
note: the tools of this server get the prefix `My_Server`
 --> gate.json:1:13
  |
1 | {\"servers\":{\"My Server\": {\"command\": \"x\"}}}
  |             ^^^^^^^^^^^
  |
  = help: set `prefix` to choose another
";
    assert_eq!(rendered("gate.json", "{\"servers\":{\"My Server\": {\"command\": \"x\"}}}"), wanted);
}

#[test]
fn colours_are_added_only_when_asked_for() {
    let problems = load(Source::new("a.yaml", "x: 1"), &|_| None).map(|_| ()).expect_err("bad");
    assert!(render(&problems, true).contains('\u{1b}'));
    assert!(!render(&problems, false).contains('\u{1b}'));
}

#[test]
fn no_document_however_broken_shows_a_secret() {
    let documents = [
        (
            "a.yaml",
            "mcpServers:\n  a:\n    command: x\n    env: {T: hunter2, hunter2x: [hunter2]}\n    headers: hunter2\n",
        ),
        ("a.yaml", "mcpServers:\n  a:\n    env:\n      T: \"hunter2\n"),
        ("a.yaml", "mcpServers:\n  a:\n    env:\n      T: hunter2: x\n"),
        ("a.yaml", "mcpServers:\n  a:\n    env: |\n      hunter2\n      hunter2\n   bad\n"),
        (
            "a.json",
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"env\": {\"T\": \"hunter2\"}, \"nope\": 1}}}",
        ),
        ("a.json", "{\"mcpServers\": {\"a\": {\"env\": {\"T\": \"hunter2\" \"B\""),
        ("a.json", "{\"mcpServers\": {\"a\": {\"env\": {\"T\": \"hunter2"),
        ("a.toml", "[mcpServers.a]\nurl = \"https://u:hunter2@h/\"\n"),
        ("a.toml", "[mcpServers.a]\nurl = \"https://h/?key=hunter2#x\"\n"),
        ("a.toml", "[mcpServers.a.env]\nT = \"hunter2\nB = hunter2\n"),
        ("a.toml", "[mcpServers.a.env]\nT = [1, \"hunter2\"]\n"),
        (
            "a.toml",
            "mcpServers.a = {command = \"x\", args = [\"--token\", \"hunter2\"], nope = \"--api-key=hunter2\"}\n",
        ),
    ];
    for (name, text) in documents {
        let shown = rendered(name, text);
        assert!(!shown.is_empty(), "{text}");
        assert!(
            !shown.contains("hunter2 ") && !shown.contains("hunter2\"") && !shown.contains("hunter2\n"),
            "{text}\n{shown}"
        );
    }
}

#[test]
fn no_substituted_value_is_shown() {
    let text = "listen: ${SECRET}\nlog: {level: '${SECRET}'}\nmcpServers: {a: {url: '${SECRET}', era: '${SECRET}', prefix: '${SECRET}'}}\n";
    let problems =
        load(Source::new("a.yaml", text), &|_| Some("hunter2!".to_owned())).map(|_| ()).expect_err("bad");
    assert!(!format!("{} {problems} {problems:?}", render(&problems, false)).contains("hunter2"));
}

#[test]
fn no_document_drives_the_terminal() {
    for (name, text) in [
        ("a.yaml", "\"\\e[31mx\": 1\n"),
        ("a.json", "{\"\u{1b}[31mx\": \"\u{1b}[2J\"}"),
        ("a.toml", "\u{1b} = 1"),
    ] {
        assert!(!rendered(name, text).contains('\u{1b}'), "{text}");
    }
}

#[test]
fn line_endings_and_wide_characters_do_not_move_the_caret() {
    let wanted = "\
error: unknown key `b`
 --> a.yaml:2:13
  |
2 | log: {é: 1, b: 2}
  |             ^
  |
  = help: known keys here: level, format
";
    let shown = rendered("a.yaml", "listen: 1\r\nlog: {é: 1, b: 2}\r\n");
    assert!(shown.contains(wanted), "{shown}");
}
