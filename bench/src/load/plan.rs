//! What is asked for, of whom, and how it is written.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Uri};

use crate::era::{Era, METHOD_HEADER, MODERN_VERSION, NAME_HEADER, VERSION_HEADER};

/// Bytes of an `echo` call's arguments.
const ARGUMENT_BYTES: usize = 80;

/// The modern request that opens a stream of changes.
pub(super) const LISTEN: &str = "subscriptions/listen";

/// One kind of request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// `echo` with a text of its own per call
    Call,
    /// `tools/list`; how many tools there must be, if that is known
    List { tools: Option<usize> },
    /// A text of so many bytes
    Payload { bytes: usize },
    /// A call that reports progress
    Progress { steps: u64, interval_ms: u64 },
}

impl Op {
    /// The tool it calls, without any prefix.
    pub(crate) const fn tool(self) -> &'static str {
        match self {
            Self::Call | Self::List { .. } => "echo",
            Self::Payload { .. } => "payload",
            Self::Progress { .. } => "slow",
        }
    }

    const fn method(self) -> &'static str {
        match self {
            Self::List { .. } => "tools/list",
            _ => "tools/call",
        }
    }
}

/// Everything a caller needs to know, shared by all of them.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) era: Era,
    pub(crate) op: Op,
    /// One or several: calls take turns among them.
    tools: Vec<Tool>,
    /// `host:port`
    pub(super) authority: String,
    pub(super) path: String,
}

#[derive(Debug)]
struct Tool {
    name: String,
    /// The same as a header.
    value: HeaderValue,
}

impl Tool {
    fn new(name: String) -> anyhow::Result<Self> {
        ensure!(
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')),
            "a tool's name must need no escaping"
        );
        Ok(Self { value: HeaderValue::from_str(&name)?, name })
    }
}

impl Plan {
    /// Calls of one tool.
    pub(crate) fn new(url: &Uri, era: Era, op: Op, tool: String) -> anyhow::Result<Arc<Self>> {
        Self::spread(url, era, op, vec![tool])
    }

    /// Calls that take turns among several tools. Plain `http` only.
    pub(crate) fn spread(url: &Uri, era: Era, op: Op, tools: Vec<String>) -> anyhow::Result<Arc<Self>> {
        ensure!(url.scheme_str() == Some("http"), "only http:// is measured");
        ensure!(!tools.is_empty(), "there must be a tool to call");
        let tools = tools.into_iter().map(Tool::new).collect::<anyhow::Result<_>>()?;
        let host = url.host().context("the URL has no host")?;
        let authority = format!("{host}:{}", url.port_u16().unwrap_or(80));
        Ok(Arc::new(Self { era, op, tools, authority, path: url.path().to_owned() }))
    }

