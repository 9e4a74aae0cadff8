//! Tasks (`bridging.md` section 9): calls whose results are fetched later, in both dialects, over every pair of eras.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline_e2e::client::{Client, Era};
use trunkline_e2e::driver::{Driver, assert_ok, ts1_task};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::http::Events;
use trunkline_e2e::scripted::{Scripted, introduce, list};
use trunkline_e2e::{json as text, peers, wait};

/// A modern client that can be given tasks.
const DECLARES: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
/// The same, and it can be asked.
const DECLARES_AND_ANSWERS: &str =
    r#"{"elicitation":{"form":{}},"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
/// Longest time that a task of these tests may take; the research takes four seconds.
const PATIENCE: Duration = Duration::from_mins(1);

const RESEARCH: &str = "simulate-research-query";

fn everything() -> Gateway {
    Gateway::start(&json!({ "one": peers::everything().entry() }))
}

fn able(gateway: &Gateway, era: Era, capabilities: &str) -> Client {
    Client::able(gateway.address(), "/mcp", era, capabilities)
}

fn task_id(task: &Value) -> String {
    task["taskId"].as_str().unwrap_or_else(|| panic!("no taskId: {task}")).to_owned()
}

fn about(id: &str) -> String {
    json!({ "taskId": id }).to_string()
}

