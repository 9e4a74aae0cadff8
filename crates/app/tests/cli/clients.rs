//! `import` and `connect`, on the files of other programs.

use crate::command::Person;

const CLAUDE: &str = r#"{
  "theme": "dark",
  "mcpServers": {
    "git": { "command": "git-mcp", "args": ["--root", "."], "env": { "GIT_TOKEN": "ghp_0123456789abcdefghij" } },
    "gateway": { "type": "http", "url": "http://127.0.0.1:8808/mcp" }
  }
}
"#;

fn person() -> Person {
    let person = Person::new();
    person.write(".claude.json", CLAUDE);
    person.write(".cursor/mcp.json", r#"{"mcpServers":{"web":{"url":"https://web.example/mcp"}}}"#);
    person
}

#[test]
fn without_a_choice_import_only_lists() {
    let person = person();
    let list = person.run(&["import"]);
    assert_eq!(list.code, 0, "{list:?}");
    assert!(
        list.out.contains("claude-code") && list.out.contains("git, gateway") && list.out.contains("cursor")
    );
    assert!(!person.path("trunkline.yaml").exists());
}

#[test]
fn import_takes_over_every_server_but_trunkline_itself() {
    let person = person();
    let dry = person.run(&["import", "--all", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(dry.out.contains("+  git:") && !dry.out.contains("ghp_"), "{}", dry.out);
    assert!(!person.path("trunkline.yaml").exists());
    let import = person.run(&["import", "--all", "--secrets-to-env"]);
    assert_eq!(import.code, 0, "{import:?}");
    assert!(import.err.contains("GIT_TOKEN") && import.err.contains("it is Trunkline"), "{}", import.err);
    let config = person.read("trunkline.yaml");
    assert!(config.contains("${GIT_TOKEN}") && config.contains("web.example"), "{config}");
    assert!(!config.contains("ghp_") && !config.contains("gateway"), "{config}");
    let check = person.command(&["check"]).env("GIT_TOKEN", "x").output().unwrap();
    let report = String::from_utf8(check.stdout).unwrap();
    assert!(report.contains("2 servers") || report.contains("git-mcp"), "{report}");
    let again = person.run(&["import", "--all", "--secrets-to-env"]);
    assert!(again.err.contains("Nothing to add"), "{}", again.err);
    assert_eq!(person.read("trunkline.yaml"), config);
}

#[test]
fn import_adds_to_each_format_and_backs_the_file_up() {
    let person = person();
    for (name, text) in [
        ("a.yaml", "# mine\nmcpServers:\n  old:\n    command: sh # keep\n"),
        ("b.json", "{\n  // mine\n  \"mcpServers\": { \"old\": { \"command\": \"sh\" } }\n}\n"),
        ("c.toml", "# mine\n[mcpServers.old]\ncommand = \"sh\"\n"),
    ] {
        person.write(name, text);
        let import = person.run(&["import", "--from", "cursor", "--to", name]);
        assert_eq!(import.code, 0, "{import:?}");
        let new = person.read(name);
        assert!(new.contains("mine") && new.contains("old") && new.contains("web.example"), "{new}");
        let check = person.run(&["check", "-c", name]);
        assert!(check.code == 0 && check.out.contains("2 servers"), "{check:?}");
        let backup =
            person.files().into_iter().find(|file| file.starts_with(&format!("{name}.bak-"))).unwrap();
        assert_eq!(person.read(&backup), text);
    }
}

#[test]
fn copied_credentials_are_warned_about() {
    let person = person();
    let import = person.run(&["import", "--from", ".claude.json", "--to", "t.yaml"]);
    assert_eq!(import.code, 0, "{import:?}");
    assert!(import.err.contains("credentials were copied") && !import.err.contains("ghp_"), "{}", import.err);
    assert!(person.read("t.yaml").contains("ghp_"));
}

#[test]
fn connect_edits_with_a_backup_and_undoes_itself() {
    let person = person();
    let args = ["connect", "claude-code"];
    let dry = person.run(&["connect", "claude-code", "--dry-run"]);
    assert!(dry.code == 0 && dry.out.contains('+') && dry.out.contains("trunkline"), "{dry:?}");
    assert_eq!(person.read(".claude.json"), CLAUDE);
    let connect = person.run(&args);
    assert_eq!(connect.code, 0, "{connect:?}");
    let edited: serde_json::Value = serde_json::from_str(&person.read(".claude.json")).unwrap();
    assert_eq!(edited["theme"], "dark");
    assert_eq!(edited["mcpServers"]["trunkline"]["url"], "http://127.0.0.1:8808/mcp");
    let backup = person.files().into_iter().find(|file| file.starts_with(".claude.json.bak-")).unwrap();
    assert_eq!(person.read(&backup), CLAUDE);
    assert!(person.run(&args).err.contains("already"));
    let list = person.run(&["connect", "--list"]).out;
    let line = list.lines().find(|line| line.starts_with("claude-code") && line.contains("user")).unwrap();
    assert!(line.contains("connected"), "{list}");
    assert_eq!(person.run(&["connect", "claude-code", "--remove"]).code, 0);
    let edited: serde_json::Value = serde_json::from_str(&person.read(".claude.json")).unwrap();
    assert!(edited["mcpServers"].get("trunkline").is_none());
}

#[test]
fn connect_knows_the_configuration_and_the_other_way_to_reach_us() {
    let person = person();
    person.write("trunkline.yaml", "listen: 127.0.0.1:4321\n");
    let http = person.run(&["connect", "cursor", "--dry-run"]);
    assert!(http.out.contains("127.0.0.1:4321/mcp"), "{http:?}");
    let stdio = person.run(&["connect", "cursor", "--stdio", "--dry-run"]);
    assert!(stdio.out.contains("\"stdio\"") && stdio.out.contains("trunkline.yaml"), "{stdio:?}");
}

#[test]
fn an_unknown_client_comes_with_a_suggestion() {
    let person = person();
    let connect = person.run(&["connect", "claude-cod"]);
    assert_eq!(connect.code, 2);
    assert!(connect.err.contains("did you mean \"claude-code\"?"), "{}", connect.err);
    assert_eq!(person.run(&["import", "--from", "cursr"]).code, 2);
}