    /// Headers every request of the era has.
    pub(super) fn common_headers(&self) -> anyhow::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(&self.authority)?);
        headers.insert(USER_AGENT, HeaderValue::from_static("trunkline-bench"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(VERSION_HEADER, HeaderValue::from_static(self.era.version()));
        Ok(headers)
    }

    /// Headers of the request that is measured, but for the tool's.
    pub(super) fn call_headers(&self) -> anyhow::Result<HeaderMap> {
        let mut headers = self.common_headers()?;
        if self.era == Era::Modern {
            headers.insert(METHOD_HEADER, HeaderValue::from_static(self.op.method()));
        }
        Ok(headers)
    }

    /// Names the tool of the request with this id, where the era wants that.
    pub(super) fn name_tool(&self, id: u64, headers: &mut HeaderMap) {
        if self.era == Era::Modern && self.op.method() == "tools/call" {
            headers.insert(NAME_HEADER, self.tool(id).value.clone());
        }
    }

    fn tool(&self, id: u64) -> &Tool {
        &self.tools[usize::try_from(id).unwrap_or(0) % self.tools.len()]
    }

    /// The request with this id.
    pub(super) fn body(&self, id: u64, text: &str) -> Bytes {
        let method = self.op.method();
        let meta = self.meta(id);
        let params = match self.op {
            Op::List { .. } => meta,
            Op::Call => self.call(id, &format!(r#"{{"text":"{text}"}}"#), &meta),
            Op::Payload { bytes } => self.call(id, &format!(r#"{{"bytes":{bytes}}}"#), &meta),
            Op::Progress { steps, interval_ms } => {
                self.call(id, &format!(r#"{{"steps":{steps},"interval_ms":{interval_ms}}}"#), &meta)
            }
        };
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}}}}}"#).into()
    }

    fn call(&self, id: u64, arguments: &str, meta: &str) -> String {
        let comma = if meta.is_empty() { "" } else { "," };
        format!(r#""name":"{}","arguments":{arguments}{comma}{meta}"#, self.tool(id).name)
    }

    /// A request for what has changed, which is answered for as long as the connection lasts (modern).
    pub(super) fn listen(&self) -> Bytes {
        let meta = self.meta(0);
        format!(r#"{{"jsonrpc":"2.0","id":0,"method":"{LISTEN}","params":{{"notifications":{{"toolsListChanged":true}},{meta}}}}}"#)
            .into()
    }

    fn meta(&self, id: u64) -> String {
        let token = match self.op {
            Op::Progress { .. } => format!(r#""progressToken":{id}"#),
            _ => String::new(),
        };
        match self.era {
            Era::Legacy if token.is_empty() => String::new(),
            Era::Legacy => format!(r#""_meta":{{{token}}}"#),
            Era::Modern => {
                let comma = if token.is_empty() { "" } else { "," };
                format!(
                    r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN_VERSION}","io.modelcontextprotocol/clientInfo":{{"name":"trunkline-bench","version":"1"}},"io.modelcontextprotocol/clientCapabilities":{{}}{comma}{token}}}"#
                )
            }
        }
    }
}

/// A text no other call sends, so that an answer given to the wrong caller is noticed.
pub(super) fn text(connection: usize, id: u64) -> String {
    let width = ARGUMENT_BYTES - r#"{"text":""}"#.len();
    format!("{:.<width$}", format!("call {id} of connection {connection} "))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn plan(era: Era, op: Op) -> Arc<Plan> {
        Plan::new(&Uri::from_static("http://127.0.0.1:9/mcp"), era, op, op.tool().to_owned()).unwrap()
    }

    #[test]
    fn every_request_is_json() {
        let progress = Op::Progress { steps: 3, interval_ms: 1 };
        for op in [Op::Call, Op::List { tools: None }, Op::Payload { bytes: 9 }, progress] {
            for era in [Era::Modern, Era::Legacy] {
                let body: Value = serde_json::from_slice(&plan(era, op).body(7, &text(1, 7))).unwrap();
                assert_eq!(body["id"], 7);
                let version = &body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
                assert_eq!(version == MODERN_VERSION, era == Era::Modern, "{body}");
                let token = &body["params"]["_meta"]["progressToken"];
                assert_eq!(token == 7, matches!(op, Op::Progress { .. }), "{body}");
            }
        }
    }

    #[test]
    fn calls_take_turns_among_tools() {
        let tools = vec!["u1__echo".to_owned(), "u2__echo".to_owned()];
        let url = Uri::from_static("http://127.0.0.1:9/mcp");
        let plan = Plan::spread(&url, Era::Modern, Op::Call, tools).unwrap();
        for (id, expected) in [(1, "u2__echo"), (2, "u1__echo"), (3, "u2__echo")] {
            let body: Value = serde_json::from_slice(&plan.body(id, "x")).unwrap();
            assert_eq!(body["params"]["name"], expected);
            let mut headers = plan.call_headers().unwrap();
            plan.name_tool(id, &mut headers);
            assert_eq!(headers[NAME_HEADER], expected);
        }
    }

    #[test]
    fn arguments_are_eighty_bytes() {
        let body: Value =
            serde_json::from_slice(&plan(Era::Legacy, Op::Call).body(7, &text(63, 123_456))).unwrap();
        assert_eq!(body["params"]["arguments"].to_string().len(), ARGUMENT_BYTES);
    }
}
