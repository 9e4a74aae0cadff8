//! What clients of older revisions cannot parse does not reach them, and nothing is dropped without a word
//! (`bridging.md` 6.1).

use serde_json::{Value, json};
use trunkline_e2e::client::{Client, Era};
use trunkline_e2e::driver::{Driver, assert_ok};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::{Gateway, binary};
use trunkline_e2e::peers;
use trunkline_e2e::pipe::Pipe;
use trunkline_e2e::scripted::{self, Scripted, Seen};

const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

fn client(gateway: &Gateway, revision: &str) -> Client {
    let mut client = gateway.client(Era::Legacy);
    client.initialize(revision);
    client
}

/// The blocks that the tool `blocks` ends up with, as `type` and what tells of the original.
fn blocks(result: &Value) -> Vec<(String, String)> {
    let told = |block: &Value| {
        let told = block.get("text").or(block["resource"].get("mimeType")).or(block.get("mimeType"));
        let told = told.or(block.get("uri")).and_then(Value::as_str).unwrap_or_default();
        (block["type"].as_str().unwrap_or_default().to_owned(), told.to_owned())
    };
    result["content"].as_array().into_iter().flatten().map(told).collect()
}

fn expected(revision: &str) -> Vec<(String, String)> {
    let sound = if revision < "2025-03-26" { "resource" } else { "audio" };
    let link = if revision < "2025-06-18" {
        ("text", "static: test://static-text (some text)")
    } else {
        ("resource_link", "test://static-text")
    };
    [("text", "words"), (sound, "audio/wav"), link]
        .map(|(kind, told)| (kind.to_owned(), told.to_owned()))
        .into()
}

#[test]
fn every_revision_gets_only_blocks_that_it_knows_from_servers_of_both_eras() {
    for mode in ["modern-only", "legacy-only"] {
        let fixture = Fixture::ts(mode, &[]);
        let gateway = Gateway::transparent(fixture.entry());
        for revision in REVISIONS {
            let result = client(&gateway, revision).call("blocks", "{}").value();
            assert_eq!(blocks(&result), expected(revision), "{mode} {revision}: {result:#}");
            assert_eq!(result["content"][1]["annotations"]["priority"], 0.5, "{result:#}");
            assert!(result.get("resultType").is_none(), "{result:#}");
        }
        let modern = gateway.client(Era::Modern).call("blocks", "{}").value();
        assert_eq!(blocks(&modern), expected("2026-07-28"), "{modern:#}");
    }
}

