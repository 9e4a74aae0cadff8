//! A test client on rmcp: connects, lists the tools, calls one, prints one JSON line.
//!
//! `rmcp-client URL [--auto | --legacy | --modern] [--call NAME JSON]`
//!
//! It declares form elicitation and answers every form with `{"name":"peer"}`. Exit code 0 if every
//! step was answered, 1 if not.

use std::sync::{Arc, Mutex};

use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
        Implementation, ProgressNotificationParam, ProtocolVersion,
    },
    service::{NotificationContext, RequestContext},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Options {
    url: String,
    mode: String,
    call: Option<(String, Value)>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let options = options()?;
    let mut report = json!({
        "ok": false, "peer": "rmcp-client (rmcp 3.9.0)", "mode": options.mode,
        "connected": null, "tools": null, "call": null, "error": null
    });
    match run(&options, &mut report).await {
        Ok(()) => report["ok"] = json!(true),
        Err(error) => report["error"] = json!(error.to_string()),
    }
    println!("{report}");
    std::process::exit(i32::from(report["ok"] != json!(true)))
}

fn options() -> Result<Options, Failure> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: rmcp-client URL [--auto | --legacy | --modern] [--call NAME JSON]";
    let mut options = Options { url: arguments.next().ok_or(usage)?, mode: "auto".to_owned(), call: None };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--auto" | "--legacy" | "--modern" => options.mode = argument[2..].to_owned(),
            "--call" => {
                let (name, given) = (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
                options.call = Some((name, serde_json::from_str(&given)?));
            }
            _ => return Err(usage.into()),
        }
    }
    Ok(options)
}

async fn run(options: &Options, report: &mut Value) -> Result<(), Failure> {
    let modern = vec![ProtocolVersion::V_2026_07_28];
    let lifecycle = match options.mode.as_str() {
        "legacy" => ClientLifecycleMode::Initialize,
        "modern" => ClientLifecycleMode::Discover { preferred_versions: modern },
        _ => ClientLifecycleMode::Auto { preferred_versions: modern, legacy_version: None },
    };
    let transport = StreamableHttpClientTransport::from_config(
        StreamableHttpClientTransportConfig::with_uri(options.url.as_str()),
    );
    let peer = Peer {
        initialize_with: (options.mode == "legacy").then_some(ProtocolVersion::V_2025_11_25),
        ..Peer::default()
    };
    let progress = peer.progress.clone();
    let client = peer.serve_with_lifecycle(transport, lifecycle).await?;
    report["connected"] = serde_json::to_value(client.peer_info().as_deref())?;
    report["tools"] = serde_json::to_value(client.list_all_tools().await?)?;
    if let Some((name, arguments)) = &options.call {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let called =
            client.call_tool(CallToolRequestParams::new(name.clone()).with_arguments(arguments)).await;
        let seen = std::mem::take(&mut *progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        report["call"] = json!({ "name": name, "progress": seen, "result": called? });
    }
    client.cancel().await?;
    Ok(())
}

#[derive(Default)]
struct Peer {
    /// Left alone, rmcp offers 2026-07-28 in `initialize` too, which no legacy client would.
    initialize_with: Option<ProtocolVersion>,
    progress: Arc<Mutex<Vec<Value>>>,
}

impl ClientHandler for Peer {
    fn get_info(&self) -> ClientConfig {
        let config = ClientConfig::new(
            ClientCapabilities::builder().enable_elicitation().build(),
            Implementation::new("trunkline-rmcp", "3.9.0"),
        );
        match self.initialize_with.clone() {
            Some(version) => config.with_protocol_version(version),
            None => config,
        }
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        serde_json::from_value(
            json!({ "action": "accept", "content": { "name": "peer", "color": "peer", "ok": true } }),
        )
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }

    async fn on_progress(&self, update: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        if let (Ok(mut seen), Ok(update)) = (self.progress.lock(), serde_json::to_value(update)) {
            seen.push(update);
        }
    }
}
