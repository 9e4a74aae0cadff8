//! What needs something from the client: input, a model's answer, its roots.
//!
//! Each is written once, as rounds of input requests. On the modern wire they travel as they are; a legacy client is
//! sent real requests instead, and the round is run again with its answers. So every name works in both eras.

use rmcp::{
    ErrorData, ServiceError,
    model::{ClientResult, InputRequest, ServerRequest},
};
use serde_json::{Map, Value, json};
use tokio::time::{Duration, sleep};
use trunkline_peer_rmcp::json::{read, said};

use crate::{
    call::Call,
    tools::{failed, plain, with},
};

/// Rounds for one call of a legacy client; the longest here has three.
const ROUNDS_MAX: usize = 8;

/// How one round ended.
pub enum Round {
    Done(Value),
    Ask { requests: Map<String, Value>, state: Option<Value> },
}

/// What `tools/list` says of these.
pub fn listed() -> Vec<Value> {
    let word = json!({ "type": "string" });
    vec![
        with("test_sampling", "Asks the client's model and reports what it said", json!({ "prompt": word })),
        with("test_elicitation", "Asks for a user name and an address", json!({ "message": word })),
        plain("test_elicitation_sep1034_defaults", "Asks with a default for every primitive type"),
        plain("test_elicitation_sep1330_enums", "Asks with every form of enumeration"),
        plain("test_missing_capability", "Cannot work without the client's model"),
        plain("test_streaming_elicitation", "Reports progress, then asks a client that can be asked"),
        plain("test_input_required_result_elicitation", "Asks for a name and greets"),
        plain("test_input_required_result_sampling", "Asks a model for a capital"),
        plain("test_input_required_result_list_roots", "Asks which folders the client works in"),
        plain("test_input_required_result_request_state", "Asks for a confirmation and checks its state"),
        plain(
            "test_input_required_result_multiple_inputs",
            "Asks for a name, a greeting and the roots at once",
        ),
        plain("test_input_required_result_multi_round", "Asks for a name, then for a colour"),
        plain("test_input_required_result_tampered_state", "Refuses a state that it did not write"),
        plain("test_input_required_result_capabilities", "Asks everything that this client can answer"),
    ]
}

/// One round of a tool; `None` if there is none of that name.
pub async fn tool(name: &str, call: &Call<'_>) -> Option<Round> {
    if name == "test_streaming_elicitation" {
        for step in [1.0, 2.0] {
            call.progress(step, 2.0).await;
            sleep(Duration::from_millis(20)).await;
        }
    }
    Some(match name {
        "test_sampling" => model_says(call, "completion", call.argument("prompt"), "LLM response: "),
        "test_elicitation" => {
            let fields = json!({ "username": { "type": "string" }, "email": { "type": "string" } });
            reported(call, "user", call.argument("message"), fields)
        }
        "test_elicitation_sep1034_defaults" => {
            reported(call, "profile", "Please check the defaults", defaults())
        }
        "test_elicitation_sep1330_enums" => reported(call, "choices", "Please choose", choices()),
        "test_missing_capability" => model_says(call, "completion", "Say anything", ""),
        "test_streaming_elicitation" if call.capabilities().elicitation.is_none() => {
            Round::Done(said("There was nobody to ask."))
        }
        "test_streaming_elicitation" => confirmed(call, None),
        "test_input_required_result_elicitation" => {
            named(call, "user_name", |name| format!("Hello, {name}!"))
        }
        "test_input_required_result_sampling" => {
            model_says(call, "capital_question", "What is the capital of France?", "")
        }
        "test_input_required_result_list_roots" => match roots_of(call, "client_roots") {
            Some(roots) => Round::Done(said(&format!("Roots: {roots}"))),
            None => ask([("client_roots", list_roots())], None),
        },
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
            confirmed(call, Some(json!({ "step": "confirm" })))
        }
        "test_input_required_result_multiple_inputs" => several(call),
        "test_input_required_result_multi_round" => two_rounds(call),
        "test_input_required_result_capabilities" => whatever_it_can(call),
        _ => return None,
    })
}

/// The prompt that asks for its context first.
pub fn prompt(call: &Call<'_>) -> Round {
    match accepted(call, "user_context", "context") {
        Some(context) => {
            let content = json!({ "type": "text", "text": format!("Context: {context}") });
            Round::Done(json!({ "messages": [{ "role": "user", "content": content }] }))
        }
        None => ask([("user_context", form("What is the context?", noun("context", "string")))], None),
    }
}

