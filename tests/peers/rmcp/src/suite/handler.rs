//! The server: one for each session or modern request, over what all of them share.

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::*,
    service::{Peer, RequestContext, SubscriptionContext, SubscriptionSink},
    task_manager::TaskManager,
};
use serde_json::{Map, Value, json};
use trunkline_peer_rmcp::json::{read, read_result};

use crate::{
    asks::{self, Round},
    call::Call,
    documents, skills, tasks, tools,
};

type Context = RequestContext<RoleServer>;

/// What outlives a session.
pub struct Shared {
    pub revision: AtomicU64,
    tasks: TaskManager,
    codec: RequestStateCodec,
    sinks: Mutex<Vec<SubscriptionSink>>,
}

impl Shared {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            revision: AtomicU64::new(0),
            tasks: TaskManager::new(),
            // A test server has no secrets; this one only tells our state from what somebody made of it.
            codec: RequestStateCodec::try_new(*b"a key for tests and nothing else").expect("it has 32 bytes"),
            sinks: Mutex::default(),
        })
    }

    /// Tells every listener, and the session that asked, that the tools changed.
    pub async fn tools_changed(&self, peer: &Peer<RoleServer>) {
        for sink in self.listeners() {
            let _ = sink.notify_tool_list_changed().await;
        }
        // On a modern exchange this notification has no place; the SDK refuses it or the session takes it.
        if peer.peer_info().is_some() {
            let _ = peer.notify_tool_list_changed().await;
        }
    }

    /// The same for prompts.
    pub async fn prompts_changed(&self, peer: &Peer<RoleServer>) {
        for sink in self.listeners() {
            let _ = sink.notify_prompt_list_changed().await;
        }
        if peer.peer_info().is_some() {
            let _ = peer.notify_prompt_list_changed().await;
        }
    }

    fn listeners(&self) -> Vec<SubscriptionSink> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One conversation.
pub struct Server {
    shared: Arc<Shared>,
    level: Mutex<Option<LoggingLevel>>,
}

