//! What is the same for tasks of both dialects, or refused in both.

use serde_json::{Value, json};
use trunkline_e2e::client::{Client, Era};
use trunkline_e2e::driver::ts1_task;
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::http::Events;
use trunkline_e2e::{json as text, peers};

use super::{DECLARES, RESEARCH, able, about, everything, task_id};

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
