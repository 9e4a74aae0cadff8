//! What a server says, whatever carries it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::{Arrival, Fate, Server, Speaks, lock};

/// Where a server speaks while it answers one request.
pub(crate) trait Channel: Send + Sync {
    /// Says something besides the answer.
    fn say(&self, message: &Value);
    /// Says something to whoever listens to changes here; nothing where nobody does.
    fn spread(&self, message: &Value);
    /// Breaks the connection.
    fn cut(&self);
}

/// How a request ended.
pub(crate) enum Said {
    /// With this answer.
    Answer(Value),
    /// With silence.
    Nothing,
}

const MODERN: &str = "2026-07-28";
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
/// How long a server waits for an answer to a question.
const PATIENCE: Duration = Duration::from_secs(40);

fn answer(id: &Value, result: Value) -> Said {
    Said::Answer(json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

fn error(id: &Value, code: i64, text: &str) -> Said {
    Said::Answer(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } }))
}

/// A result with what the era wants in it.
fn complete(speaks: Speaks, mut result: Value) -> Value {
    if speaks == Speaks::Modern {
        result["resultType"] = "complete".into();
    }
    result
}

impl Server {
    fn capabilities(&self) -> Value {
        let _ = self;
        json!({ "tools": { "listChanged": true }, "resources": { "subscribe": true }, "logging": {} })
    }

    /// An answer of a client to one of our questions.
    pub(crate) fn hear_answer(&self, message: &Value) {
        let id = message["id"].as_str().unwrap_or_default();
        if let Some(waiting) = lock(&self.questions).remove(id) {
            let _ = waiting.send(message.clone());
        }
    }

