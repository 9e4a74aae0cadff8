//! Tools that may become tasks (SEP-2663). The SDK keeps the tasks; here is what they do.

use std::time::Duration;

use rmcp::{
    ErrorData,
    model::{CallToolResponse, ClientCapabilities, CreateTaskResult},
    task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions},
};
use serde_json::{Value, json};
use tokio::time::sleep;
use trunkline_peer_rmcp::json::{read, read_result, said};

use crate::{
    asks::{form, noun},
    call::Call,
    tools::{failed, plain, with},
};

/// What `tools/list` says of these.
pub fn listed() -> Vec<Value> {
    let word = json!({ "type": "string" });
    let mut slow = with("slow_compute", "Takes its time", json!({ "seconds": { "type": "number" } }));
    slow["inputSchema"]["properties"]["label"] = word.clone();
    vec![
        slow,
        plain("failing_job", "Works for a moment and fails; always a task"),
        plain("protocol_error_job", "Ends with a protocol error; always a task"),
        with("confirm_delete", "Asks before it deletes nothing; always a task", json!({ "filename": word })),
        plain("multi_input", "Asks two things at once; always a task"),
        plain("test_tool_with_task", "Asks for a name, then becomes a task"),
    ]
}

type Ended = Result<Value, TaskExit>;

/// Starts one of these; `None` if there is none of that name.
pub async fn start(
    name: &str,
    call: &Call<'_>,
    tasks: &TaskManager,
) -> Option<Result<CallToolResponse, ErrorData>> {
    let arguments = call.arguments.clone();
    let seconds = arguments["seconds"].as_f64().unwrap_or_default().clamp(0.0, 600.0);
    if name == "slow_compute" && !call.capabilities().supports_tasks() {
        sleep(Duration::from_secs_f64(seconds)).await;
        return Some(read_result(computed(&arguments)).map(CallToolResponse::Complete));
    }
    Some(match name {
        "slow_compute" => spawn(call, tasks, move |task| async move {
            tokio::select! {
                () = sleep(Duration::from_secs_f64(seconds)) => Ok(computed(&arguments)),
                () = task.cancelled() => Err(TaskExit::Cancelled),
            }
        }),
        "failing_job" => spawn(call, tasks, |_| async {
            sleep(Duration::from_secs(1)).await;
            Ok(failed("The job failed, as it is meant to"))
        }),
        "protocol_error_job" => spawn(call, tasks, |_| async {
            Err(TaskExit::Error(ErrorData::internal_error("the job broke", None)))
        }),
        "confirm_delete" => spawn(call, tasks, move |task| async move {
            let answer = asked(&task, "confirm", "Delete it?", noun("confirm", "boolean")).await?;
            let file = arguments["filename"].as_str().unwrap_or_default();
            Ok(said(&format!("{file}: {answer}")))
        }),
        "multi_input" => spawn(call, tasks, |task| async move {
            let (first, second) = tokio::join!(
                asked(&task, "first", "The first name?", noun("name", "string")),
                asked(&task, "second", "The second name?", noun("name", "string")),
            );
            Ok(said(&format!("{}, {}", first?, second?)))
        }),
        _ => return None,
    })
}

/// The task that `test_tool_with_task` becomes when the name is known.
pub fn greeting(call: &Call<'_>, name: &str, tasks: &TaskManager) -> Result<CallToolResponse, ErrorData> {
    let words = format!("Hello, {name}!");
    spawn(call, tasks, move |_| async move { Ok(said(&words)) })
}

fn spawn<F, W>(call: &Call<'_>, tasks: &TaskManager, work: W) -> Result<CallToolResponse, ErrorData>
where
    W: FnOnce(TaskContext) -> F,
    F: Future<Output = Ended> + Send + 'static,
{
    if !call.capabilities().supports_tasks() {
        let required = ClientCapabilities::builder().enable_tasks().build();
        return Err(ErrorData::missing_required_client_capability(required));
    }
    let options = TaskOptions::new().with_ttl_ms(60_000).with_poll_interval_ms(100);
    let task = tasks.spawn(options, |context| {
        let work = work(context);
        Box::pin(async move { read_result(work.await?).map_err(TaskExit::Error) })
    });
    Ok(CallToolResponse::Task(CreateTaskResult::new(task)))
}

async fn asked(task: &TaskContext, key: &str, message: &str, field: Value) -> Result<Value, TaskExit> {
    task.request_input(key, read(form(message, field)).map_err(TaskExit::Error)?).await
}

fn computed(arguments: &Value) -> Value {
    said(&format!("computed {}", arguments["label"].as_str().unwrap_or("nothing")))
}