impl Server {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, level: Mutex::new(None) }
    }

    /// A request with what earlier rounds left.
    fn call<'a>(
        &self,
        context: &'a Context,
        arguments: Option<JsonObject>,
        inputs: Option<InputResponses>,
        state: Option<&str>,
    ) -> Result<Call<'a>, ErrorData> {
        let opened = state.map(|sealed| self.shared.codec.open_json::<Value>(sealed)).transpose();
        let state =
            opened.map_err(|error| ErrorData::invalid_params(format!("requestState: {error}"), None))?;
        Ok(Call {
            context,
            arguments: Value::Object(arguments.unwrap_or_default()),
            inputs: inputs.unwrap_or_default().into_iter().collect(),
            state,
            session_level: *self.level.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }

    /// The questions of a round as a result, for a modern client.
    fn questions(
        &self,
        call: &Call<'_>,
        requests: Map<String, Value>,
        state: Option<Value>,
    ) -> Result<InputRequiredResult, ErrorData> {
        if let Some(lacking) = asks::missing(call, &requests) {
            return Err(ErrorData::missing_required_client_capability(read(lacking)?));
        }
        let sealed = state.map(|state| self.shared.codec.seal_json(&state)).transpose();
        let sealed = sealed.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(InputRequiredResult::new(Some(read(Value::Object(requests))?), sealed))
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_logging()
            .enable_tasks()
            .enable_skills_with_directory_read()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("rmcp-suite", "3.9.0"))
            .with_instructions(
                "Test server on rmcp. Its tools do what the conformance suite expects of them.",
            )
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let tool = tools::mirrored();
        (tool["name"] == name).then(|| read(tool).ok()).flatten()
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut all = tools::listed(&self.shared);
        all.extend(asks::listed());
        all.extend(tasks::listed());
        read_result(json!({ "tools": all }))
    }

    async fn call_tool(
        &self,
        wanted: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = wanted.name.as_ref();
        let state = wanted.request_state.as_deref();
        let mut call = self.call(&context, wanted.arguments, wanted.input_responses, state)?;
        if let Some(result) = tools::run(name, &call, &self.shared).await {
            return read_result(result).map(CallToolResponse::Complete);
        }
        if let Some(started) = tasks::start(name, &call, &self.shared.tasks).await {
            return started;
        }
        if name == "test_tool_with_task"
            && let Some(who) = asks::accepted(&call, "user_name", "name")
        {
            return tasks::greeting(&call, who, &self.shared.tasks);
        }
        let round = match name {
            "test_tool_with_task" => Some(asks::named(&call, "user_name", str::to_owned)),
            _ => asks::tool(name, &call).await,
        };
        match round.ok_or_else(|| ErrorData::invalid_params(format!("Unknown tool: {name}"), None))? {
            Round::Ask { requests, state } if call.modern() => {
                self.questions(&call, requests, state).map(CallToolResponse::InputRequired)
            }
            round => read_result(asks::drive(name, &mut call, round).await?).map(CallToolResponse::Complete),
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        read_result(json!({ "prompts": documents::prompts() }))
    }

    async fn get_prompt(
        &self,
        wanted: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let state = wanted.request_state.as_deref();
        let call = self.call(&context, wanted.arguments, wanted.input_responses, state)?;
        if wanted.name != "test_input_required_result_prompt" {
            let prompt = documents::prompt(&wanted.name, &call.arguments)?;
            return read_result(prompt).map(GetPromptResponse::Complete);
        }
        match asks::prompt(&call) {
            Round::Done(prompt) => read_result(prompt).map(GetPromptResponse::Complete),
            Round::Ask { requests, state } => {
                self.questions(&call, requests, state).map(GetPromptResponse::InputRequired)
            }
        }
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        read_result(json!({ "resources": documents::resources() }))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        read_result(json!({ "resourceTemplates": documents::templates() }))
    }

    async fn read_resource(
        &self,
        wanted: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        read_result(documents::resource(&wanted.uri)?).map(ReadResourceResponse::Complete)
    }

    async fn complete(&self, wanted: CompleteRequestParams, _: Context) -> Result<CompleteResult, ErrorData> {
        read_result(documents::complete(&wanted.argument.name, &wanted.argument.value))
    }

    async fn set_level(&self, wanted: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = Some(wanted.level);
        Ok(())
    }

    // Nothing here ever changes by itself; whoever subscribes waits in vain.
    async fn subscribe(&self, _: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let sinks = || self.shared.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks().push(context.sink().clone());
        context.cancelled().await;
        sinks().retain(|sink| sink.id() != context.sink().id());
        Ok(())
    }

    async fn get_task(&self, wanted: GetTaskParams, _: Context) -> Result<GetTaskResult, ErrorData> {
        self.shared.tasks.get_task(&wanted.task_id).map(GetTaskResult::new)
    }

    async fn update_task(&self, wanted: UpdateTaskParams, _: Context) -> Result<(), ErrorData> {
        self.shared.tasks.update_task(&wanted.task_id, wanted.input_responses)
    }

    async fn cancel_task(&self, wanted: CancelTaskParams, _: Context) -> Result<(), ErrorData> {
        self.shared.tasks.cancel_task(&wanted.task_id)
    }

    async fn list_skills(
        &self,
        wanted: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListSkillsResult, ErrorData> {
        let cursor = wanted.and_then(|wanted| wanted.cursor);
        read_result(skills::page(cursor.as_deref())?)
    }

    async fn get_skill(
        &self,
        wanted: GetSkillRequestParams,
        _: Context,
    ) -> Result<GetSkillResult, ErrorData> {
        read_result(skills::get(&wanted.uri)?)
    }

    async fn read_resource_directory(
        &self,
        wanted: ReadResourceDirectoryRequestParams,
        _: Context,
    ) -> Result<ReadResourceDirectoryResult, ErrorData> {
        read_result(skills::directory(&wanted.uri)?)
    }
}