/// Asks how a task stands, as often as the server wants, until `done` says so.
fn poll(client: &mut Client, id: &str, mut done: impl FnMut(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let task = client.request("tasks/get", &about(id)).value();
        if done(&task) {
            return task;
        }
        assert!(Instant::now() < deadline, "the task never got there: {task}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn is_final(task: &Value) -> bool {
    matches!(task["status"].as_str(), Some("completed" | "failed" | "cancelled"))
}

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

#[test]
fn requests_about_tasks_that_cannot_be_are_refused_as_the_extension_says() {
    let gateway = everything();
    let mut plain = gateway.client(Era::Modern);
    let refused = plain.request("tasks/get", &about("task-x"));
    assert_eq!((refused.head.status, refused.code()), (400, Some(-32021)), "{}", refused.raw);
    let needed =
        &refused.error()["data"]["requiredCapabilities"]["extensions"]["io.modelcontextprotocol/tasks"];
    assert!(needed.is_object(), "{}", refused.raw);
    let mut client = able(&gateway, Era::Modern, DECLARES);
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let params = json!({ "taskId": "task-x", "inputResponses": {} }).to_string();
        assert_eq!(client.request(method, &params).code(), Some(-32602), "{method}");
        assert_eq!(client.request(method, "{}").code(), Some(-32602), "{method}");
    }
    // What the other dialect has does not exist.
    assert_eq!(client.request("tasks/result", &about("task-x")).code(), Some(-32601));
    assert_eq!(client.request("tasks/list", "{}").code(), Some(-32601));
    let mut legacy = gateway.client(Era::Legacy);
    assert_eq!(legacy.request("tasks/update", &about("task-x")).code(), Some(-32601));
    assert_eq!(legacy.request("tasks/list", r#"{"cursor":"x"}"#).code(), Some(-32602));
    // Where no server runs tasks there are none.
    let gateway = Gateway::start(&json!({ "one": peers::time().entry() }));
    let mut client = able(&gateway, Era::Modern, DECLARES);
    assert_eq!(client.request("tasks/get", &about("task-x")).code(), Some(-32601));
    let hello = gateway.client(Era::Legacy).initialize("2025-11-25");
    assert!(hello["capabilities"]["tasks"].is_null(), "{hello}");
}

/// Two servers of the extension, one over HTTP and one over a pipe.
fn extension() -> (Fixture, Gateway) {
    let fixture = Fixture::rmcp_suite();
    let gateway = Gateway::start(&json!({ "one": fixture.entry(), "two": peers::rmcp_suite().entry() }));
    (fixture, gateway)
}

#[test]
fn a_modern_client_has_its_tasks_at_several_servers_of_the_extension() {
    let (_fixture, gateway) = extension();
    let mut client = able(&gateway, Era::Modern, DECLARES_AND_ANSWERS);
    for server in ["one", "two"] {
        let name = |tool: &str| format!("{server}__{tool}");
        let made = client.call(&name("slow_compute"), r#"{"seconds":0.5,"label":"x"}"#).value();
        assert_eq!(
            (made["resultType"].as_str(), made["ttlMs"].as_u64()),
            (Some("task"), Some(60_000)),
            "{made}"
        );
        let last = poll(&mut client, &task_id(&made), is_final);
        assert_eq!((task_id(&last), last["status"].as_str()), (task_id(&made), Some("completed")), "{last}");
        assert_eq!(last["result"]["content"][0]["text"], "computed x", "{last}");
        let made = client.call(&name("protocol_error_job"), "{}").value();
        let last = poll(&mut client, &task_id(&made), is_final);
        assert_eq!(
            (last["status"].as_str(), last["error"]["message"].as_str()),
            (Some("failed"), Some("the job broke"))
        );
        let made = client.call(&name("slow_compute"), r#"{"seconds":60}"#).value();
        client.request("tasks/cancel", &about(&task_id(&made))).result();
        assert_eq!(poll(&mut client, &task_id(&made), is_final)["status"], "cancelled");
        let made = client.call(&name("confirm_delete"), r#"{"filename":"a.txt"}"#).value();
        let id = task_id(&made);
        let asking = poll(&mut client, &id, |task| task["status"] == "input_required");
        let (key, _) =
            asking["inputRequests"].as_object().and_then(|all| all.iter().next()).expect("a question");
        let answer = json!({ "action": "accept", "content": { "confirm": true } });
        let update = json!({ "taskId": id, "inputResponses": { key: answer } });
        client.request("tasks/update", &update.to_string()).result();
        let last = poll(&mut client, &id, is_final);
        assert!(
            last["result"]["content"][0]["text"].as_str().is_some_and(|t| t.starts_with("a.txt")),
            "{last}"
        );
        // A changed id, and one that is not under its own header, lead nowhere.
        let bent = format!("{}A", &id[..id.len() - 1]);
        if bent != id {
            assert_eq!(client.request("tasks/get", &about(&bent)).code(), Some(-32602));
        }
    }
    // Without the extension the server's own refusal comes through.
    let mut plain = gateway.client(Era::Modern);
    let refused = plain.call("one__failing_job", "{}");
    assert_eq!((refused.head.status, refused.code()), (400, Some(-32021)), "{}", refused.raw);
}

#[test]
fn a_legacy_client_gets_a_task_of_the_extension() {
    let (_fixture, gateway) = extension();
    let mut client = gateway.client(Era::Legacy);
    let tools = client.list("tools/list", "tools");
    let optional =
        tools.iter().map(|tool| text::parse(tool)).filter(|t| t["execution"]["taskSupport"] == "optional");
    assert!(optional.count() >= 12, "{tools:?}");
    for server in ["one", "two"] {
        let call = |tool: &str, arguments: Value| {
            json!({ "name": format!("{server}__{tool}"), "arguments": arguments, "task": { "ttl": 1000 } })
                .to_string()
        };
        let made = client
            .request("tools/call", &call("slow_compute", json!({ "seconds": 1, "label": "y" })))
            .value();
        let task = &made["task"];
        assert_eq!(
            (task["status"].as_str(), task["ttl"].as_u64()),
            (Some("working"), Some(60_000)),
            "{made}"
        );
        let id = task_id(task);
        let now = client.request("tasks/get", &about(&id)).value();
        assert_eq!((task_id(&now), now["resultType"].is_null()), (id.clone(), true), "{now}");
        let result = client.request("tasks/result", &about(&id));
        assert_eq!(result.text(), "computed y", "{}", result.raw);
        let result = result.value();
        assert_eq!(
            result["_meta"]["io.modelcontextprotocol/related-task"]["taskId"],
            id.as_str(),
            "{result}"
        );
        assert!(result["resultType"].is_null(), "{result}");
        assert_eq!(client.request("tasks/get", &about(&id)).value()["status"], "completed");
        // A call that the server ends at once is a task all the same for who asked for one.
        let made = client.request("tools/call", &call("test_simple_text", json!({}))).value();
        let id = task_id(&made["task"]);
        assert_eq!(client.request("tasks/get", &about(&id)).value()["status"], "completed");
        assert!(!client.request("tasks/result", &about(&id)).text().is_empty());
        assert_eq!(client.request("tasks/cancel", &about(&id)).code(), Some(-32602));
        // An error is what comes of it.
        let made = client.request("tools/call", &call("protocol_error_job", json!({}))).value();
        let ended = client.request("tasks/result", &about(&task_id(&made["task"])));
        assert_eq!(ended.error()["message"], "the job broke");
        let made = client.request("tools/call", &call("slow_compute", json!({ "seconds": 60 }))).value();
        let id = task_id(&made["task"]);
        let cancelled = client.request("tasks/cancel", &about(&id)).value();
        assert_eq!((task_id(&cancelled), cancelled["status"].as_str()), (id.clone(), Some("cancelled")));
        assert_eq!(client.request("tasks/get", &about(&id)).value()["status"], "cancelled");
    }
    let listed = client.request("tasks/list", "{}").value();
    assert_eq!(listed["tasks"].as_array().map(Vec::len), Some(8), "{listed}");
}

#[test]
fn a_legacy_client_without_tasks_gets_the_result_of_what_its_server_only_runs_as_one() {
    let (_fixture, gateway) = extension();
    let mut client = gateway.client(Era::Legacy);
    for server in ["one", "two"] {
        let reply = client.call(&format!("{server}__failing_job"), "{}");
        assert_eq!(reply.text(), "The job failed, as it is meant to", "{}", reply.raw);
        assert_eq!(
            client.call(&format!("{server}__protocol_error_job"), "{}").error()["message"],
            "the job broke"
        );
        // What the server runs without a task it is not asked to run as one.
        let reply = client.call(&format!("{server}__slow_compute"), r#"{"seconds":0.1,"label":"z"}"#);
        assert_eq!(reply.text(), "computed z", "{}", reply.raw);
    }
}

#[test]
fn real_legacy_clients_answer_what_a_task_of_the_extension_asks() {
    let (_fixture, gateway) = extension();
    let steps = [
        "--no-lists",
        "--call",
        "one__confirm_delete",
        r#"{"filename":"b.txt"}"#,
        "--call",
        "two__multi_input",
        "{}",
    ];
    for driver in [Driver::Ts1, Driver::Ts2("legacy"), Driver::Py1] {
        let report = driver.http(&gateway.url(), &steps);
        assert_ok(&report);
        let text =
            |at: usize| report["calls"][at]["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text(0).starts_with("b.txt: ") && text(1).contains(", "), "{report:#}");
        assert_eq!(report["asks"].as_array().map(Vec::len), Some(3), "{report:#}");
    }
}

#[test]
fn the_task_api_of_a_real_legacy_client_works_at_servers_of_both_dialects() {
    let gateway = Gateway::start(&json!({
        "old": peers::everything().entry(),
        "new": peers::rmcp_suite().entry(),
    }));
    let research = json!({ "topic": "python", "ambiguous": true }).to_string();
    for (tool, arguments, expected) in [
        (format!("old__{RESEARCH}"), research.as_str(), "Research Report: python ("),
        ("new__confirm_delete".to_owned(), r#"{"filename":"c.txt"}"#, "c.txt: "),
    ] {
        let report = ts1_task(&gateway.url(), &tool, arguments);
        let steps = report["steps"].as_array().expect("steps");
        let of = |kind: &str| steps.iter().filter(|step| step["type"] == kind).collect::<Vec<_>>();
        assert_eq!((of("taskCreated").len(), of("error").len()), (1, 0), "{report:#}");
        let text = of("result")[0]["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains(expected), "{report:#}");
        let id = task_id(&of("taskCreated")[0]["task"]);
        assert!(of("taskStatus").iter().all(|step| task_id(&step["task"]) == id), "{report:#}");
        assert_eq!(report["asked"], 1, "{report:#}");
        assert_eq!(report["related"], json!([id]), "{report:#}");
        assert_eq!(report["tasks"].as_array().map(Vec::len), Some(1), "{report:#}");
        assert_eq!(task_id(&report["tasks"][0]), id);
        // What the server says of its task by itself, it says of the client's.
        let told = report["told"].as_array().expect("notifications");
        assert!(told.iter().all(|task| task_id(task) == id), "{report:#}");
    }
}

/// Reads a stream until a message has what is looked for.
fn read_until(client: &mut Client, mut found: impl FnMut(&Value) -> bool) -> Vec<Value> {
    let head = client.connection().head().expect("a head");
    assert!(head.is_stream(), "{head:?}");
    let (mut events, mut all) = (Events::default(), Vec::new());
    while let Some(data) = client.connection().event(&mut events).expect("the stream goes on") {
        let message = text::parse(&data);
        let last = found(&message);
        all.push(message);
        if last {
            return all;
        }
    }
    panic!("the stream ended: {all:#?}");
}

#[test]
fn a_modern_client_hears_how_its_tasks_stand_wherever_they_are() {
    let fixture = Fixture::rmcp_suite();
    let gateway = Gateway::start(&json!({ "old": peers::everything().entry(), "new": fixture.entry() }));
    let mut plain = gateway.client(Era::Modern);
    let filter = |ids: &[&str]| json!({ "notifications": { "taskIds": ids } }).to_string();
    let refused = plain.request("subscriptions/listen", &filter(&["task-x"]));
    assert_eq!((refused.head.status, refused.code()), (400, Some(-32021)), "{}", refused.raw);
    for (tool, arguments, done) in [
        (format!("old__{RESEARCH}"), r#"{"topic":"lakes"}"#, "Research Report: lakes"),
        ("new__slow_compute".to_owned(), r#"{"seconds":1,"label":"w"}"#, "computed w"),
    ] {
        let mut client = able(&gateway, Era::Modern, DECLARES);
        let id = task_id(&client.call(&tool, arguments).value());
        client.start("subscriptions/listen", &filter(&[&id, "task-unknown"])).expect("it is sent");
        let all = read_until(&mut client, |message| message["params"]["status"] == "completed");
        assert_eq!(all[0]["method"], "notifications/subscriptions/acknowledged", "{all:#?}");
        assert_eq!(all[0]["params"]["notifications"]["taskIds"], json!([id]), "{all:#?}");
        for told in &all[1..] {
            assert_eq!(
                (told["method"].as_str(), task_id(&told["params"])),
                (Some("notifications/tasks"), id.clone())
            );
            assert!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].is_number(), "{told}");
            assert!(told["params"]["resultType"].is_null(), "{told}");
        }
        let last = &all[all.len() - 1]["params"];
        let said = last["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(said.contains(done), "{last}");
        assert!(all.len() >= 3, "{all:#?}");
    }
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

#[test]
fn one_session_may_have_a_hundred_tasks() {
    let gateway = Gateway::start(&json!({ "one": peers::rmcp_suite().entry() }));
    let mut client = gateway.client(Era::Legacy);
    let call = r#"{"name":"one__test_simple_text","arguments":{},"task":{}}"#;
    for _ in 0..100 {
        task_id(&client.request("tools/call", call).value()["task"]);
    }
    let refused = client.request("tools/call", call);
    assert_eq!(refused.reason().as_deref(), Some("overloaded"), "{}", refused.raw);
    let mut listed = 0;
    let mut params = "{}".to_owned();
    loop {
        let page = client.request("tasks/list", &params).value();
        listed += page["tasks"].as_array().map_or(0, Vec::len);
        match page["nextCursor"].as_str() {
            Some(cursor) => params = json!({ "cursor": cursor }).to_string(),
            None => break,
        }
    }
    assert_eq!(listed, 100);
    // Others are not held back by it.
    task_id(&gateway.client(Era::Legacy).request("tools/call", call).value()["task"]);
}