    /// Answers a request. `asks` says whether the client declared that it can be asked (legacy: in its session).
    pub(crate) async fn request(
        self: &Arc<Self>,
        channel: &Arc<dyn Channel>,
        message: &Value,
        asks: bool,
    ) -> Said {
        let (id, params) = (&message["id"], &message["params"]);
        let method = message["method"].as_str().unwrap_or_default();
        let modern = self.speaks == Speaks::Modern;
        let asks = if modern { !params["_meta"][CAPABILITIES_KEY]["elicitation"].is_null() } else { asks };
        if modern && params["_meta"][VERSION_KEY] != MODERN {
            return Said::Answer(
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32022, "message": "modern only",
                "data": { "supported": [MODERN], "requested": "other" } } }),
            );
        }
        let cacheable = |mut list: Value| {
            if modern {
                list["ttlMs"] = 60_000.into();
                list["cacheScope"] = "private".into();
            }
            answer(id, complete(self.speaks, list))
        };
        match method {
            "server/discover" if modern => cacheable(json!({
                "supportedVersions": [MODERN], "capabilities": self.capabilities(),
                "_meta": { "io.modelcontextprotocol/serverInfo": { "name": self.name, "version": "1" } },
            })),
            "initialize" if !modern => answer(
                id,
                json!({
                    "protocolVersion": "2025-11-25", "capabilities": self.capabilities(),
                    "serverInfo": { "name": self.name, "version": "1" },
                }),
            ),
            "tools/list" => {
                let edition = self.edition.load(Ordering::SeqCst);
                let tool = |name: &str, says: Value| json!({ "name": name, "inputSchema": { "type": "object" }, "annotations": says });
                cacheable(json!({ "tools": [
                    tool("work", json!({})),
                    tool("look", json!({ "readOnlyHint": true })),
                    tool("set", json!({ "idempotentHint": true })),
                    tool(&format!("edition_{edition}"), json!({})),
                ] }))
            }
            "resources/list" => {
                let uri = format!("sim://{}/page", self.of);
                cacheable(json!({ "resources": [{ "uri": uri, "name": "page" }] }))
            }
            "resources/templates/list" => cacheable(json!({ "resourceTemplates": [] })),
            "resources/read" => {
                let uri = params["uri"].as_str().unwrap_or_default();
                let text = format!("a page of {}", self.of);
                cacheable(json!({ "contents": [{ "uri": uri, "mimeType": "text/plain", "text": text }] }))
            }
            "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" if !modern => {
                answer(id, json!({}))
            }
            "subscriptions/listen" if modern => {
                channel.say(&json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                    "params": { "_meta": { "io.modelcontextprotocol/subscriptionId": id }, "notifications": params["notifications"] } }));
                std::future::pending().await
            }
            "tools/call" => self.work(channel, id, params, asks).await,
            _ => error(id, -32601, "method not found"),
        }
    }

    /// How a call is refused before it runs, if it is: as its arguments say, and now and then.
    pub(super) fn refuses(&self, arguments: &Value) -> Option<(u16, Option<Duration>)> {
        let call = arguments["call"].as_str().unwrap_or_default();
        let earlier = self.ledger.times(call) as u64;
        let wanted = arguments["steps"].as_array().into_iter().flatten().find(|step| step["do"] == "refuse");
        let (status, after) = match wanted {
            Some(step) if bites(step, earlier) => {
                let after = step["after"].as_u64().map(Duration::from_secs);
                (step["status"].as_u64().unwrap_or(503) as u16, after)
            }
            _ if self.once_in(30) => (503, None),
            _ => return None,
        };
        self.history.note(&self.name, format_args!("refuses {call} with {status}, {after:?}"));
        self.ledger.arrived(call, &self.name, Fate::Refused(status, after));
        Some((status, after))
    }

    /// The tool: does what its arguments say.
    async fn work(
        self: &Arc<Self>,
        channel: &Arc<dyn Channel>,
        id: &Value,
        params: &Value,
        asks: bool,
    ) -> Said {
        let arguments = &params["arguments"];
        let call = arguments["call"].as_str().unwrap_or_default().to_owned();
        let nothing = Vec::new();
        let steps = arguments["steps"].as_array().unwrap_or(&nothing);
        if let Some(asked) = self.ask_first(id, params, &call, steps, asks) {
            return asked;
        }
        self.history.note(&self.name, format_args!("runs {call}"));
        if let Some(tell) = self.on_run.get() {
            tell(self, &call);
        }
        let earlier = self.ledger.times(&call) as u64;
        let number = self.ledger.arrived(&call, &self.name, Fate::Runs);
        let running = Running { server: Arc::clone(self), call: call.clone(), number };
        let (mut said, mut twice) = (0, false);
        for step in steps.iter().filter(|step| bites(step, earlier)) {
            running.change(|arrival| arrival.last_sign = Instant::now());
            match step["do"].as_str().unwrap_or_default() {
                "work" => sleep(Duration::from_millis(step["ms"].as_u64().unwrap_or(0))).await,
                "progress" => {
                    said += 1;
                    if let Some(token) = params["_meta"].get("progressToken") {
                        channel.say(&json!({ "jsonrpc": "2.0", "method": "notifications/progress",
                            "params": { "progressToken": token, "progress": said, "message": format!("{call} at {}", self.name) } }));
                    }
                }
                "log" => channel.say(&json!({ "jsonrpc": "2.0", "method": "notifications/message",
                    "params": { "level": "warning", "data": format!("{call} at {}", self.name) } })),
                "stray" => {
                    // Answers and progress that nobody asked for.
                    let text = json!([{ "type": "text", "text": "nobody's" }]);
                    channel.say(
                        &json!({ "jsonrpc": "2.0", "id": 9_000_000 + said, "result": { "content": text } }),
                    );
                    channel.say(&json!({ "jsonrpc": "2.0", "method": "notifications/progress",
                        "params": { "progressToken": 9_000_000, "progress": 1, "message": "nobody's" } }));
                }
                "ask" if asks && self.speaks == Speaks::Legacy => {
                    self.ask(channel, &call).await;
                    running.change(|arrival| arrival.last_sign = Instant::now());
                }
                "error" => {
                    running.ended(Fate::Answered);
                    return error(id, -32050, &format!("{call} failed at {}", self.name));
                }
                "twice" => twice = true,
                "cut" => {
                    self.history.note(&self.name, format_args!("cuts {call}"));
                    self.has_broken.store(true, Ordering::SeqCst);
                    running.ended(Fate::BrokenOff);
                    channel.cut();
                    // What was cut is dropped from outside.
                    sleep(Duration::from_hours(1)).await;
                }
                "hang" => {
                    self.history.note(&self.name, format_args!("hangs in {call}"));
                    running.change(|arrival| arrival.hangs = true);
                    sleep(Duration::from_hours(1)).await;
                }
                "die" => {
                    running.ended(Fate::BrokenOff);
                    self.die();
                    sleep(Duration::from_hours(1)).await;
                }
                _ => {}
            }
        }
        running.ended(Fate::Answered);
        let text = format!("{call} at {}", self.name);
        let padding = "x".repeat(arguments["bytes"].as_u64().unwrap_or(0) as usize);
        let result = complete(
            self.speaks,
            json!({ "content": [{ "type": "text", "text": text }, { "type": "text", "text": padding }] }),
        );
        if twice {
            channel.say(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
        }
        answer(id, result)
    }

    /// A modern server asks before it runs, and knows its answer by the state that comes back.
    fn ask_first(&self, id: &Value, params: &Value, call: &str, steps: &[Value], asks: bool) -> Option<Said> {
        let rounds = steps.iter().filter(|step| step["do"] == "ask").count();
        if self.speaks != Speaks::Modern || !asks || rounds == 0 {
            return None;
        }
        let round = match params["requestState"].as_str() {
            None => 0,
            Some(state) => {
                let (of, round) = state.rsplit_once('/').unwrap_or_default();
                self.history.law(
                    "a state comes back to its call, at the server that gave it",
                    of == format!("{call}@{}", self.of),
                    format_args!("{of} came with {call}"),
                );
                let answers = params["inputResponses"].as_object().cloned().unwrap_or_default();
                for said in answers.values() {
                    self.check_answer(call, said);
                }
                round.parse::<usize>().unwrap_or(0)
            }
        };
        if round >= rounds {
            return None;
        }
        self.history.note(&self.name, format_args!("asks about {call}, round {round}"));
        let mut requests = Map::new();
        let question = json!({ "method": "elicitation/create", "params": question(call) });
        requests.insert(format!("q{round}"), question);
        Some(answer(
            id,
            json!({ "resultType": "input_required", "inputRequests": requests,
            "requestState": format!("{call}@{}/{}", self.of, round + 1) }),
        ))
    }

    /// A legacy server asks while it runs.
    async fn ask(self: &Arc<Self>, channel: &Arc<dyn Channel>, call: &str) {
        let id = format!("q{}-{}", self.number(), self.name);
        let (sender, answer) = oneshot::channel();
        lock(&self.questions).insert(id.clone(), sender);
        self.history.note(&self.name, format_args!("asks about {call}"));
        channel.say(
            &json!({ "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": question(call) }),
        );
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => {
                self.history.note(&self.name, format_args!("hears about {call}"));
                self.check_answer(call, &answer["result"]);
            }
            _ => {
                lock(&self.questions).remove(&id);
            }
        }
    }

    fn check_answer(&self, call: &str, said: &Value) {
        if let Some(word) = said["content"]["word"].as_str() {
            self.history.law(
                "an answer comes to the call that asked",
                word == call,
                format_args!("{word} came to {call}"),
            );
        }
    }
}

fn question(call: &str) -> Value {
    json!({ "message": call, "requestedSchema": { "type": "object", "properties": { "word": { "type": "string" } } } })
}

/// Whether a step is for this time that a call comes: mishaps befall only the first so many.
fn bites(step: &Value, earlier: u64) -> bool {
    step["until"].as_u64().is_none_or(|most| earlier < most)
}

/// A call that runs; says when it was given up.
struct Running {
    server: Arc<Server>,
    call: String,
    number: usize,
}

impl Running {
    fn change(&self, change: impl FnOnce(&mut Arrival)) {
        self.server.ledger.change(&self.call, self.number, change);
    }

    /// It ends by the server's own doing.
    fn ended(&self, fate: Fate) {
        self.change(|arrival| (arrival.fate, arrival.over) = (fate, Some(Instant::now())));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut answered = false;
        self.change(|arrival| {
            answered = arrival.fate == Fate::Answered;
            if arrival.fate == Fate::Runs {
                (arrival.fate, arrival.over) = (Fate::GivenUp, Some(Instant::now()));
            }
        });
        let what = if answered { "ends" } else { "gives up" };
        self.server.history.note(&self.server.name, format_args!("{what} {}", self.call));
    }
}