#[test]
fn structured_content_and_its_schema_go_together_or_not_at_all() {
    let fixture = Fixture::ts("modern-only", &[]);
    let gateway = Gateway::transparent(fixture.entry());
    let schema = |client: &mut Client, name: &str| {
        let tools = client.request("tools/list", "{}").value();
        let tool = tools["tools"].as_array().into_iter().flatten().find(|tool| tool["name"] == name).cloned();
        tool.unwrap_or_else(|| panic!("no tool {name}"))["outputSchema"].clone()
    };
    for revision in REVISIONS {
        let mut old = client(&gateway, revision);
        for (name, texts) in [("numbers", vec!["[1,2,3]"]), ("either", vec!["fine", r#"{"ok":true}"#])] {
            assert!(schema(&mut old, name).is_null(), "{revision} {name}");
            let result = old.call(name, "{}").value();
            assert!(result.get("structuredContent").is_none(), "{result:#}");
            let said: Vec<String> = blocks(&result).into_iter().map(|(_, told)| told).collect();
            assert_eq!(said, texts, "{revision} {name}");
        }
        assert_eq!(schema(&mut old, "loose")["properties"], json!({ "any": {} }));
        assert_eq!(
            old.call("loose", r#"{"any":[1.10]}"#).value()["structuredContent"],
            json!({ "any": [1.10] })
        );
        assert_eq!(schema(&mut old, "count")["type"], "object");
    }
    let mut modern = gateway.client(Era::Modern);
    assert_eq!(schema(&mut modern, "numbers")["type"], "array");
    assert_eq!(modern.call("numbers", "{}").value()["structuredContent"], json!([1, 2, 3]));
}

#[test]
fn real_old_clients_list_and_call_what_they_cannot_parse_from_the_server_itself() {
    let fixture = Fixture::ts("modern-only", &[]);
    let gateway = Gateway::start(&json!({ "one": fixture.entry() }));
    let steps = [
        ["--call", "one__blocks", "{}"],
        ["--call", "one__numbers", "{}"],
        ["--call", "one__either", "{}"],
        ["--call", "one__loose", r#"{"any":1}"#],
        ["--call", "one__history", "{}"],
    ]
    .concat();
    for driver in [Driver::Ts1, Driver::Ts2("legacy"), Driver::Py1, Driver::Py2("legacy")] {
        let report = driver.http(&gateway.url(), &steps);
        // The SDK has parsed every list and result, or else this would be a failure.
        assert_ok(&report);
        assert!(report["tools"]["items"].as_array().is_some_and(|tools| tools.len() > 20), "{report:#}");
        assert_eq!(report["calls"][1]["result"]["content"][0]["text"], "[1,2,3]", "{report:#}");
        let said = report["calls"][4]["result"]["content"][0]["text"].as_str().unwrap_or_default();
        // 2025-06-18 knows one block in a message only: the last message is the last block.
        let last = if driver == Driver::Py1 { "said: sampled: two" } else { "said: sampled: one" };
        assert_eq!(said, last, "{report:#}");
    }
}

/// `trunkline stdio` in front of the modern server, for a client of 2025-06-18 that can be asked.
fn old_pipe(dir: &std::path::Path, capabilities: &str) -> Pipe {
    let config = dir.join("trunkline.json");
    let servers = json!({ "one": peers::ts_server("modern-only").entry() });
    let document = json!({ "stateDir": dir.join("state"), "mcpServers": servers });
    std::fs::write(&config, document.to_string()).expect("the folder is ours");
    let mut command = std::process::Command::new(binary());
    command.arg("stdio").arg("--config").arg(&config);
    let mut pipe = Pipe::spawn(command);
    pipe.request(
        "initialize",
        &format!(
            r#"{{"protocolVersion":"2025-06-18","capabilities":{capabilities},"clientInfo":{{"name":"e2e","version":"1"}}}}"#
        ),
    );
    pipe.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    pipe
}

/// Calls a tool, answers its questions one after the other, and returns the questions and the text of the result.
fn converse(pipe: &mut Pipe, id: &str, call: &str, answers: &[Value]) -> (Vec<Value>, String) {
    pipe.send(&format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"tools/call","params":{call}}}"#));
    let mut asked = Vec::new();
    loop {
        let message: Value = serde_json::from_str(&pipe.line()).expect("a line is a message");
        if message["id"] == id {
            let text = message["result"]["content"][0]["text"].as_str();
            return (asked, text.unwrap_or_else(|| panic!("no text: {message:#}")).to_owned());
        }
        if message.get("method").is_some() && message.get("id").is_some() {
            let answer = answers.get(asked.len()).unwrap_or_else(|| panic!("asked too often: {message:#}"));
            pipe.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": answer }).to_string());
            asked.push(message);
        }
    }
}

#[test]
fn a_form_is_asked_in_the_words_of_2025_06_18_and_answered_in_the_servers() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut pipe = old_pipe(dir.path(), r#"{"elicitation":{}}"#);
    let call = r#"{"name":"one__choose","arguments":{}}"#;
    let accepted = |content: Value| json!({ "action": "accept", "content": content });
    let (asked, said) = converse(&mut pipe, "a", call, &[accepted(json!({ "age": 7, "colours_1": true }))]);
    let params = &asked[0]["params"];
    assert!(params.get("mode").is_none(), "{params:#}");
    assert_eq!(
        params["requestedSchema"],
        json!({
            "type": "object",
            "required": ["name", "age", "size"],
            "properties": {
                "name": { "type": "string" },
                "age": { "type": "integer" },
                "size": { "type": "string", "enum": ["small", "large"], "enumNames": ["Small", "Large"] },
                "colours_1": { "type": "boolean", "title": "colours: Red", "default": false },
                "colours_2": { "type": "boolean", "title": "colours: Green", "default": true },
                "colours_3": { "type": "boolean", "title": "colours: Blue", "default": false },
            }
        })
    );
    let content: Value = serde_json::from_str(said.strip_prefix("accept ").expect("accepted")).expect("JSON");
    assert_eq!(content, json!({ "name": "Ada", "age": 7, "size": "large", "colours": ["red", "green"] }));

    let call = r#"{"name":"one__choose","arguments":{"many":true}}"#;
    let (asked, said) = converse(
        &mut pipe,
        "b",
        call,
        &[accepted(json!({ "words": "word3" })), accepted(json!({ "words": "word3, Word13" }))],
    );
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[0]["id"], asked[1]["id"]);
    assert_eq!(asked[1]["params"]["message"], "Choose\nwords: Choose at least 2.");
    assert_eq!(said, r#"accept {"words":["word3","word13"]}"#);

    let wrong = accepted(json!({ "words": "nothing" }));
    let (asked, said) = converse(&mut pipe, "c", call, &[wrong.clone(), wrong]);
    assert_eq!((asked.len(), said.as_str()), (2, "cancel {}"));
}

/// What no SDK sends of itself: each tool answers with its own result or error.
const STRANGE: [(&str, &str); 6] = [
    ("chart", r#""result":{"content":[{"type":"chart","points":[1,2.50]}]"#),
    ("bare", r#""result":{"structuredContent":{"a":1.10}"#),
    (
        "page",
        r#""result":{"inputRequests":{"p":{"method":"elicitation/create","params":{"mode":"url","message":"Please sign in","url":"https://example.test/sign-in?k=1"}}}"#,
    ),
    (
        "visit",
        r#""error":{"code":-32042,"message":"visit","data":{"elicitations":[{"mode":"url","elicitationId":"1","url":"https://example.test"}]}"#,
    ),
    ("word", r#""error":{"code":"E_WORD","message":"no number""#),
    ("twice", r#""result":{"content":[],"resultType":"complete","resultType":"input_required""#),
];

fn strange(modern: bool) -> Scripted {
    Scripted::start(move |seen, to| {
        let tools: Vec<String> = STRANGE
            .iter()
            .map(|(name, _)| {
                format!(r#"{{"name":"{name}","inputSchema":{{"type":"object","properties":{{"x":true}}}}}}"#)
            })
            .collect();
        let tools = format!("[{}]", tools.join(","));
        if !scripted::introduce(modern, seen, to) && !scripted::list(modern, &tools, seen, to) {
            to.json(200, &format!(r#"{{"jsonrpc":"2.0","id":{},{}}}}}"#, seen.id(), said(modern, seen)));
        }
    })
}

fn said(modern: bool, seen: &Seen) -> String {
    let params: Value = serde_json::from_str(&seen.params()).expect("params are JSON");
    let said =
        STRANGE.iter().find(|(name, _)| params["name"] == *name).map_or(r#""result":{"#, |(_, said)| said);
    let is_result = said.starts_with(r#""result""#) && !said.contains("resultType");
    let kind = if said.contains("inputRequests") { "input_required" } else { "complete" };
    let era = if modern && is_result { format!(r#","resultType":"{kind}""#) } else { String::new() };
    format!("{said}{era}")
}

#[test]
fn what_no_client_could_parse_reaches_no_legacy_client() {
    for modern in [true, false] {
        let upstream = strange(modern);
        let gateway = Gateway::start(&json!({ "odd": upstream.entry() }));
        for revision in REVISIONS {
            let mut old = client(&gateway, revision);
            let call = |old: &mut Client, name: &str| old.call(&format!("odd__{name}"), "{}");
            assert_eq!(
                call(&mut old, "chart").result(),
                r#"{"content":[{"type":"text","text":"{\"type\":\"chart\",\"points\":[1,2.50]}"}]}"#
            );
            let bare = call(&mut old, "bare").result();
            assert!(bare.contains(r#""structuredContent":{"a":1.10}"#), "{bare}");
            assert!(bare.contains(r#""content":[{"type":"text","text":"{\"a\":1.10}"}]"#), "{bare}");
            let twice = call(&mut old, "twice");
            assert_eq!(twice.reason().as_deref(), Some("bad_answer"), "{}", twice.raw);
            assert_eq!(twice.value()["isError"], true);
            assert_eq!(call(&mut old, "visit").code(), Some(-32042), "passes to legacy clients");
            let word = call(&mut old, "word").error();
            assert_eq!(word["code"], -32603, "{word:#}");
            assert_eq!(word["data"]["original"]["code"], "E_WORD", "{word:#}");
            if modern {
                let page = call(&mut old, "page").value();
                assert_eq!(page["isError"], true, "{page:#}");
                let text = page["content"][0]["text"].as_str().unwrap_or_default();
                for part in ["\"odd\"", "Please sign in", "https://example.test/sign-in?k=1"] {
                    assert!(text.contains(part), "{text}");
                }
            }
            let listed = &old.request("tools/list", "{}").value()["tools"][0];
            assert_eq!(listed["inputSchema"]["properties"], json!({ "x": {} }));
        }
        let mut new = gateway.client(Era::Modern);
        assert!(new.call("odd__chart", "{}").result().contains(r#"[{"type":"chart","points":[1,2.50]}]"#));
        let visit = new.call("odd__visit", "{}");
        assert_eq!((visit.head.status, visit.code()), (200, Some(-32603)), "{}", visit.raw);
        assert_eq!(visit.error()["data"]["original"]["code"], -32042);
    }
}

#[test]
fn real_old_clients_parse_what_the_gateway_made_of_it() {
    let upstream = strange(true);
    let gateway = Gateway::start(&json!({ "odd": upstream.entry() }));
    let steps = ["--call", "odd__chart", "{}", "--call", "odd__bare", "{}", "--call", "odd__twice", "{}"];
    for driver in [Driver::Ts1, Driver::Ts2("legacy"), Driver::Py1, Driver::Py2("legacy")] {
        assert_ok(&driver.http(&gateway.url(), &steps));
    }
}

#[test]
fn methods_of_the_other_era_are_unknown_to_modern_clients() {
    let upstream = strange(true);
    let gateway = Gateway::start(&json!({ "odd": upstream.entry() }));
    let mut new = gateway.client(Era::Modern);
    for (method, params) in [
        ("ping", "{}"),
        (
            "initialize",
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"a","version":"1"}}"#,
        ),
        ("logging/setLevel", r#"{"level":"info"}"#),
        ("resources/subscribe", r#"{"uri":"a:b"}"#),
        ("resources/unsubscribe", r#"{"uri":"a:b"}"#),
        ("nothing/at_all", "{}"),
    ] {
        let reply = new.request(method, params);
        assert_eq!((reply.head.status, reply.code()), (404, Some(-32601)), "{method}: {}", reply.raw);
    }
}
