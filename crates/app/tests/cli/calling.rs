//! `doctor`, `tools`, `call` and `stdio`, with a server made of a few lines of shell.

use std::io::Write;
use std::process::Stdio;

use crate::command::{Ended, Person, ended};

/// A legacy server: refuses the probe, introduces itself, has two tools.
const SERVER: &str = r#"
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"method":"initialize"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"shell","version":"1"}}}\n' "$id" ;;
    *'"method":"tools/list"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"echo","description":"Says it again.","inputSchema":{"type":"object","properties":{"text":{"type":"string"},"times":{"type":"integer"}}}},{"name":"fail","inputSchema":{"type":"object"}}]}}\n' "$id" ;;
    *'"name":"fail"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"no"}],"isError":true}}\n' "$id" ;;
    *'"method":"tools/call"'*) got=$(printf '%s' "$line" | sed 's/.*"arguments":\({[^}]*}\).*/\1/; s/"/\\"/g'); printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"%s"}]}}\n' "$id" "$got" ;;
    *'"id":'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}\n' "$id" ;;
  esac
done
"#;

fn person() -> Person {
    let person = Person::new();
    person.write("server.sh", SERVER);
    person.write("good.yaml", "mcpServers:\n  shell:\n    command: sh\n    args: [server.sh]\n");
    person.write(
        "mixed.yaml",
        "mcpServers:\n  shell:\n    command: sh\n    args: [server.sh]\n  broken:\n    command: sh\n    args: [-c, \"echo I am broken >&2; exit 3\"]\n",
    );
    person
}

fn call(args: &[&str]) -> Ended {
    person().run(&[&["call", "-c", "good.yaml"], args].concat())
}

#[test]
fn doctor_reports_what_works_and_why_the_rest_does_not() {
    let person = person();
    let good = person.run(&["doctor", "-c", "good.yaml"]);
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.out.contains("2025-11-25") && good.out.contains("legacy"), "{}", good.out);
    let mixed = person.run(&["doctor", "-c", "mixed.yaml"]);
    assert_eq!(mixed.code, 69, "{mixed:?}");
    assert!(mixed.out.contains("| I am broken") && mixed.out.contains("ready"), "{}", mixed.out);
    let json = person.run(&["doctor", "-c", "mixed.yaml", "--output", "json", "--server", "shell"]);
    let report: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &report["servers"][0]["tools"]), (0, &2.into()), "{report}");
    assert_eq!(person.run(&["doctor", "-c", "good.yaml", "--server", "shel"]).code, 2);
}

#[test]
fn tools_lists_what_is_exposed_and_names_what_is_missing() {
    let person = person();
    let tools = person.run(&["tools", "-c", "mixed.yaml"]);
    assert_eq!(tools.code, 0, "{tools:?}");
    assert!(tools.out.contains("shell__echo") && tools.out.contains("Says it again."), "{}", tools.out);
    assert!(tools.err.contains("broken"), "{}", tools.err);
    let json = person.run(&["tools", "-c", "good.yaml", "--output", "json"]);
    let list: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&list[0]["server"], &list[0]["original"]), (&"shell".into(), &"echo".into()));
    assert_eq!(person.run(&["tools", "-c", "mixed.yaml", "--server", "broken"]).code, 69);
}

#[test]
fn call_types_arguments_and_prints_the_text() {
    let typed = call(&["shell__echo", "--arg", "text=5", "--arg", "times=5"]);
    assert_eq!((typed.code, typed.out.as_str()), (0, "{\"text\":\"5\",\"times\":5}\n"), "{typed:?}");
    let json = call(&["echo", "--args-json", "{\"times\":12345678901234567890123}", "--output", "json"]);
    assert!(json.code == 0 && json.out.contains("12345678901234567890123"), "{json:?}");
}

#[test]
fn call_says_what_is_wrong() {
    let unknown = call(&["shell__ecko"]);
    assert!(unknown.code == 2 && unknown.err.contains("did you mean \"shell__echo\"?"), "{unknown:?}");
    let argument = call(&["shell__echo", "--arg", "txet=5"]);
    assert!(argument.code == 2 && argument.err.contains("did you mean \"text\"?"), "{argument:?}");
    let failed = call(&["shell__fail"]);
    assert_eq!((failed.code, failed.out.as_str()), (1, "no\n"), "{failed:?}");
    let down = person().run(&["call", "-c", "mixed.yaml", "broken__x"]);
    assert_eq!(down.code, 69, "{down:?}");
}

#[test]
fn stdio_speaks_mcp_and_nothing_else_on_stdout() {
    let person = person();
    let mut command = person.command(&["stdio", "-c", "good.yaml"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}\n",
        )
        .unwrap();
    // The answers must be there before the end of stdin ends the conversation.
    let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut listed = String::new();
    while !listed.contains("shell__echo") {
        let mut line = String::new();
        assert_ne!(std::io::BufRead::read_line(&mut reader, &mut line).unwrap(), 0, "stdout ended early");
        let _: serde_json::Value = serde_json::from_str(&line).unwrap();
        listed = line;
    }
    drop(stdin);
    let ended = ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(person.run(&["stdio", "-c", "good.yaml", "--profile", "x"]).code, 2);
}
