//! Clients of both eras that come, do something, and leave in every way that there is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use http::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use trunkline_simulation::chance::Chance;

use crate::servers::KINDS;
use crate::tally::Tally;
use crate::wire::{Answer, Wire};

/// A visitor's place: where it goes, and what it counts in.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) number: u64,
    pub(crate) address: SocketAddr,
    pub(crate) tally: Arc<Tally>,
    pub(crate) stop: CancellationToken,
}

/// One visit, of either era.
struct Visit<'a> {
    visitor: &'a Visitor,
    wire: Wire,
    modern: bool,
    session: Option<String>,
    asks: bool,
    /// In the name of every call of this visit; nobody else's begins so.
    own: String,
    calls: u64,
    ids: u64,
}

impl Visitor {
    /// Comes again and again.
    pub(crate) async fn live(self, mut chance: Chance) {
        let mut visits = 0;
        while !self.stop.is_cancelled() {
            visits += 1;
            self.tally.counts().visits += 1;
            if let Err(error) = self.visit(visits, &mut chance).await {
                self.tally.strange(&format!("{error:#}"));
                sleep(Duration::from_millis(200)).await;
            }
            sleep(Duration::from_millis(chance.below(60))).await;
        }
    }

    async fn visit(&self, number: u64, chance: &mut Chance) -> Result<()> {
        let mut visit = Visit {
            visitor: self,
            wire: Wire::open(self.address).await?,
            modern: chance.once_in(2),
            session: None,
            asks: chance.once_in(2),
            own: format!("call-{}x{number}-", self.number),
            calls: 0,
            ids: 0,
        };
        if !visit.modern {
            visit.introduce().await?;
        }
        for _ in 0..chance.between(1, 8) {
            if self.stop.is_cancelled() {
                break;
            }
            match chance.weighed(&[
                (20, "call"),
                (3, "list"),
                (2, "read"),
                (2, "listen"),
                (1, "cut"),
                (2, "cancel"),
                (2, "park"),
                (1, "large"),
                (1, "level"),
            ]) {
                "list" => visit.list(chance).await?,
                "read" => visit.read().await?,
                "listen" => visit.listen(chance).await?,
                "cut" => {
                    self.tally.did("connections cut in a call");
                    return visit.leave_in_a_call(chance).await;
                }
                "cancel" if !visit.modern => visit.cancel(chance).await?,
                "park" if visit.modern && visit.asks => visit.park(chance).await?,
                "large" => visit.call(&[], 600_000, chance).await?,
                "level" if !visit.modern => visit.level(chance).await?,
                _ => {
                    let steps = steps(chance);
                    visit.call(&steps, chance.pick(&[0, 0, 0, 2_000, 60_000]), chance).await?;
                }
            }
        }
        match visit.session.clone() {
            Some(_) if chance.once_in(3) => self.tally.did("sessions abandoned"),
            Some(session) => {
                let ended = visit.wire.send(Method::DELETE, &[("Mcp-Session-Id", &session)], None).await?;
                drop(ended);
            }
            None => {}
        }
        Ok(())
    }
}

fn steps(chance: &mut Chance) -> Vec<Value> {
    let step = |name: &str| json!({ "do": name });
    (0..chance.below(5))
        .map(|_| {
            match chance.weighed(&[
                (8, "progress"),
                (3, "log"),
                (6, "work"),
                (1, "error"),
                (1, "stray"),
                (1, "twice"),
                (2, "ask"),
            ]) {
                "work" => json!({ "do": "work", "ms": chance.pick(&[0, 1, 5, 20, 100, 400]) }),
                other => step(other),
            }
        })
        .collect()
}

