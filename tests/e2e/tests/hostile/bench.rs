//! A gateway, clients that must never notice anything, and requests byte by byte.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use trunkline_e2e::client::{Client, ERAS, Era, modern_meta};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::http::{Answer, Connection};

/// Refusals must not take longer, whatever is refused.
pub(crate) const REFUSAL: Duration = Duration::from_secs(5);
/// After every case a plain call must succeed within this time.
const PLAIN: Duration = Duration::from_secs(2);
/// What calls of bystanders carry, so that they can be told from those of a case.
const BYSTANDER: &str = r#"{"still":"here"}"#;

/// The scripted server over stdio.
pub(crate) const SCRIPTED: &str = env!("CARGO_BIN_EXE_scripted-stdio");

/// A gateway with a server that writes down what it is asked, and clients on connections of their own that must never
/// notice anything.
pub(crate) struct Bench {
    pub(crate) gateway: Gateway,
    pub(crate) bystanders: [Client; 2],
    /// What the server was asked.
    seen: PathBuf,
    _dir: TempDir,
}

/// What a case sends.
pub(crate) struct Sent {
    verb: &'static str,
    target: String,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Bench {
    /// One with the defaults.
    pub(crate) fn new() -> Self {
        Self::with(json!({}))
    }

    /// One with this document, to which the servers are added.
    pub(crate) fn with(mut document: Value) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let seen = dir.path().join("seen.txt");
        document["mcpServers"]["one"] = json!({ "command": SCRIPTED, "args": ["polite", seen] });
        let gateway = Gateway::with(document);
        let bystanders = ERAS.map(|era| gateway.client(era));
        Self { gateway, bystanders, seen, _dir: dir }
    }