/// A tool that asks for a name with this key, and what it says then.
pub fn named(call: &Call<'_>, key: &str, then: impl Fn(&str) -> String) -> Round {
    match accepted(call, key, "name") {
        Some(name) => Round::Done(said(&then(name))),
        None => ask([(key, form("What is your name?", noun("name", "string")))], None),
    }
}

/// A field of a form that was accepted.
pub fn accepted<'a>(call: &'a Call<'_>, key: &str, field: &str) -> Option<&'a str> {
    let answer = call.inputs.get(key).filter(|answer| answer["action"] == "accept")?;
    answer["content"][field].as_str()
}

/// A form to fill in.
pub fn form(message: &str, fields: Value) -> Value {
    let schema = json!({ "type": "object", "properties": fields });
    json!({ "method": "elicitation/create", "params": { "mode": "form", "message": message, "requestedSchema": schema } })
}

/// One field for [`form`].
pub fn noun(name: &str, kind: &str) -> Value {
    let mut fields = Map::new();
    fields.insert(name.to_owned(), json!({ "type": kind }));
    Value::Object(fields)
}

fn sampling(words: &str) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": words } });
    json!({ "method": "sampling/createMessage", "params": { "messages": [message], "maxTokens": 100 } })
}

fn list_roots() -> Value {
    json!({ "method": "roots/list" })
}

fn ask<const N: usize>(requests: [(&str, Value); N], state: Option<Value>) -> Round {
    Round::Ask {
        requests: requests.into_iter().map(|(key, request)| (key.to_owned(), request)).collect(),
        state,
    }
}

fn model_says(call: &Call<'_>, key: &str, prompt: &str, prefix: &str) -> Round {
    match said_by_model(call, key) {
        Some(words) => Round::Done(said(&format!("{prefix}{words}"))),
        None => ask([(key, sampling(prompt))], None),
    }
}

fn said_by_model<'a>(call: &'a Call<'_>, key: &str) -> Option<&'a str> {
    let content = &call.inputs.get(key)?["content"];
    let first = content.as_array().and_then(|list| list.first()).unwrap_or(content);
    first["text"].as_str()
}

fn roots_of(call: &Call<'_>, key: &str) -> Option<String> {
    let roots = call.inputs.get(key)?["roots"].as_array()?;
    Some(roots.iter().filter_map(|root| root["uri"].as_str()).collect::<Vec<_>>().join(", "))
}

/// A form was answered, whatever the user made of it.
fn answered<'a>(call: &'a Call<'_>, key: &str) -> Option<&'a Value> {
    call.inputs
        .get(key)
        .filter(|answer| matches!(answer["action"].as_str(), Some("accept" | "decline" | "cancel")))
}

fn outcome(answer: &Value) -> String {
    format!("action={}, content={}", answer["action"].as_str().unwrap_or_default(), answer["content"])
}

fn reported(call: &Call<'_>, key: &str, message: &str, fields: Value) -> Round {
    match answered(call, key) {
        Some(answer) => Round::Done(said(&format!("Answered: {}", outcome(answer)))),
        None => ask([(key, form(message, fields))], None),
    }
}

fn confirmed(call: &Call<'_>, state: Option<Value>) -> Round {
    match answered(call, "confirm") {
        Some(answer) if state.is_none() || call.state == state => {
            Round::Done(said(&format!("state-ok: {}", outcome(answer))))
        }
        _ => ask([("confirm", form("Please confirm", noun("ok", "boolean")))], state),
    }
}

fn several(call: &Call<'_>) -> Round {
    let state = json!({ "step": "all" });
    let name = accepted(call, "user_name", "name");
    match (name, said_by_model(call, "greeting"), roots_of(call, "client_roots")) {
        (Some(name), Some(greeting), Some(roots)) if call.state.as_ref() == Some(&state) => {
            Round::Done(said(&format!("{greeting} {name}, working in {roots}")))
        }
        _ => ask(
            [
                ("user_name", form("What is your name?", noun("name", "string"))),
                ("greeting", sampling("Write a greeting")),
                ("client_roots", list_roots()),
            ],
            Some(state),
        ),
    }
}

