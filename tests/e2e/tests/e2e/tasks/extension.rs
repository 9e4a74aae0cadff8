//! Tasks of modern servers that have the extension, for clients of both eras.

use serde_json::{Value, json};
use trunkline_e2e::client::Era;
use trunkline_e2e::driver::{Driver, assert_ok};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::{json as text, peers};

use super::{DECLARES_AND_ANSWERS, able, about, is_final, poll, task_id};

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
