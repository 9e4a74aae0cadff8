//! Method names. This file is the only place that spells them.

use trunkline_model::{ListKind, Operation, TaskRequest};

/// `initialize` (legacy).
pub const INITIALIZE: &str = "initialize";
/// `notifications/initialized` (legacy).
pub const INITIALIZED: &str = "notifications/initialized";
/// `server/discover` (modern).
pub const DISCOVER: &str = "server/discover";
/// `ping` (legacy).
pub const PING: &str = "ping";
/// `logging/setLevel` (legacy).
pub const SET_LEVEL: &str = "logging/setLevel";
/// `subscriptions/listen` (modern).
pub const LISTEN: &str = "subscriptions/listen";
/// `tools/call`.
pub const CALL_TOOL: &str = "tools/call";
/// `prompts/get`.
pub const GET_PROMPT: &str = "prompts/get";
/// `resources/read`.
pub const READ_RESOURCE: &str = "resources/read";
/// `resources/subscribe` (legacy).
pub const SUBSCRIBE: &str = "resources/subscribe";
/// `resources/unsubscribe` (legacy).
pub const UNSUBSCRIBE: &str = "resources/unsubscribe";
/// `completion/complete`.
pub const COMPLETE: &str = "completion/complete";
/// `tools/list`.
pub const LIST_TOOLS: &str = "tools/list";
/// `prompts/list`.
pub const LIST_PROMPTS: &str = "prompts/list";
/// `resources/list`.
pub const LIST_RESOURCES: &str = "resources/list";
/// `resources/templates/list`.
pub const LIST_TEMPLATES: &str = "resources/templates/list";
/// `skills/list` (extension).
pub const LIST_SKILLS: &str = "skills/list";
/// `skills/get` (extension).
pub const GET_SKILL: &str = "skills/get";
/// `resources/directory/read` (extension).
pub const READ_DIRECTORY: &str = "resources/directory/read";
/// `notifications/progress`.
pub const PROGRESS: &str = "notifications/progress";
/// `notifications/cancelled`.
pub const CANCELLED: &str = "notifications/cancelled";
/// `notifications/roots/list_changed` (legacy, from the client).
pub const ROOTS_CHANGED: &str = "notifications/roots/list_changed";
/// `notifications/message`.
pub const LOG_MESSAGE: &str = "notifications/message";
/// `notifications/tools/list_changed`.
pub const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
/// `notifications/prompts/list_changed`.
pub const PROMPTS_CHANGED: &str = "notifications/prompts/list_changed";
/// `notifications/resources/list_changed`.
pub const RESOURCES_CHANGED: &str = "notifications/resources/list_changed";
/// `notifications/resources/updated`.
pub const RESOURCE_UPDATED: &str = "notifications/resources/updated";
/// `notifications/subscriptions/acknowledged` (modern).
pub const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// `tasks/get`.
pub const GET_TASK: &str = "tasks/get";
/// `tasks/result` (legacy).
pub const TASK_RESULT: &str = "tasks/result";
/// `tasks/update` (modern).
pub const UPDATE_TASK: &str = "tasks/update";
/// `tasks/cancel`.
pub const CANCEL_TASK: &str = "tasks/cancel";
/// `tasks/list` (legacy).
pub const LIST_TASKS: &str = "tasks/list";
/// `notifications/tasks/status` (legacy).
pub const TASK_STATUS: &str = "notifications/tasks/status";
/// `notifications/tasks` (modern).
pub const TASK_CHANGED: &str = "notifications/tasks";

/// The method that fetches a list.
pub const fn of_list(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Tools => LIST_TOOLS,
        ListKind::Prompts => LIST_PROMPTS,
        ListKind::Resources => LIST_RESOURCES,
        ListKind::Templates => LIST_TEMPLATES,
        ListKind::Skills => LIST_SKILLS,
    }
}

/// The name by which an operation is sent to an upstream and counted; hello and ping are answered here and have none
/// that is common to both eras.
pub fn of(operation: &Operation) -> &str {
    match operation {
        Operation::Other(method) => method,
        known => label(known),
    }
}

/// A fixed label for metrics: methods that nobody knows share one, so that a peer cannot create series.
pub fn label(operation: &Operation) -> &'static str {
    match operation {
        Operation::Hello => DISCOVER,
        Operation::Ping => PING,
        Operation::ListTools(_) => LIST_TOOLS,
        Operation::ListPrompts(_) => LIST_PROMPTS,
        Operation::ListResources(_) => LIST_RESOURCES,
        Operation::ListTemplates(_) => LIST_TEMPLATES,
        Operation::ListSkills(_) => LIST_SKILLS,
        Operation::GetSkill(_) => GET_SKILL,
        Operation::ReadDirectory(_) => READ_DIRECTORY,
        Operation::CallTool(_) => CALL_TOOL,
        Operation::GetPrompt(_) => GET_PROMPT,
        Operation::ReadResource(_) => READ_RESOURCE,
        Operation::Complete(_) => COMPLETE,
        Operation::Subscribe(_) => SUBSCRIBE,
        Operation::Unsubscribe(_) => UNSUBSCRIBE,
        Operation::SetLevel(_) => SET_LEVEL,
        Operation::Listen(_) => LISTEN,
        Operation::Task(TaskRequest::Get, _) => GET_TASK,
        Operation::Task(TaskRequest::Result, _) => TASK_RESULT,
        Operation::Task(TaskRequest::Update, _) => UPDATE_TASK,
        Operation::Task(TaskRequest::Cancel, _) => CANCEL_TASK,
        Operation::ListTasks(_) => LIST_TASKS,
        Operation::Other(_) => OTHER,
    }
}

/// Every value that [`label`] can have.
pub const LABELS: [&str; 23] = [
    DISCOVER,
    PING,
    LIST_TOOLS,
    LIST_PROMPTS,
    LIST_RESOURCES,
    LIST_TEMPLATES,
    LIST_SKILLS,
    GET_SKILL,
    READ_DIRECTORY,
    CALL_TOOL,
    GET_PROMPT,
    READ_RESOURCE,
    COMPLETE,
    SUBSCRIBE,
    UNSUBSCRIBE,
    SET_LEVEL,
    LISTEN,
    GET_TASK,
    TASK_RESULT,
    UPDATE_TASK,
    CANCEL_TASK,
    LIST_TASKS,
    OTHER,
];
const OTHER: &str = "other";