fn two_rounds(call: &Call<'_>) -> Round {
    let known = call.state.as_ref().and_then(|state| state["name"].as_str());
    let Some(name) = known.or_else(|| accepted(call, "step1", "name")) else {
        return ask(
            [("step1", form("What is your name?", noun("name", "string")))],
            Some(json!({ "step": 1 })),
        );
    };
    match accepted(call, "step2", "color") {
        Some(color) => Round::Done(said(&format!("{name} likes {color}."))),
        None => {
            let question = form("What is your favourite colour?", noun("color", "string"));
            ask([("step2", question)], Some(json!({ "step": 2, "name": name })))
        }
    }
}

fn whatever_it_can(call: &Call<'_>) -> Round {
    let can = call.capabilities();
    let mut requests = Map::new();
    if can.elicitation.is_some() && answered(call, "name").is_none() {
        requests.insert("name".to_owned(), form("What is your name?", noun("name", "string")));
    }
    if can.sampling.is_some() && said_by_model(call, "greeting").is_none() {
        requests.insert("greeting".to_owned(), sampling("Write a greeting"));
    }
    if can.roots.is_some() && roots_of(call, "folders").is_none() {
        requests.insert("folders".to_owned(), list_roots());
    }
    if requests.is_empty() {
        let answers: Vec<_> = call.inputs.keys().cloned().collect();
        return Round::Done(said(&format!("Answered: {}", answers.join(", "))));
    }
    Round::Ask { requests, state: None }
}

fn defaults() -> Value {
    json!({
        "name": { "type": "string", "default": "John Doe" },
        "age": { "type": "integer", "default": 30 },
        "score": { "type": "number", "default": 95.5 },
        "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
        "verified": { "type": "boolean", "default": true }
    })
}

fn choices() -> Value {
    let titled = |word: &str| {
        let one = |n: usize| json!({ "const": format!("value{n}"), "title": format!("{word} {n}") });
        [one(1), one(2), one(3)]
    };
    json!({
        "untitledSingle": { "type": "string", "enum": ["option1", "option2", "option3"] },
        "titledSingle": { "type": "string", "oneOf": titled("Option") },
        "legacyEnum": {
            "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"]
        },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": ["option1", "option2", "option3"] } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } }
    })
}

/// The capability without which these cannot be asked, as a capabilities object.
pub fn missing(call: &Call<'_>, requests: &Map<String, Value>) -> Option<Value> {
    let can = call.capabilities();
    let lacks = |request: &Value| match request["method"].as_str() {
        Some("elicitation/create") => can.elicitation.is_none().then(|| json!({ "elicitation": {} })),
        Some("sampling/createMessage") => can.sampling.is_none().then(|| json!({ "sampling": {} })),
        _ => can.roots.is_none().then(|| json!({ "roots": {} })),
    };
    requests.values().find_map(lacks)
}

/// Puts a round's questions to a legacy client, one after the other, and returns the answers by their keys.
async fn put(call: &Call<'_>, requests: Map<String, Value>) -> Result<Map<String, Value>, ErrorData> {
    let mut answers = Map::new();
    for (key, request) in requests {
        let request = match read::<InputRequest>(request)? {
            InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
            InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
            InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
            _ => return Err(ErrorData::internal_error("unknown question", None)),
        };
        let said: ClientResult =
            call.context.peer.send_request(request).await.map_err(|error| match error {
                ServiceError::McpError(refused) => refused,
                other => ErrorData::internal_error(other.to_string(), None),
            })?;
        let said =
            serde_json::to_value(said).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        answers.insert(key, said);
    }
    Ok(answers)
}

/// Runs a tool for a legacy client to its end.
pub async fn drive(name: &str, call: &mut Call<'_>, first: Round) -> Result<Value, ErrorData> {
    let mut round = first;
    for _ in 0..ROUNDS_MAX {
        let (requests, state) = match round {
            Round::Done(result) => return Ok(result),
            Round::Ask { requests, state } => (requests, state),
        };
        if let Some(lacking) = missing(call, &requests) {
            return Ok(failed(&format!("the client does not offer {lacking}")));
        }
        let answers = put(call, requests).await?;
        call.inputs.extend(answers);
        call.state = state;
        round = tool(name, call).await.ok_or_else(|| ErrorData::internal_error("the tool has gone", None))?;
    }
    Ok(failed("asked too often"))
}
