//! Tasks of legacy servers, for clients of both eras.

use std::time::Duration;

use serde_json::{Value, json};
use trunkline_e2e::client::Era;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::scripted::{Scripted, introduce, list};
use trunkline_e2e::{json as text, peers, wait};

use super::{DECLARES, DECLARES_AND_ANSWERS, RESEARCH, able, about, everything, is_final, poll, task_id};

#[test]
fn a_legacy_client_has_its_task_at_a_legacy_server_among_several() {
    let gateway = Gateway::start(&json!({
        "one": peers::everything().entry(),
        "two": peers::everything().entry(),
    }));
    let mut client = gateway.client(Era::Legacy);
    let hello = client.initialize("2025-11-25");
    assert!(hello["capabilities"]["tasks"]["requests"]["tools"]["call"].is_object(), "{hello}");
    let params = json!({ "name": format!("two__{RESEARCH}"), "arguments": { "topic": "gateways" }, "task": { "ttl": 60000 } });
    let made = client.request("tools/call", &params.to_string()).value();
    let id = task_id(&made["task"]);
    assert_eq!(made["task"]["status"], "working", "{made}");
    assert_eq!(made["task"]["pollInterval"], 1000, "{made}");
    let listed = client.request("tasks/list", "{}").value();
    assert_eq!(listed["tasks"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(task_id(&listed["tasks"][0]), id);
    // It blocks until the end, as the revision wants it.
    let result = client.request("tasks/result", &about(&id));
    assert!(result.text().contains("Research Report: gateways"), "{}", result.raw);
    assert_eq!(result.value()["_meta"]["io.modelcontextprotocol/related-task"]["taskId"], id.as_str());
    let last = client.request("tasks/get", &about(&id)).value();
    assert_eq!((task_id(&last), last["status"].as_str()), (id.clone(), Some("completed")));
    assert_eq!(client.request("tasks/cancel", &about(&id)).code(), Some(-32602));
    let again = client.request("tools/call", &params.to_string()).value();
    let again = task_id(&again["task"]);
    let cancelled = client.request("tasks/cancel", &about(&again)).value();
    assert_eq!((task_id(&cancelled), cancelled["status"].as_str()), (again.clone(), Some("cancelled")));
    // Another session knows nothing of any of them.
    let mut other = gateway.client(Era::Legacy);
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        assert_eq!(other.request(method, &about(&id)).code(), Some(-32602), "{method}");
    }
    assert_eq!(other.request("tasks/list", "{}").value()["tasks"], json!([]));
    let mut modern = able(&gateway, Era::Modern, DECLARES);
    assert_eq!(modern.request("tasks/get", &about(&id)).code(), Some(-32602));
}

#[test]
fn a_modern_client_gets_a_task_of_a_legacy_server() {
    let gateway = everything();
    let mut client = able(&gateway, Era::Modern, DECLARES);
    let hello = client.request("server/discover", "{}").value();
    assert!(hello["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_object(), "{hello}");
    let made = client.call(&format!("one__{RESEARCH}"), r#"{"topic":"bridges"}"#).value();
    assert_eq!(
        (made["resultType"].as_str(), made["status"].as_str()),
        (Some("task"), Some("working")),
        "{made}"
    );
    assert_eq!(
        (made["ttlMs"].as_u64(), made["pollIntervalMs"].as_u64()),
        (Some(300_000), Some(1000)),
        "{made}"
    );
    let id = task_id(&made);
    let mut said = Vec::new();
    let last = poll(&mut client, &id, |task| {
        assert_eq!(
            (task["resultType"].as_str(), task["taskId"].as_str()),
            (Some("complete"), Some(id.as_str()))
        );
        said.push(task["statusMessage"].as_str().unwrap_or_default().to_owned());
        is_final(task)
    });
    assert_eq!(last["status"], "completed", "{last}");
    let report = last["result"]["content"][0]["text"].as_str().unwrap_or_default();
    assert!(report.contains("Research Report: bridges"), "{last}");
    assert!(last["result"]["_meta"]["io.modelcontextprotocol/related-task"].is_null(), "{last}");
    assert!(said.iter().any(|said| said.starts_with("Analyzing")), "{said:?}");
    // Once more: a look changes nothing.
    assert_eq!(client.request("tasks/get", &about(&id)).value(), last);
    let acknowledged = client.request("tasks/cancel", &about(&id)).value();
    assert_eq!(acknowledged, json!({ "resultType": "complete" }));
}

#[test]
fn a_modern_client_answers_what_a_legacy_servers_task_asks() {
    let gateway = everything();
    let mut client = able(&gateway, Era::Modern, DECLARES_AND_ANSWERS);
    let made = client.call(&format!("one__{RESEARCH}"), r#"{"topic":"python","ambiguous":true}"#).value();
    let id = task_id(&made);
    let asking = poll(&mut client, &id, |task| task["status"] == "input_required" || is_final(task));
    let asked = asking["inputRequests"].as_object().unwrap_or_else(|| panic!("no questions: {asking}"));
    let (key, question) = asked.iter().next().unwrap_or_else(|| panic!("no question: {asking}"));
    assert_eq!(question["method"], "elicitation/create", "{asking}");
    assert!(question["params"]["message"].as_str().is_some_and(|m| m.contains("python")), "{asking}");
    assert!(question["params"]["_meta"].is_null(), "{asking}");
    // The same question stands there until it is answered, and answers to others are ignored.
    let ignored = json!({ "taskId": id, "inputResponses": { "nonsense": { "action": "accept" } } });
    assert_eq!(
        client.request("tasks/update", &ignored.to_string()).value(),
        json!({ "resultType": "complete" })
    );
    let still = client.request("tasks/get", &about(&id)).value();
    assert_eq!(still["inputRequests"], asking["inputRequests"]);
    let answer = json!({ "action": "accept", "content": { "interpretation": "snake" } });
    let update = json!({ "taskId": id, "inputResponses": { key: answer } });
    assert_eq!(
        client.request("tasks/update", &update.to_string()).value(),
        json!({ "resultType": "complete" })
    );
    let last = poll(&mut client, &id, is_final);
    let report = last["result"]["content"][0]["text"].as_str().unwrap_or_default();
    assert!(report.contains("Research Report: python (snake)"), "{last}");
}

#[test]
fn clients_without_tasks_get_the_result_of_a_tool_that_knows_nothing_else() {
    let gateway = everything();
    for era in [Era::Legacy, Era::Modern] {
        let mut client = gateway.client(era);
        let params = json!({ "name": format!("one__{RESEARCH}"), "arguments": { "topic": "rivers" } });
        let reply = client.request("tools/call", &params.to_string());
        assert!(reply.text().contains("Research Report: rivers"), "{era:?}: {}", reply.raw);
        assert!(!reply.raw.contains("related-task"), "{era:?}: {}", reply.raw);
    }
    // How it comes along is progress.
    let mut client = gateway.client(Era::Legacy);
    let params = json!({ "name": format!("one__{RESEARCH}"), "arguments": { "topic": "hills" }, "_meta": { "progressToken": "p" } });
    let reply = client.request("tools/call", &params.to_string());
    let told: Vec<Value> = reply.notes.iter().map(|note| text::parse(note)).collect();
    let said: Vec<&str> = told.iter().filter_map(|note| note["params"]["message"].as_str()).collect();
    assert!(said.iter().any(|said| said.starts_with("Synthesizing")), "{told:?}");
    assert!(told.iter().all(|note| note["params"]["progressToken"] == "p"), "{told:?}");
}

#[test]
fn a_modern_client_without_tasks_is_asked_in_rounds() {
    let gateway = everything();
    let mut client = able(&gateway, Era::Modern, r#"{"elicitation":{"form":{}}}"#);
    let call =
        json!({ "name": format!("one__{RESEARCH}"), "arguments": { "topic": "python", "ambiguous": true } });
    let asking = client.request("tools/call", &call.to_string()).value();
    assert_eq!(asking["resultType"], "input_required", "{asking}");
    let (key, _) = asking["inputRequests"].as_object().and_then(|all| all.iter().next()).expect("a question");
    let mut retry = call.clone();
    let answer = json!({ "action": "accept", "content": { "interpretation": "comedy" } });
    retry["inputResponses"] = json!({ key: answer });
    retry["requestState"] = asking["requestState"].clone();
    let reply = client.request("tools/call", &retry.to_string());
    assert!(reply.text().contains("Research Report: python (comedy)"), "{}", reply.raw);
}

const OWN_TASK: &str = r#"{"taskId":"their-own","status":"working","createdAt":"2026-11-23T10:00:00Z","lastUpdatedAt":"2026-11-23T10:00:00Z","ttl":60000,"pollInterval":1,"vendor":1.10}"#;

/// A legacy server whose only tool is a task that never ends.
fn endless() -> Scripted {
    Scripted::start(|seen, to| {
        let tools =
            r#"[{"name":"long","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}]"#;
        let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"tasks":{"cancel":{},"requests":{"tools":{"call":{}}}}},"serverInfo":{"name":"endless","version":"1"}}"#;
        match seen.method().as_str() {
            "initialize" => to.result(&seen.id(), hello),
            "tools/call" => to.result(&seen.id(), &format!(r#"{{"task":{OWN_TASK}}}"#)),
            "tasks/get" => to.result(&seen.id(), OWN_TASK),
            "tasks/cancel" => to.result(&seen.id(), &OWN_TASK.replace("working", "cancelled")),
            "tasks/result" => to.hang(),
            _ => {
                if !introduce(false, seen, to) && !list(false, tools, seen, to) {
                    to.error(200, &seen.id(), r#"{"code":-32601,"message":"no"}"#);
                }
            }
        }
    })
}

#[test]
fn a_task_whose_caller_gives_up_is_cancelled_at_its_server() {
    let server = endless();
    let gateway = Gateway::start(&json!({ "one": server.entry() }));
    let mut client = gateway.client(Era::Modern);
    client.start("tools/call", r#"{"name":"one__long","arguments":{}}"#).expect("it is sent");
    wait::until(wait::LONG, "the waiting", || (!server.seen_of("tasks/result").is_empty()).then_some(()));
    let asked = text::member(&server.seen_of("tools/call")[0].params(), "task");
    assert_eq!(asked.as_deref(), Some("{}"));
    drop(client);
    let cancelled = wait::until(wait::LONG, "tasks/cancel", || server.seen_of("tasks/cancel").pop());
    assert_eq!(text::member(&cancelled.params(), "taskId").as_deref(), Some(r#""their-own""#));
}

#[test]
fn a_legacy_servers_words_about_a_task_stay_as_they_are_but_for_its_id() {
    let server = endless();
    let gateway = Gateway::start(&json!({ "one": server.entry() }));
    let mut client = gateway.client(Era::Legacy);
    let made =
        client.request("tools/call", r#"{"name":"one__long","arguments":{},"task":{"ttl":1.50}}"#).result();
    let task = text::member(&made, "task").expect("a task");
    let id = task_id(&text::parse(&task));
    assert_eq!(task, OWN_TASK.replace("their-own", &id));
    assert_eq!(client.request("tasks/get", &about(&id)).result(), task);
    let sent = server.seen_of("tools/call").pop().expect("the call").params();
    assert_eq!(text::member(&sent, "task").as_deref(), Some(r#"{"ttl":1.50}"#));
    // Nobody waits: nobody asks.
    let before = server.seen_of("tasks/get").len();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(server.seen_of("tasks/get").len(), before);
}
