//! A client that writes its messages by hand, in either era, over HTTP.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::{Connection, Events};
use crate::json;
use crate::reply::Reply;

/// How the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25, with a session.
    Legacy,
    /// 2026-07-28, without.
    Modern,
}

/// Both.
pub const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// The revision of the modern era.
pub const MODERN: &str = "2026-07-28";
/// The newest revision of the legacy era.
pub const LEGACY: &str = "2025-11-25";

/// One client on one connection.
#[derive(Debug)]
pub struct Client {
    /// Where it is connected to.
    pub address: SocketAddr,
    /// The path of the endpoint.
    pub path: String,
    /// How it speaks.
    pub era: Era,
    /// The legacy session.
    pub session: Option<String>,
    /// What it declares that it can do, as raw text: with each modern request, and with the next `initialize`.
    pub capabilities: String,
    /// Members added to `_meta` of each modern request, as raw text.
    pub meta: String,
    connection: Connection,
    next: u64,
    closing: bool,
}

impl Client {
    /// Connects and, in the legacy era, opens a session.
    ///
    /// # Panics
    /// When it is refused.
    pub fn connect(address: SocketAddr, path: &str, era: Era) -> Self {
        Self::able(address, path, era, "{}")
    }

    /// The same, declaring these capabilities (an object as text).
    ///
    /// # Panics
    /// When it is refused.
    pub fn able(address: SocketAddr, path: &str, era: Era, capabilities: &str) -> Self {
        let mut client = Self {
            address,
            path: path.to_owned(),
            era,
            session: None,
            capabilities: capabilities.to_owned(),
            meta: String::new(),
            connection: Connection::open(address),
            next: 1,
            closing: false,
        };
        if era == Era::Legacy {
            client.initialize(LEGACY);
        }
        client
    }

