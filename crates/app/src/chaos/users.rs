//! Users of the gateway, one client of each era: what they call, and how it ended for them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use trunkline_config::Scenario;
use trunkline_model::{Call, Caller, Era, Outcome, Quiet};
use trunkline_observe::metrics::Metrics;
use trunkline_protocol::{Revision, hello, meta, method, request, scan};
use trunkline_transport::back::HttpClient;
use trunkline_upstream::faults::Faults;
use trunkline_upstream::{Endpoint, EraChoice, Options, Phase, Reach, Timeouts, Tools, Upstream};

use crate::stop::{Code, Stop};

/// How long a user waits for an answer.
const PATIENCE: Duration = Duration::from_mins(2);

/// How a call ended that had no answer at all.
const NO_ANSWER: &str = "no_answer";

/// Users of both eras.
pub(super) struct Users {
    modern: Upstream,
    legacy: Upstream,
}

impl Users {
    /// Connects those that the scenario needs.
    ///
    /// # Errors
    /// When nobody answers there.
    pub(super) async fn connect(url: &str, scenario: &Scenario) -> Result<Self, Stop> {
        let users = Self { modern: start(url, EraChoice::Modern), legacy: start(url, EraChoice::Legacy) };
        let needed =
            |era| scenario.phases.iter().flat_map(|phase| &phase.load).any(|load| load.eras.contains(&era));
        for era in [Era::Modern, Era::Legacy].into_iter().filter(|era| needed(*era)) {
            let mut status = users.of(era).status();
            let settled = status.wait_for(|status| status.phase.settled()).await;
            if let Ok(status) = settled
                && let Phase::Down { reason, .. } = &status.phase
            {
                let text = format!("no gateway answers at {url}: {reason}");
                return Err(Stop::new(Code::UNAVAILABLE, text));
            }
        }
        Ok(users)
    }

    fn of(&self, era: Era) -> &Upstream {
        match era {
            Era::Modern => &self.modern,
            Era::Legacy => &self.legacy,
        }
    }

    /// Calls a tool; `None` when there was an answer, else why not.
    pub(super) async fn call(&self, era: Era, tool: &str, arguments: &str) -> Option<String> {
        let Some(call) = call(era, tool, arguments) else { return Some(NO_ANSWER.to_owned()) };
        match self.of(era).call(&call, None, &[]).await {
            Outcome::Result(reply) => failed(&reply.raw),
            Outcome::Error(error) => {
                let error: Value = serde_json::from_slice(&error.raw).unwrap_or_default();
                let reason = error["data"]["reason"].as_str();
                Some(reason.map_or_else(|| format!("error {}", error["code"]), str::to_owned))
            }
            Outcome::Fault(fault) => Some(format!("{NO_ANSWER} ({})", fault.kind.reason())),
        }
    }

    /// Ends the sessions.
    pub(super) async fn stop(&self) {
        tokio::join!(self.modern.stop(), self.legacy.stop());
    }
}

fn start(url: &str, era: EraChoice) -> Upstream {
    let endpoint = Endpoint { url: url.to_owned(), headers: Vec::new() };
    let mut options = Options::new("gateway", Reach::StreamableHttp(endpoint));
    options.era = era;
    options.timeouts = Timeouts { idle: PATIENCE, total: PATIENCE, ..Timeouts::default() };
    // A user asks again and again, whatever came before.
    options.live.breaker = None;
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let tools = Tools {
        environment: Arc::default(),
        shepherd: None,
        launch: None,
        http: HttpClient::new(),
        verdicts: Arc::default(),
        changes: broadcast::Sender::new(trunkline_upstream::CHANGES_BACKLOG),
        faults: Arc::new(Faults::new(Arc::clone(&metrics))),
        metrics,
    };
    Upstream::start(options, tools)
}

fn call(era: Era, tool: &str, arguments: &str) -> Option<Call> {
    let about = match era {
        Era::Modern => {
            let info: Value =
                serde_json::from_slice(hello::own_info(env!("CARGO_PKG_VERSION")).as_ref()).ok()?;
            let (version, capabilities) = (Revision::MODERN_LATEST.as_str(), json!({}));
            let about =
                json!({ meta::VERSION: version, meta::CLIENT_INFO: info, meta::CAPABILITIES: capabilities });
            format!(",\"_meta\":{about}")
        }
        Era::Legacy => String::new(),
    };
    let text = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{}\",\"params\":{{\"name\":{},\"arguments\":{arguments}{about}}}}}",
        method::CALL_TOOL,
        Value::from(tool)
    );
    let scanned = scan(Bytes::from(text)).ok()?;
    let (operation, params) = request::decode(&scanned, era).ok()?;
    Some(Call::new(operation, params, Arc::new(Caller::new(era)), Arc::new(Quiet)))
}

/// Why a result is no answer: the gateway's fault in it, or the tool's own failure.
fn failed(raw: &[u8]) -> Option<String> {
    let result: Value = serde_json::from_slice(raw).unwrap_or_default();
    if result["isError"] != true {
        return None;
    }
    let reason = result["_meta"]["io.trunkline/fault"]["reason"].as_str();
    Some(reason.unwrap_or("tool_error").to_owned())
}
