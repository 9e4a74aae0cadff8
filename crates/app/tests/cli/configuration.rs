//! `init`, `check`, and what needs no configuration at all.

use std::process::Stdio;

use crate::command::Person;

const BAD: &str = "listen: nowhere\nmcpServers:\n  git:\n    comand: git-mcp\n";

#[test]
fn help_names_every_command() {
    let person = Person::new();
    let help = person.run(&["--help"]);
    assert_eq!(help.code, 0);
    for command in [
        "serve",
        "stdio",
        "init",
        "import",
        "connect",
        "check",
        "doctor",
        "tools",
        "call",
        "version",
        "completions",
        "schema",
    ] {
        assert!(help.out.contains(&format!("  {command} ")), "{command}: {}", help.out);
        assert_eq!(person.run(&[command, "--help"]).code, 0, "{command}");
    }
    assert!(!help.out.contains("shepherd"));
    assert_eq!(person.run(&[]).code, 2);
    assert_eq!(person.run(&["sevre"]).code, 2);
}

#[test]
fn init_writes_a_configuration_that_checks_and_never_overwrites() {
    let person = Person::new();
    let init = person.run(&["init"]);
    assert_eq!((init.code, init.out.as_str()), (0, ""), "{init:?}");
    assert!(init.err.contains("trunkline serve"), "{}", init.err);
    let check = person.run(&["check"]);
    assert_eq!(check.code, 0, "{check:?}");
    assert!(check.out.contains("1 server"), "{}", check.out);
    person.write("trunkline.yaml", "mcpServers: {}\n");
    let again = person.run(&["init"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("is there already"), "{}", again.err);
    assert_eq!(person.read("trunkline.yaml"), "mcpServers: {}\n");
    assert_eq!(person.run(&["init", "--force"]).code, 0);
}

#[test]
fn every_problem_is_shown_at_once_with_code_78() {
    let person = Person::new();
    let bad = person.write("bad.yaml", BAD);
    let bad = bad.to_str().unwrap();
    let check = person.run(&["check", "--config", bad]);
    assert_eq!(check.code, 78);
    assert!(check.out.contains("bad.yaml:1:9") && check.out.contains("bad.yaml:4:5"), "{}", check.out);
    assert!(check.out.contains('^') && check.out.contains("command"), "{}", check.out);
    for command in ["serve", "stdio", "doctor", "tools"] {
        let ended = person.run(&[command, "--config", bad]);
        assert_eq!((ended.code, ended.out.as_str()), (78, ""), "{command}: {ended:?}");
        assert!(ended.err.contains("bad.yaml:1:9") && ended.err.contains("bad.yaml:4:5"), "{}", ended.err);
    }
    let json = person.run(&["check", "--config", bad, "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &report["ok"]), (78, &false.into()));
    assert!(report["problems"].as_array().unwrap().len() >= 2, "{report}");
}

#[test]
fn the_configuration_is_found_by_flag_variable_folder_and_home() {
    let person = Person::new();
    let nothing = person.run(&["check"]);
    assert_eq!(nothing.code, 78);
    assert!(nothing.err.contains("trunkline init"), "{}", nothing.err);
    person.write(".config/trunkline/config.toml", "listen = \"127.0.0.1:4001\"\n");
    assert!(person.run(&["check"]).out.contains(":4001"));
    person.write("trunkline.json", "{\"listen\": \"127.0.0.1:4002\"}");
    assert!(person.run(&["check"]).out.contains(":4002"));
    person.write("v.yaml", "listen: 127.0.0.1:4003\n");
    let output = person.command(&["check"]).env("TRUNKLINE_CONFIG", "v.yaml").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains(":4003"));
    person.write("f.yaml", "listen: 127.0.0.1:4004\n");
    assert!(person.run(&["check", "-c", "f.yaml"]).out.contains(":4004"));
    assert_eq!(person.run(&["check", "-c", "missing.yaml"]).code, 78);
}

#[test]
fn version_schema_and_completions_need_nothing() {
    let person = Person::new();
    let json = person.run(&["version", "--output", "json"]);
    let version: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    for key in ["commit", "rustc", "target", "features"] {
        assert!(!version[key].is_null(), "{key}: {version}");
    }
    assert_eq!(person.run(&["--version"]).out, format!("trunkline {}\n", env!("CARGO_PKG_VERSION")));
    let schema: serde_json::Value = serde_json::from_str(&person.run(&["schema"]).out).unwrap();
    assert!(schema["properties"]["mcpServers"].is_object());
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = person.run(&["completions", shell]);
        assert!(script.code == 0 && script.out.contains("doctor"), "{shell}");
    }
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let person = Person::new();
    let mut child =
        person.command(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = crate::command::ended(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
}

#[test]
fn colours_follow_the_flag_and_the_environment() {
    let person = Person::new();
    person.write("trunkline.yaml", BAD);
    assert!(!person.run(&["check"]).out.contains('\u{1b}'));
    assert!(person.run(&["check", "--color", "always"]).out.contains('\u{1b}'));
    let forced = person.command(&["check"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(forced.stdout.contains(&0x1b));
    let never = person.command(&["check", "--color", "never"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(!never.stdout.contains(&0x1b));
}
