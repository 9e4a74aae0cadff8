//! A dual-era test server on rmcp.
//!
//! `rmcp-server --port N` serves Streamable HTTP on loopback and prints `{"ready":true,"url":...}`;
//! `rmcp-server --stdio` (the default) serves its own standard input and output.

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
        GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ProgressNotificationParam, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
        ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
    transport::stdio,
};
use serde_json::{Value, json};
use trunkline_peer_rmcp::{
    Failure, http,
    json::{read_result as read, text},
};

type Context = RequestContext<RoleServer>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["--stdio"] => {
            Peer.serve(stdio()).await?.waiting().await?;
            Ok(())
        }
        ["--port", port] => http::serve(port.parse()?, || Peer).await,
        _ => Err("usage: rmcp-server [--stdio | --port N]".into()),
    }
}

#[derive(Clone)]
struct Peer;

impl ServerHandler for Peer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_completions()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("rmcp-server", "3.9.0"))
            .with_instructions("Test server on rmcp: echo, add and slow.")
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        read(json!({ "tools": [
            {
                "name": "echo",
                "description": "Returns its arguments, as JSON text and as structured content",
                "inputSchema": { "type": "object", "additionalProperties": true },
                "outputSchema": { "type": "object", "additionalProperties": true }
            },
            {
                "name": "add",
                "description": "Adds two numbers",
                "inputSchema": {
                    "type": "object",
                    "properties": { "a": { "type": "number" }, "b": { "type": "number" } },
                    "required": ["a", "b"]
                }
            },
            {
                "name": "slow",
                "description": "Takes its time: `steps` progress reports spread over `ms` milliseconds",
                "inputSchema": {
                    "type": "object",
                    "properties": { "ms": { "type": "integer" }, "steps": { "type": "integer" } }
                }
            }
        ] }))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(call.arguments.unwrap_or_default());
        let result = match call.name.as_ref() {
            "echo" => json!({ "content": [text(&arguments.to_string())], "structuredContent": arguments }),
            "add" => add(&arguments),
            "slow" => slow(&arguments, &context).await?,
            other => return Err(ErrorData::invalid_params(format!("Unknown tool: {other}"), None)),
        };
        read::<CallToolResult>(result).map(Into::into)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        read(json!({ "prompts": [{
            "name": "greet",
            "description": "Greets somebody",
            "arguments": [{ "name": "name", "description": "Whom to greet", "required": true }]
        }] }))
    }

    async fn get_prompt(
        &self,
        get: GetPromptRequestParams,
        _: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let name = get.arguments.as_ref().and_then(|given| given.get("name")?.as_str());
        match (get.name.as_str(), name) {
            ("greet", Some(name)) => read::<GetPromptResult>(json!({
                "messages": [{ "role": "user", "content": text(&format!("Say hello to {name}.")) }]
            }))
            .map(Into::into),
            ("greet", None) => Err(ErrorData::invalid_params("Missing argument: name", None)),
            (other, _) => Err(ErrorData::invalid_params(format!("Unknown prompt: {other}"), None)),
        }
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        read(json!({ "resources": [{
            "uri": "rmcp://about", "name": "about", "description": "What this server is", "mimeType": "text/plain"
        }] }))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        read(json!({ "resourceTemplates": [{
            "uriTemplate": "rmcp://items/{id}", "name": "item", "description": "One item", "mimeType": "text/plain"
        }] }))
    }

    async fn read_resource(
        &self,
        wanted: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let words = match wanted.uri.strip_prefix("rmcp://") {
            Some("about") => "A test server on rmcp 3.9.0.".to_owned(),
            Some(path) if path.starts_with("items/") => format!("Item {}", &path["items/".len()..]),
            _ => {
                return Err(ErrorData::resource_not_found(
                    "Resource not found",
                    Some(json!({ "uri": wanted.uri })),
                ));
            }
        };
        read::<ReadResourceResult>(json!({
            "contents": [{ "uri": wanted.uri, "mimeType": "text/plain", "text": words }]
        }))
        .map(Into::into)
    }

    async fn complete(&self, wanted: CompleteRequestParams, _: Context) -> Result<CompleteResult, ErrorData> {
        let values: Vec<_> = ["ada", "adele", "bob"]
            .into_iter()
            .filter(|name| name.starts_with(&wanted.argument.value))
            .collect();
        read(json!({ "completion": { "total": values.len(), "values": values, "hasMore": false } }))
    }
}

/// Whole numbers stay whole; anything else is an error of the tool, not of the protocol.
fn add(arguments: &Value) -> Value {
    let (a, b) = (&arguments["a"], &arguments["b"]);
    let sum = match (a.as_i64(), b.as_i64(), a.as_f64(), b.as_f64()) {
        (Some(a), Some(b), ..) if a.checked_add(b).is_some() => (a + b).to_string(),
        (_, _, Some(a), Some(b)) => (a + b).to_string(),
        _ => return json!({ "isError": true, "content": [text("a and b must be numbers")] }),
    };
    json!({ "content": [text(&sum)] })
}

async fn slow(arguments: &Value, context: &Context) -> Result<Value, ErrorData> {
    let ms = arguments["ms"].as_u64().unwrap_or(100);
    let steps = arguments["steps"].as_u64().unwrap_or(1).clamp(1, 1000);
    for step in 1..=steps {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms / steps)) => {}
            () = context.ct.cancelled() => return Err(ErrorData::internal_error("cancelled", None)),
        }
        if let Some(token) = context.meta.get_progress_token() {
            #[expect(clippy::cast_precision_loss, reason = "at most a thousand steps")]
            let update = ProgressNotificationParam::new(token, step as f64).with_total(steps as f64);
            // A caller that stopped listening still gets its answer.
            let _ = context.peer.notify_progress(update).await;
        }
    }
    Ok(json!({ "content": [text(&format!("slept {ms} ms in {steps} steps"))] }))
}