impl Visit<'_> {
    fn tally(&self) -> &Tally {
        &self.visitor.tally
    }

    fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    async fn introduce(&mut self) -> Result<()> {
        let capabilities = if self.asks { json!({ "elicitation": {} }) } else { json!({}) };
        let id = self.id();
        let hello = json!({ "jsonrpc": "2.0", "id": id, "method": "initialize", "params": { "protocolVersion": "2025-11-25",
            "capabilities": capabilities, "clientInfo": { "name": "soak", "version": "1" } } });
        let mut answer = self.wire.send(Method::POST, &[], Some(&hello)).await?;
        self.session = answer.header("mcp-session-id");
        let said = answer.next().await?;
        if self.session.is_none() {
            return Err(anyhow!("no session: HTTP {} {said:?}", answer.status));
        }
        self.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await
    }

    /// Sends something that has no answer, over a connection of its own.
    async fn tell(&self, message: &Value) -> Result<()> {
        let mut wire = Wire::open(self.visitor.address).await?;
        let session = self.session.clone().unwrap_or_default();
        let headers = [("Mcp-Session-Id", session.as_str()), ("MCP-Protocol-Version", "2025-11-25")];
        wire.send(Method::POST, &headers, Some(message)).await.map(drop)
    }

    async fn send(&mut self, id: u64, method: &str, mut params: Value, token: bool) -> Result<Answer> {
        let mut meta = json!({});
        if self.modern {
            let capabilities = if self.asks { json!({ "elicitation": { "form": {} } }) } else { json!({}) };
            meta["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
            meta["io.modelcontextprotocol/clientCapabilities"] = capabilities;
        }
        if token {
            meta["progressToken"] = format!("{}{id}", self.own).into();
        }
        let name = params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default().to_owned();
        params["_meta"] = meta;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let session = self.session.clone().unwrap_or_default();
        let mut headers = Vec::new();
        if self.modern {
            headers.extend([("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method)]);
            if !name.is_empty() {
                headers.push(("Mcp-Name", name.as_str()));
            }
        } else {
            headers.extend([("MCP-Protocol-Version", "2025-11-25"), ("Mcp-Session-Id", session.as_str())]);
        }
        self.wire.send(Method::POST, &headers, Some(&message)).await
    }

    /// Reads to the answer with this id, and answers questions on the way.
    async fn finish(&self, mut answer: Answer, id: u64, chance: &mut Chance) -> Result<Value> {
        while let Some(raw) = answer.next().await? {
            self.tally().look(&self.own, &raw);
            let message: Value = serde_json::from_str(&raw)?;
            if message["method"].is_string() && !message["id"].is_null() {
                self.answer_question(&message, chance).await?;
            } else if message["id"] == id {
                return Ok(message);
            } else if !message["id"].is_null() {
                self.tally().strange(&format!("an answer to another request: {raw}"));
            } else if message["method"].is_null() {
                return Ok(message);
            }
        }
        Err(anyhow!("HTTP {} without an answer", answer.status))
    }

    async fn answer_question(&self, question: &Value, chance: &mut Chance) -> Result<()> {
        if chance.once_in(20) {
            self.tally().did("questions left open");
            return Ok(());
        }
        sleep(Duration::from_millis(chance.pick(&[0, 3, 50, 300]))).await;
        let result = word(question["params"]["message"].as_str().unwrap_or_default());
        self.tell(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })).await
    }

    fn arguments(&mut self, steps: &[Value], bytes: u64, chance: &mut Chance) -> (String, Value) {
        self.calls += 1;
        let server = chance.pick(&KINDS).name;
        let call = format!("{}{}.", self.own, self.calls);
        let own = format!("{call} at {server}");
        (
            own,
            json!({ "name": format!("{server}__work"), "arguments": { "call": call, "steps": steps, "bytes": bytes } }),
        )
    }

    /// A call from beginning to end, with the rounds of questions it takes.
    async fn call(&mut self, steps: &[Value], bytes: u64, chance: &mut Chance) -> Result<()> {
        let (own, mut params) = self.arguments(steps, bytes, chance);
        for _ in 0..8 {
            let id = self.id();
            let answer = self.send(id, "tools/call", params.clone(), chance.once_in(2)).await?;
            let message = self.finish(answer, id, chance).await?;
            let result = &message["result"];
            if result["resultType"] == "input_required" {
                let mut answers = json!({});
                for key in result["inputRequests"].as_object().into_iter().flatten().map(|(key, _)| key) {
                    answers[key] = word(own.split(' ').next().unwrap_or_default());
                }
                params["inputResponses"] = answers;
                params["requestState"] = result["requestState"].clone();
                continue;
            }
            self.judge(&own, &message);
            return Ok(());
        }
        Err(anyhow!("{own} asks again and again"))
    }

    fn judge(&self, own: &str, message: &Value) {
        let (result, error) = (&message["result"], &message["error"]);
        let reason =
            result["_meta"]["io.trunkline/fault"]["reason"].as_str().or(error["data"]["reason"].as_str());
        if let Some(reason) = reason {
            return self.tally().failed(reason, &message.to_string());
        }
        let wanted = result["content"][0]["text"] == own;
        let failed = error["message"].as_str().is_some_and(|text| text.contains("failed at"));
        if wanted || failed {
            self.tally().counts().answered += 1;
        } else {
            self.tally().strange(&format!("{own}: {message}"));
        }
    }

    async fn list(&mut self, chance: &mut Chance) -> Result<()> {
        let (id, method) = (self.id(), chance.pick(&["tools/list", "resources/list", "prompts/list"]));
        let answer = self.send(id, method, json!({}), false).await?;
        let message = self.finish(answer, id, chance).await?;
        if message["result"].is_null() {
            self.tally().strange(&format!("{method}: {message}"));
        }
        Ok(())
    }

    async fn level(&mut self, chance: &mut Chance) -> Result<()> {
        let id = self.id();
        let answer = self.send(id, "logging/setLevel", json!({ "level": "warning" }), false).await?;
        self.finish(answer, id, chance).await.map(drop)
    }

    async fn read(&mut self) -> Result<()> {
        let id = self.id();
        let server = KINDS[id as usize % KINDS.len()].name;
        let mut answer =
            self.send(id, "resources/read", json!({ "uri": format!("sim://{server}/page") }), false).await?;
        while let Some(raw) = answer.next().await? {
            self.tally().look(&self.own, &raw);
        }
        Ok(())
    }

    /// Follows changes for a while, and goes without a word.
    async fn listen(&mut self, chance: &mut Chance) -> Result<()> {
        self.tally().did("streams opened");
        let for_so_long = Duration::from_millis(chance.between(50, 2_500));
        let mut wire = std::mem::replace(&mut self.wire, Wire::open(self.visitor.address).await?);
        let mut answer = if self.modern {
            std::mem::swap(&mut wire, &mut self.wire);
            let id = self.id();
            let wanted = json!({ "notifications": { "toolsListChanged": true } });
            let answer = self.send(id, "subscriptions/listen", wanted, false).await?;
            std::mem::swap(&mut wire, &mut self.wire);
            answer
        } else {
            let session = self.session.clone().unwrap_or_default();
            let headers = [
                ("Accept", "text/event-stream"),
                ("Mcp-Session-Id", session.as_str()),
                ("MCP-Protocol-Version", "2025-11-25"),
            ];
            wire.send(Method::GET, &headers, None).await?
        };
        let listened = timeout(for_so_long, async {
            while let Ok(Some(raw)) = answer.read().await {
                self.tally().look(&self.own, &raw);
            }
        });
        drop(listened.await);
        Ok(())
    }

    async fn leave_in_a_call(mut self, chance: &mut Chance) -> Result<()> {
        let (_, params) =
            self.arguments(&[json!({ "do": "progress" }), json!({ "do": "work", "ms": 700 })], 0, chance);
        let id = self.id();
        let _ = timeout(Duration::from_millis(chance.below(200)), self.send(id, "tools/call", params, true))
            .await;
        Ok(())
    }

    /// Takes a call back while it runs.
    async fn cancel(&mut self, chance: &mut Chance) -> Result<()> {
        self.tally().did("calls cancelled");
        let (own, params) = self.arguments(&[json!({ "do": "work", "ms": 1_500 })], 0, chance);
        let id = self.id();
        let cancelled =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
        let mut side = Wire::open(self.visitor.address).await?;
        let session = self.session.clone().unwrap_or_default();
        let after = Duration::from_millis(chance.between(5, 300));
        let call = self.send(id, "tools/call", params, true);
        let cancel = async {
            sleep(after).await;
            let headers = [("Mcp-Session-Id", session.as_str()), ("MCP-Protocol-Version", "2025-11-25")];
            side.send(Method::POST, &headers, Some(&cancelled)).await.map(drop)
        };
        let (answer, told) = tokio::join!(call, cancel);
        told?;
        let mut answer = answer?;
        while let Some(raw) = answer.next().await? {
            self.tally().look(&self.own, &raw);
            let message: Value = serde_json::from_str(&raw)?;
            if message["id"] == id {
                self.judge(&own, &message);
            }
        }
        Ok(())
    }

    /// Begins a call that asks, and never comes back.
    async fn park(&mut self, chance: &mut Chance) -> Result<()> {
        let (own, params) = self.arguments(&[json!({ "do": "ask" })], 0, chance);
        let id = self.id();
        let answer = self.send(id, "tools/call", params, false).await?;
        let message = self.finish(answer, id, chance).await?;
        if message["result"]["resultType"] == "input_required" {
            self.tally().did("calls parked and left");
        } else {
            self.judge(&own, &message);
        }
        Ok(())
    }
}

fn word(call: &str) -> Value {
    json!({ "action": "accept", "content": { "word": call } })
}
