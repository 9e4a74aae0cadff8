//! The gateway in this process, used as a modern client uses it: no socket in between, everything else the same.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use trunkline_config::Settings;
use trunkline_gateway::Gateway;
use trunkline_gateway::catalog::Source;
use trunkline_model::{Call, Caller, Era, Kind, Level, Notes, Outcome, Quiet};
use trunkline_protocol::{Revision, hello, list, meta, method, request, scan};
use trunkline_transport::front::host::Host;
use trunkline_upstream::Phase;

use crate::assemble;
use crate::environment::Environment;
use crate::stop::{Code, Stop};

/// Most pages read of the merged list; the gateway makes pages of a thousand.
const PAGES_MAX: usize = 1000;

/// How often a list is read again because it changed between two of its pages.
const LIST_ATTEMPTS: usize = 3;

/// Between two looks at servers that are still starting.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The progress token of our only call.
const TOKEN: &str = "1";

/// A tool as the merged list shows it.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    /// The exposed name.
    pub(crate) name: String,
    /// The server it belongs to.
    pub(crate) server: String,
    /// The server's own name for it.
    pub(crate) original: String,
    /// What it does.
    pub(crate) description: String,
    /// Which arguments it takes.
    pub(crate) schema: Value,
}

/// A gateway of our own.
pub(crate) struct Client {
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    patience: Duration,
}

impl Client {
    /// Starts the gateway. To be called within a runtime.
    pub(crate) fn start(mut settings: Settings, environment: &Environment) -> Self {
        // Nobody could come back for what is kept: the process ends with the command.
        for rules in &mut settings.gateway.servers {
            rules.results = None;
        }
        let tools = assemble::tools(&settings, environment);
        let longest =
            settings.upstreams.iter().map(|upstream| upstream.timeouts.connect + upstream.timeouts.list);
        let patience = longest.max().unwrap_or_default();
        let gateway = Gateway::start(settings.gateway, settings.upstreams, tools);
        let info = Bytes::from(hello::own_info(env!("CARGO_PKG_VERSION")));
        let caller = Caller { info: Some(info), ..Caller::new(Era::Modern) };
        Self { gateway, caller: Arc::new(caller), patience }
    }

    /// How the servers are.
    pub(crate) fn sources(&self) -> Vec<Source> {
        self.gateway.sources()
    }

