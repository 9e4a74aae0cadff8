use std::path::Path;

use serde_json::{Value, json};

use super::existing;

fn entries() -> Vec<(String, Value)> {
    vec![
        (
            "git".to_owned(),
            json!({"command": "npx", "args": ["-y", "@x/git@1.0"], "env": {"A": "${A}", "N": "5"}}),
        ),
        ("web one".to_owned(), json!({"url": "https://h/mcp", "disabled": true})),
    ]
}

fn added(name: &str, text: &str) -> Result<String, String> {
    existing(Path::new(name), Some(text.to_owned()))?.with(&entries())
}

#[test]
fn entries_are_added_and_comments_stay() {
    for (name, text) in [
        (
            "a.yaml",
            "# top\nlisten: 127.0.0.1:1\nmcpServers: # mine\n    # first\n    old:\n        command: x\nlog:\n  level: info\n",
        ),
        ("b.yml", "servers: {}\n# end\n"),
        ("c.yaml", "listen: 127.0.0.1:1"),
        (
            "d.json",
            "{\n  // top\n  \"mcpServers\": {\n    \"old\": { \"command\": \"x\" }, // mine\n  },\n}\n",
        ),
        ("e.json", "{}"),
        ("f.toml", "# top\nlisten = \"127.0.0.1:1\"\n\n[mcp_servers.old]\ncommand = \"x\" # mine\n"),
        ("g.toml", ""),
        ("h.yaml", ""),
    ] {
        let new = added(name, text).unwrap();
        for comment in ["# top", "# mine", "# first", "# end", "// top", "// mine"] {
            assert_eq!(text.contains(comment), new.contains(comment), "{name} {comment}\n{new}");
        }
        let servers = existing(Path::new(name), Some(new)).unwrap().servers();
        assert_eq!(servers["git"], entries()[0].1, "{name}");
        assert_eq!(servers.contains_key("old"), text.contains("old"), "{name}");
    }
}

#[test]
fn what_cannot_be_edited_safely_is_left_alone() {
    for (name, text) in [
        ("a.yaml", "mcpServers: {old: {command: x}}\n"),
        ("b.yaml", "mcpServers:\n- name: old\n  command: x\n"),
        ("c.json", "[]"),
        ("d.yaml", "a: [\n"),
    ] {
        assert!(added(name, text).is_err(), "{name}");
    }
}
