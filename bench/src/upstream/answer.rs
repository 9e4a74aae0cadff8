//! What the server says to each message, whatever wire it came by.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Spoken;
use super::catalogue::Catalogue;
use super::message::Message;
use crate::era::{LEGACY_VERSION, MODERN_VERSION};

/// JSON-RPC codes used here, with the HTTP status the modern revision gives each.
pub(super) const PARSE: (i32, u16) = (-32_700, 400);
pub(super) const INVALID_REQUEST: (i32, u16) = (-32_600, 400);
pub(super) const UNKNOWN_METHOD: (i32, u16) = (-32_601, 404);
pub(super) const INVALID_PARAMS: (i32, u16) = (-32_602, 400);
pub(super) const HEADER_MISMATCH: (i32, u16) = (-32_020, 400);
pub(super) const UNSUPPORTED_VERSION: (i32, u16) = (-32_022, 400);

/// Largest text `payload` returns.
const PAYLOAD_BYTES_MAX: usize = 64 << 20;
/// Most steps `slow` takes.
const STEPS_MAX: u64 = 1_000_000;

pub(super) struct Server {
    spoken: Spoken,
    catalogue: Catalogue,
}

/// What goes back.
#[derive(Debug)]
pub(super) enum Reply {
    /// Nothing: the message was a notification.
    Nothing,
    /// A finished message.
    Answer(Vec<u8>),
    /// An error message, with its HTTP status.
    Failure(u16, Vec<u8>),
    /// Progress, then a message.
    Slow(Slow),
}

impl Server {
    pub(super) fn new(spoken: Spoken, fillers: usize) -> Self {
        Self { spoken, catalogue: Catalogue::new(fillers) }
    }

    pub(super) fn reply(&self, message: &Message<'_>) -> Reply {
        let Some(id) = message.id else { return Reply::Nothing };
        if message.is_modern() || message.method == "server/discover" {
            self.modern(id, message)
        } else {
            self.legacy(id, message)
        }
    }

    fn modern(&self, id: &RawValue, message: &Message<'_>) -> Reply {
        if self.spoken == Spoken::Legacy {
            return failure(id, UNKNOWN_METHOD, "this server speaks 2025-11-25 only");
        }
        let meta = &message.params.meta;
        if meta.version != MODERN_VERSION {
            return failure(id, UNSUPPORTED_VERSION, "unsupported protocol version");
        }
        if meta.capabilities.is_none() {
            return failure(id, INVALID_PARAMS, "_meta without clientCapabilities");
        }
        match &*message.method {
            "server/discover" => success(
                id,
                br#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":3600000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"trunkline-bench","version":"1"}}}"#,
            ),
            "tools/list" => success(id, &self.catalogue.modern),
            "tools/call" => call(id, message, r#","resultType":"complete""#),
            _ => failure(id, UNKNOWN_METHOD, "unknown method"),
        }
    }

    fn legacy(&self, id: &RawValue, message: &Message<'_>) -> Reply {
        if self.spoken == Spoken::Modern {
            return failure(id, INVALID_REQUEST, "this server speaks 2026-07-28 only");
        }
        match &*message.method {
            "initialize" => success(
                id,
                format!(
                    r#"{{"protocolVersion":"{LEGACY_VERSION}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"trunkline-bench","version":"1"}}}}"#
                )
                .as_bytes(),
            ),
            "ping" => success(id, b"{}"),
            "tools/list" => success(id, &self.catalogue.legacy),
            "tools/call" => call(id, message, ""),
            _ => failure(id, UNKNOWN_METHOD, "unknown method"),
        }
    }
}

#[derive(Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    text: &'a RawValue,
}

#[derive(Deserialize)]
struct Payload {
    bytes: usize,
}

#[derive(Deserialize)]
struct Pace {
    steps: u64,
    #[serde(default)]
    interval_ms: u64,
}

