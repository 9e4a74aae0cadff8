//! A test server on rmcp 0.1.5, the Rust SDK of early 2025: revision 2024-11-05.
//!
//! `rmcp-old-server --stdio` (the default) serves its own standard input and output;
//! `rmcp-old-server --port N` serves HTTP+SSE on loopback and prints `{"ready":true,"url":...}`.
//!
//! Over a pipe it ends when the first message is anything but `initialize`: that is the SDK's doing, and what this
//! peer is for.

use std::net::{Ipv4Addr, TcpListener};

use rmcp::{
    Error, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParam, CallToolResult, GetPromptRequestParam, GetPromptResult, ListPromptsResult,
        ListResourcesResult, ListToolsResult, PaginatedRequestParam, ReadResourceRequestParam, ReadResourceResult,
        ServerInfo,
    },
    service::{Peer as Remote, RequestContext},
    transport::{io::stdio, sse_server::SseServer},
};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Context = RequestContext<RoleServer>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["--stdio"] => {
            Peer::default().serve(stdio()).await?.waiting().await?;
            Ok(())
        }
        ["--port", port] => serve_sse(port.parse()?).await,
        _ => Err("usage: rmcp-old-server [--stdio | --port N]".into()),
    }
}

/// The SDK binds by itself and does not tell the port it got, so a free one is found first.
async fn serve_sse(port: u16) -> Result<(), Failure> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()?;
    let server = SseServer::serve(free).await?;
    let stop = server.with_service(Peer::default);
    println!("{}", json!({ "ready": true, "url": format!("http://localhost:{}/sse", free.port()) }));
    stop.cancelled().await;
    Ok(())
}

#[derive(Clone, Default)]
struct Peer(Option<Remote<RoleServer>>);

impl ServerHandler for Peer {
    fn get_info(&self) -> ServerInfo {
        read(json!({
            "protocolVersion": "2024-11-05",
            "capabilities": { "tools": {}, "prompts": {}, "resources": {} },
            "serverInfo": { "name": "rmcp-old-server", "version": "0.1.5" },
            "instructions": "Test server on rmcp 0.1.5: echo, add and fail."
        }))
        .unwrap_or_default()
    }

    fn get_peer(&self) -> Option<Remote<RoleServer>> {
        self.0.clone()
    }

    fn set_peer(&mut self, peer: Remote<RoleServer>) {
        self.0 = Some(peer);
    }

    async fn list_tools(&self, _: PaginatedRequestParam, _: Context) -> Result<ListToolsResult, Error> {
        let numbers = json!({
            "type": "object",
            "properties": { "a": { "type": "integer" }, "b": { "type": "integer" } },
            "required": ["a", "b"]
        });
        read(json!({ "tools": [
            {
                "name": "echo",
                "description": "Returns its message",
                "inputSchema": { "type": "object", "properties": { "message": { "type": "string" } } }
            },
            { "name": "add", "description": "Adds two numbers", "inputSchema": numbers },
            { "name": "fail", "description": "Fails", "inputSchema": { "type": "object" } }
        ] }))
    }

    async fn call_tool(&self, call: CallToolRequestParam, _: Context) -> Result<CallToolResult, Error> {
        let arguments = Value::Object(call.arguments.unwrap_or_default());
        let (words, is_error) = match call.name.as_ref() {
            "echo" => (arguments["message"].as_str().unwrap_or_default().to_owned(), false),
            "add" => match (arguments["a"].as_i64(), arguments["b"].as_i64()) {
                (Some(a), Some(b)) => (a.saturating_add(b).to_string(), false),
                _ => ("a and b must be whole numbers".to_owned(), true),
            },
            "fail" => ("this tool always fails".to_owned(), true),
            other => return Err(Error::invalid_params(format!("Unknown tool: {other}"), None)),
        };
        read(json!({ "content": [{ "type": "text", "text": words }], "isError": is_error }))
    }

    async fn list_prompts(&self, _: PaginatedRequestParam, _: Context) -> Result<ListPromptsResult, Error> {
        read(json!({ "prompts": [{
            "name": "greet",
            "description": "Greets somebody",
            "arguments": [{ "name": "name", "description": "Whom to greet", "required": true }]
        }] }))
    }

    async fn get_prompt(&self, get: GetPromptRequestParam, _: Context) -> Result<GetPromptResult, Error> {
        let name = get.arguments.as_ref().and_then(|given| given.get("name")?.as_str());
        match (get.name.as_str(), name) {
            ("greet", Some(name)) => read(json!({ "messages": [
                { "role": "user", "content": { "type": "text", "text": format!("Say hello to {name}.") } }
            ] })),
            _ => Err(Error::invalid_params("Unknown prompt, or no name", None)),
        }
    }

    async fn list_resources(&self, _: PaginatedRequestParam, _: Context) -> Result<ListResourcesResult, Error> {
        read(json!({ "resources": [{ "uri": "rmcp-old://about", "name": "about", "mimeType": "text/plain" }] }))
    }

    async fn read_resource(&self, wanted: ReadResourceRequestParam, _: Context) -> Result<ReadResourceResult, Error> {
        if wanted.uri != "rmcp-old://about" {
            return Err(Error::resource_not_found("Resource not found", Some(json!({ "uri": wanted.uri }))));
        }
        read(json!({ "contents": [
            { "uri": wanted.uri, "mimeType": "text/plain", "text": "A test server on rmcp 0.1.5." }
        ] }))
    }
}

/// Reads our own JSON into the SDK's type. A mistake here is a mistake in this file.
fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::internal_error(error.to_string(), None))
}
