//! Tasks (`bridging.md` section 9): calls whose results are fetched later, in both dialects, over every pair of eras.

mod dialects;
mod extension;
mod legacy;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline_e2e::client::{Client, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::peers;

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
