//! A test client on rmcp 0.1.5, over the pipes of a command: the steps and the report of the drivers in `clients/`.
//!
//! `rmcp-old-client [--no-lists] [--call NAME JSON | --read URI | --prompt NAME JSON]... --stdio CMD ARGS...`
//!
//! The SDK has neither progress nor a view of the wire: results are what it made of them. Exit code 0 if every step was
//! answered, 1 if not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::{
    ClientHandler, Error, Peer, RoleClient, ServiceError, ServiceExt,
    model::{
        CallToolRequestParam, ClientInfo, CreateMessageRequestParam, CreateMessageResult, GetPromptRequestParam,
        ListRootsResult, ReadResourceRequestParam,
    },
    service::RequestContext,
    transport::TokioChildProcess,
};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const USAGE: &str = "usage: rmcp-old-client [--no-lists] [--call NAME JSON | --read URI | --prompt NAME JSON]... --stdio CMD ARGS...";
/// For one step. The SDK itself waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

enum Step {
    Call(String, Value),
    Read(String),
    Prompt(String, Value),
}

struct Options {
    steps: Vec<Step>,
    lists: bool,
    command: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let options = options()?;
    let mut report = json!({ "ok": false, "peer": "rmcp-old-client (rmcp 0.1.5)", "failures": [] });
    if let Err(error) = run(&options, &mut report).await {
        fail(&mut report, "connect", &error.to_string());
    }
    let ok = report["failures"].as_array().is_some_and(Vec::is_empty);
    report["ok"] = json!(ok);
    println!("{report}");
    std::process::exit(i32::from(!ok))
}

fn options() -> Result<Options, Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut options = Options { steps: Vec::new(), lists: true, command: Vec::new() };
    while let Some(argument) = arguments.next() {
        let mut take = || arguments.next().ok_or(USAGE);
        match argument.as_str() {
            "--no-lists" => options.lists = false,
            "--call" => options.steps.push(Step::Call(take()?, serde_json::from_str(&take()?)?)),
            "--read" => options.steps.push(Step::Read(take()?)),
            "--prompt" => options.steps.push(Step::Prompt(take()?, serde_json::from_str(&take()?)?)),
            "--stdio" => options.command = arguments.by_ref().collect(),
            _ => return Err(USAGE.into()),
        }
    }
    if options.command.is_empty() { Err(USAGE.into()) } else { Ok(options) }
}

async fn run(options: &Options, report: &mut Value) -> Result<(), Failure> {
    let mut command = tokio::process::Command::new(&options.command[0]);
    let transport = TokioChildProcess::new(command.args(&options.command[1..]))?;
    let host = Host::default();
    let asked = Arc::clone(&host.asked);
    let client = tokio::time::timeout(PATIENCE, host.serve(transport)).await??;
    report["connected"] = serde_json::to_value(client.peer_info())?;
    report["connected"]["era"] = json!("legacy");
    if options.lists {
        let capabilities = client.peer_info().capabilities.clone();
        report["tools"] = match capabilities.tools {
            Some(_) => list(report, "tools", client.list_all_tools()).await,
            None => Value::Null,
        };
        report["prompts"] = match capabilities.prompts {
            Some(_) => list(report, "prompts", client.list_all_prompts()).await,
            None => Value::Null,
        };
        report["resources"] = match &capabilities.resources {
            Some(_) => list(report, "resources", client.list_all_resources()).await,
            None => Value::Null,
        };
        report["resourceTemplates"] = match capabilities.resources {
            Some(_) => list(report, "resourceTemplates", client.list_all_resource_templates()).await,
            None => Value::Null,
        };
    }
    for step in &options.steps {
        let (section, entry, outcome) = match step {
            Step::Call(name, given) => {
                let params = CallToolRequestParam { name: name.clone().into(), arguments: given.as_object().cloned() };
                let entry = json!({ "name": name, "arguments": given, "progress": [] });
                ("calls", entry, answer(client.call_tool(params)).await)
            }
            Step::Read(uri) => {
                let params = ReadResourceRequestParam { uri: uri.clone() };
                ("reads", json!({ "uri": uri }), answer(client.read_resource(params)).await)
            }
            Step::Prompt(name, given) => {
                let params = GetPromptRequestParam { name: name.clone(), arguments: given.as_object().cloned() };
                ("gets", json!({ "name": name, "arguments": given }), answer(client.get_prompt(params)).await)
            }
        };
        note(report, section, entry, outcome);
    }
    report["asks"] = json!(*asked.lock().unwrap_or_else(PoisonError::into_inner));
    client.cancel().await?;
    Ok(())
}

/// A result, or what went wrong.
async fn answer<T: serde::Serialize>(
    call: impl Future<Output = Result<T, ServiceError>>,
) -> Result<Value, ServiceError> {
    let answered = tokio::time::timeout(PATIENCE, call).await;
    answered.unwrap_or(Err(ServiceError::Timeout { timeout: PATIENCE })).map(|result| json!(result))
}

async fn list<T: serde::Serialize>(
    report: &mut Value,
    kind: &str,
    items: impl Future<Output = Result<Vec<T>, ServiceError>>,
) -> Value {
    match answer(items).await {
        Ok(items) => json!({ "items": items }),
        Err(error) => {
            fail(report, &format!("list {kind}"), &error.to_string());
            Value::Null
        }
    }
}

fn note(report: &mut Value, section: &str, mut entry: Value, outcome: Result<Value, ServiceError>) {
    (entry["result"], entry["error"]) = (Value::Null, Value::Null);
    match outcome {
        Ok(result) => entry["result"] = result,
        Err(error) => {
            if let ServiceError::McpError(error) = &error {
                entry["error"] = json!(error);
            }
            fail(report, section, &error.to_string());
        }
    }
    if report[section].is_null() {
        report[section] = json!([]);
    }
    if let Some(entries) = report[section].as_array_mut() {
        entries.push(entry);
    }
}

fn fail(report: &mut Value, step: &str, message: &str) {
    if let Some(failures) = report["failures"].as_array_mut() {
        failures.push(json!({ "step": step, "message": message }));
    }
}

#[derive(Clone, Default)]
struct Host {
    peer: Option<Peer<RoleClient>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Host {
    /// The same replies as the other drivers give.
    fn reply(&self, method: &str, params: Value, reply: Value) -> Value {
        let entry = json!({ "method": method, "params": params, "reply": reply });
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        reply
    }
}

impl ClientHandler for Host {
    fn get_peer(&self) -> Option<Peer<RoleClient>> {
        self.peer.clone()
    }

    fn set_peer(&mut self, peer: Peer<RoleClient>) {
        self.peer = Some(peer);
    }

    fn get_info(&self) -> ClientInfo {
        read(json!({
            "protocolVersion": "2024-11-05",
            "capabilities": { "sampling": {}, "roots": { "listChanged": true } },
            "clientInfo": { "name": "trunkline-rmcp-old", "version": "0.1.5" }
        }))
        .unwrap_or_default()
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParam,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, Error> {
        let params = json!(params);
        let last = params["messages"].as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
        let text = format!("sampled: {}", last["content"]["text"].as_str().unwrap_or_default());
        read(self.reply(
            "sampling/createMessage",
            params,
            json!({
                "role": "assistant", "model": "peer-model", "stopReason": "endTurn",
                "content": { "type": "text", "text": text }
            }),
        ))
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, Error> {
        let roots = json!({ "roots": [{ "uri": "file:///peer/root", "name": "root" }] });
        read(self.reply("roots/list", Value::Null, roots))
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::internal_error(error.to_string(), None))
}