    /// A good modern call, for a case to spoil.
    pub(crate) fn call(&self) -> Sent {
        self.sending(r#"{"name":"one__echo","arguments":{}}"#, "tools/call", Some("one__echo"))
    }

    /// A modern request with these params (without `_meta`).
    pub(crate) fn sending(&self, params: &str, method: &str, name: Option<&str>) -> Sent {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"_meta":{},{}}}"#,
            modern_meta(""),
            params.trim_start_matches('{')
        );
        let mut sent =
            Sent { verb: "POST", target: "/mcp".into(), fields: Vec::new(), body: body.into_bytes() };
        let host = self.gateway.address().to_string();
        for (name, value) in [
            ("Host", host.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", method),
        ] {
            sent = sent.set(name, value);
        }
        match name {
            Some(name) => sent.set("Mcp-Name", name),
            None => sent,
        }
    }

    /// The head of the good call with other framing, up to its empty line.
    pub(crate) fn head(&self, framing: &str) -> String {
        let sent = self.call();
        let fields = sent.fields.iter();
        let fields: String = fields.flat_map(|(name, value)| [name.as_str(), ": ", value, "\r\n"]).collect();
        format!("POST /mcp HTTP/1.1\r\n{fields}{framing}\r\n")
    }

    /// Sends a case and returns what came; `None` when the connection was closed without an answer.
    pub(crate) fn try_send(&self, sent: &Sent) -> Option<Answer> {
        let mut connection = self.connection();
        let fields: Vec<(&str, &str)> =
            sent.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // The gateway may answer and close before it has read everything.
        let _ = connection.request(sent.verb, &sent.target, &fields, &sent.body);
        settle(connection.answer())
    }

    /// Sends raw bytes and returns what came.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        let mut connection = self.connection();
        let _ = connection.send(bytes);
        settle(connection.answer())
    }

    /// A connection on which a refusal takes no longer than it may.
    pub(crate) fn connection(&self) -> Connection {
        let mut connection = self.gateway.connection();
        connection.set_patience(REFUSAL);
        connection
    }

    /// Sends a case that must have one of these statuses, and one of these codes if there are any; then all must be well.
    /// What is refused must not have reached the server.
    pub(crate) fn refuses(&mut self, about: &str, sent: &Sent, statuses: &[u16], codes: &[i64]) -> Answer {
        let (start, before) = (Instant::now(), self.effects());
        let answer = self.try_send(sent).unwrap_or_else(|| panic!("{about}: closed without an answer"));
        assert!(start.elapsed() < REFUSAL, "{about}: took {:?}", start.elapsed());
        let text = answer.text();
        assert!(
            statuses.contains(&answer.head.status),
            "{about:.80}: {} instead of {statuses:?}: {text:.300}",
            answer.head.status
        );
        if !codes.is_empty() {
            let body: Value =
                serde_json::from_str(&text).unwrap_or_else(|_| panic!("{about}: not JSON: {text:.300}"));
            let code = body["error"]["code"].as_i64().unwrap_or_default();
            assert!(codes.contains(&code), "{about}: {code} instead of {codes:?}: {text:.300}");
        }
        self.all_is_well(about);
        if answer.head.status >= 400 {
            assert_eq!(self.effects(), before, "{about:.80}: refused, and run all the same");
        }
        answer
    }

    /// Sends raw bytes that must be refused: one of these statuses, or a closed connection, and nothing run.
    pub(crate) fn refuses_raw(&mut self, about: &str, bytes: &[u8], statuses: &[u16]) {
        let before = self.effects();
        if let Some(answer) = self.raw(bytes) {
            assert!(
                statuses.contains(&answer.head.status),
                "{about:.80}: {} instead of {statuses:?}",
                answer.head.status
            );
        }
        self.all_is_well(about);
        assert_eq!(self.effects(), before, "{about:.80}: refused, and run all the same");
    }

    /// Calls go through on the connections that were open all the time.
    pub(crate) fn all_is_well(&mut self, after: &str) {
        for client in &mut self.bystanders {
            let start = Instant::now();
            let params = format!(r#"{{"name":"one__echo","arguments":{BYSTANDER}}}"#);
            let reply = client.try_request("tools/call", &params);
            let reply =
                reply.unwrap_or_else(|error| panic!("after {after:.80}: a bystander got no answer: {error}"));
            assert_eq!(reply.text(), BYSTANDER, "after {after:.80}");
            assert!(start.elapsed() < PLAIN, "after {after:.80}: a plain call took {:?}", start.elapsed());
        }
        assert!(self.gateway.runs(), "after {after:.80}: the gateway has ended");
    }

    /// Calls that reached the server, those of bystanders left out. A bystander's call that was answered is behind all
    /// that came before it.
    pub(crate) fn effects(&self) -> usize {
        self.seen().iter().filter(|line| line.contains("tools/call") && !line.contains("still")).count()
    }

    /// What the server was asked so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.seen).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The legacy session of a bystander.
    pub(crate) fn session(&self) -> String {
        let legacy = self.bystanders.iter().find(|client| client.era == Era::Legacy);
        legacy.and_then(|client| client.session.clone()).expect("a session")
    }

    /// The text of a good call.
    pub(crate) fn good(&self) -> String {
        String::from_utf8(self.call().body).expect("the good body is text")
    }
}

impl Sent {
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self.add(name, value)
    }

    pub(crate) fn add(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self
    }

    /// Without the headers of the modern wire.
    pub(crate) fn bare(self) -> Self {
        self.without("MCP-Protocol-Version").without("Mcp-Method").without("Mcp-Name")
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn verb(mut self, verb: &'static str) -> Self {
        self.verb = verb;
        self
    }

    pub(crate) fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// The body with one piece of text replaced.
    pub(crate) fn replace(mut self, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.body).expect("the good body is text");
        assert!(text.contains(from), "{from} is not in {text}");
        self.body = text.replacen(from, to, 1).into_bytes();
        self
    }
}

/// A close without an answer is an answer of its own; silence is a failure.
pub(crate) fn settle(answer: std::io::Result<Answer>) -> Option<Answer> {
    match answer {
        Ok(answer) => Some(answer),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("no answer in {REFUSAL:?}")
        }
        Err(_) => None,
    }
}

#[test]
fn the_good_request_that_the_cases_spoil_is_good() {
    let mut bench = Bench::new();
    let before = bench.effects();
    let sent = bench.call();
    bench.refuses("the good request", &sent, &[200], &[]);
    assert_eq!(bench.effects(), before + 1, "what runs is seen");
}