/// `kind` is what this era's results end with.
fn call(id: &RawValue, message: &Message<'_>, kind: &'static str) -> Reply {
    let arguments = message.params.arguments.map_or("{}", RawValue::get);
    let wrong = |_| failure(id, INVALID_PARAMS, "wrong arguments");
    match &*message.params.name {
        // The text is not decoded: its JSON goes back as it came.
        "echo" => serde_json::from_str::<Echo<'_>>(arguments)
            .map_or_else(wrong, |echo| Reply::Answer(text(id, echo.text.get().as_bytes(), kind))),
        "payload" => serde_json::from_str::<Payload>(arguments).map_or_else(wrong, |payload| {
            let mut json = vec![b'x'; payload.bytes.min(PAYLOAD_BYTES_MAX) + 2];
            let last = json.len() - 1;
            (json[0], json[last]) = (b'"', b'"');
            Reply::Answer(text(id, &json, kind))
        }),
        "slow" => serde_json::from_str::<Pace>(arguments).map_or_else(wrong, |pace| {
            Reply::Slow(Slow {
                id: id.get().to_owned(),
                token: message.params.meta.progress_token.map(|token| token.get().to_owned()),
                steps: pace.steps.min(STEPS_MAX),
                interval: Duration::from_millis(pace.interval_ms),
                kind,
            })
        }),
        name if name.starts_with("filler_") => Reply::Answer(text(id, br#""filler""#, kind)),
        _ => failure(id, INVALID_PARAMS, "unknown tool"),
    }
}

/// A call that reports progress before it answers.
#[derive(Debug)]
pub(super) struct Slow {
    id: String,
    token: Option<String>,
    pub(super) steps: u64,
    pub(super) interval: Duration,
    kind: &'static str,
}

impl Slow {
    /// The notification after `step`, if the caller asked for any. Its message is the time it was written, in
    /// nanoseconds since 1970, by which the reader tells how long it was under way.
    pub(super) fn progress(&self, step: u64) -> Option<Vec<u8>> {
        let token = self.token.as_deref()?;
        let written = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos());
        let total = self.steps;
        Some(
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{step},"total":{total},"message":"{written}"}}}}"#)
                .into_bytes(),
        )
    }

    /// The answer at the end.
    pub(super) fn answer(&self) -> Vec<u8> {
        let Self { id, kind, steps, .. } = self;
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{steps}"}}]{kind}}}}}"#
        )
        .into_bytes()
    }
}

fn text(id: &RawValue, json: &[u8], kind: &str) -> Vec<u8> {
    let id = id.get().as_bytes();
    [
        br#"{"jsonrpc":"2.0","id":"#,
        id,
        br#","result":{"content":[{"type":"text","text":"#,
        json,
        b"}]",
        kind.as_bytes(),
        b"}}",
    ]
    .concat()
}

fn success(id: &RawValue, result: &[u8]) -> Reply {
    Reply::Answer(
        [br#"{"jsonrpc":"2.0","id":"#, id.get().as_bytes(), br#","result":"#, result, b"}"].concat(),
    )
}

pub(super) fn failure(id: &RawValue, error: (i32, u16), words: &str) -> Reply {
    Reply::Failure(error.1, error_message(id.get(), error, words))
}

/// An error message; `id` is JSON, `null` if it was not readable.
pub(super) fn error_message(id: &str, (code, _): (i32, u16), words: &str) -> Vec<u8> {
    // What a modern caller needs to choose another version.
    let data = if code == UNSUPPORTED_VERSION.0 {
        r#","data":{"supported":["2026-07-28"],"requested":""}"#
    } else {
        ""
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{words}"{data}}}}}"#)
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(spoken: Spoken, message: &Value) -> Value {
        let bytes = message.to_string();
        let message = Message::read(bytes.as_bytes()).unwrap();
        match Server::new(spoken, 2).reply(&message) {
            Reply::Answer(bytes) | Reply::Failure(_, bytes) => serde_json::from_slice(&bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn modern(method: &str, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params})
    }

    #[test]
    fn echoes_in_both_eras() {
        let params = json!({"name": "echo", "arguments": {"text": "say \"é\"\n"}});
        let answer = said(Spoken::Both, &modern("tools/call", params.clone()));
        assert_eq!(answer["result"]["content"][0]["text"], "say \"é\"\n");
        assert_eq!(answer["result"]["resultType"], "complete");
        assert_eq!(answer["id"], "a");
        let legacy = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
        let answer = said(Spoken::Both, &legacy);
        assert_eq!(answer["result"]["content"][0]["text"], "say \"é\"\n");
        assert!(answer["result"].get("resultType").is_none());
    }

    #[test]
    fn a_server_of_one_era_refuses_the_other() {
        let discover = modern("server/discover", json!({}));
        assert_eq!(said(Spoken::Legacy, &discover)["error"]["code"], -32_601);
        assert_eq!(said(Spoken::Both, &discover)["result"]["supportedVersions"][0], MODERN_VERSION);
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}});
        assert_eq!(said(Spoken::Modern, &hello)["error"]["code"], -32_600);
        assert_eq!(said(Spoken::Both, &hello)["result"]["protocolVersion"], LEGACY_VERSION);
    }

    #[test]
    fn a_payload_has_the_length_asked_for() {
        let asked = modern("tools/call", json!({"name": "payload", "arguments": {"bytes": 1024}}));
        assert_eq!(said(Spoken::Both, &asked)["result"]["content"][0]["text"], "x".repeat(1024));
    }
}