    /// The merged tools, once `enough` is content with them or no server is starting any more.
    pub(crate) async fn tools(&self, enough: impl Fn(&[Tool]) -> bool) -> Result<Vec<Tool>, Stop> {
        let deadline = Instant::now() + self.patience;
        loop {
            // Looked at before the list is read, so that a server that settles in between is in the list.
            let starting = self.sources().iter().any(|source| source.status.phase == Phase::Starting);
            let tools = self.list().await?;
            if !starting || enough(&tools) || Instant::now() >= deadline {
                return Ok(tools);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn list(&self) -> Result<Vec<Tool>, Stop> {
        let mut last = Stop::silent(Code::FAILURE);
        for _ in 0..LIST_ATTEMPTS {
            match self.read_pages().await {
                Ok(tools) => return Ok(tools),
                Err((true, stop)) => last = stop,
                Err((false, stop)) => return Err(stop),
            }
        }
        Err(last)
    }

    /// Reads all pages; the error says whether the list changed meanwhile.
    async fn read_pages(&self) -> Result<Vec<Tool>, (bool, Stop)> {
        let sources = self.sources();
        let mut tools = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let members =
                cursor.as_ref().map(|cursor| format!("\"cursor\":{}", Value::from(cursor.as_str())));
            let outcome = self.ask(method::LIST_TOOLS, members.as_deref(), Arc::new(Quiet), false).await;
            let raw = match outcome.map_err(|stop| (false, stop))? {
                Outcome::Result(reply) => reply.raw,
                Outcome::Fault(fault) if fault.kind == Kind::BadCursor => {
                    return Err((true, Stop::new(Code::LATER, "the list of tools keeps changing")));
                }
                other => return Err((false, refused(&other))),
            };
            let page: Value = serde_json::from_slice(&raw).map_err(|error| (false, malformed(&error)))?;
            let items = page["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
            // A transparent server's tools come as they are, without a word on where they come from.
            let only = if let [only] = &sources[..] { &*only.rules.server } else { "" };
            tools.extend(items.iter().filter_map(|item| tool(item, only)));
            cursor = page["nextCursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Ok(tools)
    }

    /// Calls a tool. `arguments` is the text of a JSON object and reaches the server as it is.
    pub(crate) async fn call(
        &self,
        name: &str,
        arguments: &str,
        notes: Arc<dyn Notes>,
        progress: bool,
    ) -> Result<Outcome, Stop> {
        let members = format!("\"name\":{},\"arguments\":{arguments}", Value::from(name));
        self.ask(method::CALL_TOOL, Some(&members), notes, progress).await
    }

    /// One request, read by the same code that reads those from a socket.
    async fn ask(
        &self,
        method: &str,
        members: Option<&str>,
        notes: Arc<dyn Notes>,
        progress: bool,
    ) -> Result<Outcome, Stop> {
        let mut about = serde_json::Map::new();
        about.insert(meta::VERSION.to_owned(), Revision::MODERN_LATEST.as_str().into());
        let info = self.caller.info.as_deref().unwrap_or(b"{}");
        about.insert(meta::CLIENT_INFO.to_owned(), serde_json::from_slice(info).unwrap_or_default());
        about.insert(meta::CAPABILITIES.to_owned(), serde_json::json!({}));
        let log_level = progress.then_some(Level::Info);
        if progress {
            about.insert(meta::LOG_LEVEL.to_owned(), Level::Info.as_str().into());
            about.insert("progressToken".to_owned(), 1.into());
        }
        let mut text = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{{");
        if let Some(members) = members {
            // Writing to a string cannot fail.
            let _ = write!(text, "{members},");
        }
        let _ = write!(text, "\"_meta\":{}}}}}", Value::from(about));
        let scanned =
            scan(Bytes::from(text)).map_err(|error| Stop::usage(format!("the arguments: {error}")))?;
        let (operation, params) = match request::decode(&scanned, Era::Modern) {
            Ok(decoded) => decoded,
            Err(fault) => return Ok(fault.into()),
        };
        let call = Call {
            progress: progress.then(|| Bytes::from_static(TOKEN.as_bytes())),
            log_level,
            ..Call::new(operation, params, Arc::clone(&self.caller), notes)
        };
        let host: Arc<Gateway> = Arc::clone(&self.gateway);
        Ok(host.serve(None, call).await.outcome())
    }

    /// Stops the gateway and its servers, within bounds.
    pub(crate) async fn stop(self) {
        let deadline = crate::serve::STOP_DEADLINE;
        // What does not end in time is ended by the helper process.
        let _ = tokio::time::timeout(deadline, self.gateway.stop()).await;
    }
}

/// One tool of a list; `only` is the server of all that do not say whose they are.
fn tool(item: &Value, only: &str) -> Option<Tool> {
    let name = item["name"].as_str()?.to_owned();
    let meta = &item["_meta"];
    let server = meta["io.trunkline/server"].as_str();
    let original = meta["io.trunkline/name"].as_str().or_else(|| list::own_name(server?, &name));
    Some(Tool {
        original: original.unwrap_or(&name).to_owned(),
        server: server.unwrap_or(only).to_owned(),
        description: item["description"].as_str().or(item["title"].as_str()).unwrap_or_default().to_owned(),
        schema: item["inputSchema"].clone(),
        name,
    })
}

fn malformed(error: &serde_json::Error) -> Stop {
    Stop::new(Code::FAILURE, format!("the list of tools is malformed: {error}"))
}

/// An outcome that is no result, as the end of the command.
pub(crate) fn refused(outcome: &Outcome) -> Stop {
    match outcome {
        Outcome::Result(_) => Stop::silent(Code::OK),
        Outcome::Error(error) => {
            let object: Value = serde_json::from_slice(&error.raw).unwrap_or_default();
            let message = object["message"].as_str().unwrap_or("no reason given");
            let mut text = format!(
                "the server answered with error {}: {}",
                error.code,
                crate::terminal::one_line(message)
            );
            if !object["data"].is_null() {
                let _ = write!(text, "\n{}", crate::terminal::one_line(&object["data"].to_string()));
            }
            Stop::new(Code::FAILURE, text)
        }
        Outcome::Fault(fault) => {
            let code = match fault.kind {
                Kind::UnknownName(_) | Kind::InvalidParams | Kind::UnknownMethod => Code::USAGE,
                Kind::Unavailable | Kind::TimedOut | Kind::OutcomeUnknown => Code::UNAVAILABLE,
                Kind::Overloaded | Kind::RateLimited(_) => Code::LATER,
                _ => Code::FAILURE,
            };
            let mut text = crate::terminal::one_line(&fault.public);
            if !fault.detail.is_empty() {
                let _ = write!(text, "\n{}", crate::terminal::one_line(&fault.detail));
            }
            Stop::new(code, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tool_has_its_own_name_wherever_it_is_shown_by_another() {
        let original = |item: Value| tool(&item, "s").map(|tool| tool.original);
        let of = |name: &str, meta: Value| original(json!({ "name": name, "_meta": meta })).unwrap();
        assert_eq!(of("s__a__b", json!({ "io.trunkline/server": "s" })), "a__b");
        assert_eq!(of("p__a", json!({ "io.trunkline/server": "s", "io.trunkline/name": "a" })), "a");
        // Nothing says where it is from: a transparent server's tools come as they are.
        assert_eq!(of("s__a", json!({})), "s__a");
        assert_eq!(original(json!({ "title": "no name" })), None);
    }
}