    /// A client that has connected and said nothing.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn unconnected(address: SocketAddr, path: &str, era: Era) -> io::Result<Self> {
        Ok(Self {
            address,
            path: path.to_owned(),
            era,
            session: None,
            capabilities: "{}".to_owned(),
            meta: String::new(),
            connection: Connection::try_open(address)?,
            next: 1,
            closing: false,
        })
    }

    /// Opens a session; its id, or none when the session was gone before the client had said all of its part.
    ///
    /// # Errors
    /// When it is refused, or the connection breaks.
    pub fn try_initialize(&mut self) -> io::Result<Option<String>> {
        self.session = None;
        let params = json!({
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": { "name": "e2e", "version": "1.0.0" },
        });
        let reply = self.try_request("initialize", &params.to_string())?;
        let Some(id) = reply.head.field("mcp-session-id").map(str::to_owned) else {
            return Err(io::Error::other(format!("HTTP {}: {:.300}", reply.head.status, reply.raw)));
        };
        self.session = Some(id.clone());
        if reply.says_close() {
            self.connection = Connection::try_open(self.address)?;
        }
        let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        self.post(body, "notifications/initialized", "{}")?;
        let head = self.connection.answer()?.head;
        self.closing = Reply { head: head.clone(), notes: Vec::new(), raw: String::new() }.says_close();
        match head.status {
            202 => Ok(Some(id)),
            404 => Ok(None),
            status => Err(io::Error::other(format!("HTTP {status} to notifications/initialized"))),
        }
    }

    /// Whether the gateway said that its last answer to [`Client::try_initialize`] ends the connection.
    pub fn said_close(&self) -> bool {
        self.closing
    }

    /// Opens a session at a revision and returns what the server said.
    ///
    /// # Panics
    /// When it is refused.
    pub fn initialize(&mut self, revision: &str) -> Value {
        let capabilities = json::parse(&self.capabilities);
        self.initialize_with(revision, &capabilities)
    }

    /// The same, declaring these capabilities.
    ///
    /// # Panics
    /// When it is refused.
    pub fn initialize_with(&mut self, revision: &str, capabilities: &Value) -> Value {
        self.session = None;
        let params = json!({
            "protocolVersion": revision,
            "capabilities": capabilities,
            "clientInfo": { "name": "e2e", "version": "1.0.0" },
        });
        let reply = self.request("initialize", &params.to_string());
        self.session = reply.head.field("mcp-session-id").map(str::to_owned);
        assert!(self.session.is_some(), "no session: {reply:?}");
        let status = self.notify("notifications/initialized", "{}");
        assert_eq!(status, 202, "notifications/initialized");
        reply.value()
    }

    /// Sends a request and waits for its answer. `params` is an object as text; it is sent as it is, with `_meta` put
    /// in front in the modern era.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn request(&mut self, method: &str, params: &str) -> Reply {
        self.try_request(method, params).unwrap_or_else(|error| panic!("{method} got no answer: {error}"))
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// When the connection breaks or is silent.
    pub fn try_request(&mut self, method: &str, params: &str) -> io::Result<Reply> {
        self.start(method, params)?;
        self.finish()
    }

    /// Sends a request without waiting.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn start(&mut self, method: &str, params: &str) -> io::Result<u64> {
        let id = self.next;
        self.next += 1;
        let params = self.with_meta(params);
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        self.post(&body, method, &params)?;
        Ok(id)
    }

    /// Reads the answer to what was sent last.
    ///
    /// # Errors
    /// When it does not come.
    pub fn finish(&mut self) -> io::Result<Reply> {
        let head = self.connection.head()?;
        let mut reply = Reply { head, notes: Vec::new(), raw: String::new() };
        if !reply.head.is_stream() {
            let body = self.connection.body(&reply.head)?;
            reply.raw = String::from_utf8_lossy(&body).into_owned();
            return Ok(reply);
        }
        let mut events = Events::default();
        while let Some(data) = self.connection.event(&mut events)? {
            if json::member(&data, "method").is_some() {
                reply.notes.push(data);
            } else {
                reply.raw = data;
            }
        }
        Ok(reply)
    }

    /// Sends a body as it is, with the fields that belong to it.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn post(&mut self, body: &str, method: &str, params: &str) -> io::Result<()> {
        let fields = self.fields(method, params);
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.connection.request("POST", &self.path, &fields, body.as_bytes())
    }

    /// The header fields of a request.
    pub fn fields(&self, method: &str, params: &str) -> Vec<(String, String)> {
        let mut fields = base_fields(self.address);
        match self.era {
            Era::Modern => {
                fields.push(("MCP-Protocol-Version".into(), MODERN.into()));
                fields.push(("Mcp-Method".into(), method.into()));
                let task = matches!(method, "tasks/get" | "tasks/update" | "tasks/cancel");
                let key = match method {
                    "resources/read" => "uri",
                    _ if task => "taskId",
                    _ => "name",
                };
                let named = task || matches!(method, "tools/call" | "prompts/get" | "resources/read");
                if let Some(name) = json::member(params, key).filter(|_| named)
                    && let Ok(name) = serde_json::from_str::<String>(&name)
                {
                    fields.push(("Mcp-Name".into(), header_text(&name)));
                }
            }
            Era::Legacy => {
                if let Some(session) = &self.session {
                    fields.push(("Mcp-Session-Id".into(), session.clone()));
                    fields.push(("MCP-Protocol-Version".into(), LEGACY.into()));
                }
            }
        }
        fields
    }

    /// Sends a notification and returns the status.
    ///
    /// # Panics
    /// When it is not answered.
    pub fn notify(&mut self, method: &str, params: &str) -> u16 {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        self.post(&body, method, params).expect("the gateway reads");
        self.connection.answer().expect("the gateway answers").head.status
    }

    /// Ends the session, if there is one. A gateway that has gone is no concern of the client.
    pub fn end(&mut self) {
        if self.session.is_none() {
            return;
        }
        let fields = self.fields("", "{}");
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if self.connection.request("DELETE", &self.path, &fields, b"").is_ok() {
            let _ = self.connection.answer();
        }
        self.session = None;
    }

    /// Calls a tool. `arguments` is an object as text.
    pub fn call(&mut self, name: &str, arguments: &str) -> Reply {
        self.request("tools/call", &format!(r#"{{"name":{},"arguments":{arguments}}}"#, Value::from(name)))
    }

    /// All items of a list, raw, over all its pages.
    ///
    /// # Panics
    /// When a page is refused.
    pub fn list(&mut self, method: &str, key: &str) -> Vec<String> {
        let mut items = Vec::new();
        let mut params = "{}".to_owned();
        for _ in 0..1000 {
            let result = self.request(method, &params).result();
            items.extend(json::items(
                &json::member(&result, key).unwrap_or_else(|| panic!("no {key}: {result:.300}")),
            ));
            match json::member(&result, "nextCursor") {
                Some(cursor) => params = format!(r#"{{"cursor":{cursor}}}"#),
                None => return items,
            }
        }
        panic!("{method} has no last page");
    }

    /// The names in the tool list.
    pub fn tool_names(&mut self) -> Vec<String> {
        let tools = self.list("tools/list", "tools");
        tools.iter().map(|tool| json::parse(tool)["name"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What `trunkline://status` says.
    ///
    /// # Panics
    /// When it is not there.
    pub fn status(&mut self) -> Value {
        let read = self.request("resources/read", r#"{"uri":"trunkline://status"}"#).value();
        json::parse(read["contents"][0]["text"].as_str().expect("the status is text"))
    }

    /// Opens the session's own stream, on a connection of its own (2025-03-26 and later: GET).
    ///
    /// # Panics
    /// When there is no session, or no stream.
    pub fn stream(&self) -> Connection {
        let mut connection = Connection::open(self.address);
        let host = self.address.to_string();
        let fields = [
            ("Host", host.as_str()),
            ("Accept", "text/event-stream"),
            ("Mcp-Session-Id", self.session.as_deref().expect("a session")),
            ("MCP-Protocol-Version", LEGACY),
        ];
        connection.request("GET", &self.path, &fields, b"").expect("the gateway reads");
        let head = connection.head().expect("a head");
        assert!(head.status == 200 && head.is_stream(), "no stream: {head:?}");
        connection
    }

    /// How long an answer may take.
    pub fn set_patience(&mut self, limit: Duration) {
        self.connection.set_patience(limit);
    }

    /// The connection, for what goes beyond requests and answers.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// `params` with the modern `_meta` in front.
    fn with_meta(&self, params: &str) -> String {
        if self.era == Era::Legacy {
            return params.to_owned();
        }
        let rest = params.trim().strip_prefix('{').expect("params are an object").trim_start();
        let comma = if rest.starts_with('}') { "" } else { "," };
        format!(r#"{{"_meta":{}{comma}{rest}"#, meta_of(&self.capabilities, &self.meta))
    }
}

/// The `_meta` of a modern request, with more members (raw, without a comma in front).
pub fn modern_meta(more: &str) -> String {
    meta_of("{}", more)
}

fn meta_of(capabilities: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(
        r#"{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientInfo":{{"name":"e2e","version":"1.0.0"}},"io.modelcontextprotocol/clientCapabilities":{capabilities}{comma}{more}}}"#
    )
}

/// The fields that each request has.
pub fn base_fields(address: SocketAddr) -> Vec<(String, String)> {
    vec![
        ("Host".into(), address.to_string()),
        ("Content-Type".into(), "application/json".into()),
        ("Accept".into(), "application/json, text/event-stream".into()),
    ]
}

/// A name as a header value: as it is, or in the base64 form.
fn header_text(name: &str) -> String {
    if name.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
        name.to_owned()
    } else {
        format!("=?base64?{}?=", STANDARD.encode(name))
    }
}
