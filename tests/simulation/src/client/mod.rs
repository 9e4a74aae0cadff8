//! Clients of both eras: what they do is drawn from chance, and what they hear is held against what they may hear.
//! `pipe.rs` is the connection, `plan.rs` what is asked for, `judge.rs` what an answer says about the call.

mod judge;
mod pipe;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::chance::Chance;
use crate::world::World;

use trunkline_upstream::retry::IDEMPOTENCY_KEY;

pub(crate) use judge::SLACK;
pub use judge::{Heard, Verdict};
use pipe::{Pipe, Reply};
pub(crate) use plan::LARGE_BYTES;
use plan::Plan;

/// Most rounds of questions that a modern client answers.
const ROUNDS_MAX: usize = 6;

/// Which era a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `initialize`, with this revision.
    Legacy(&'static str),
    /// Metadata with every request.
    Modern,
}

/// One client.
#[derive(Clone)]
pub struct Client {
    /// Its number; every call of it has the number in its name.
    pub number: u64,
    /// What it speaks.
    pub era: Era,
    /// Whether it can be asked.
    pub asks: bool,
}

/// What is noted of a call, for the laws that are looked at in the end.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its name, which is in its arguments and in whatever is said about it.
    pub call: String,
    /// The server that it was for, as the operator named it.
    pub server: String,
    /// The tool, by the server's own name.
    pub tool: &'static str,
    /// The client said that it was to happen once.
    pub has_key: bool,
    /// The client could be asked during it.
    pub asks: bool,
    /// It was to ask the client something.
    pub asked: bool,
    /// When the client made it, and when it heard what came of it.
    pub sent: Instant,
    /// See `sent`.
    pub told: Instant,
    /// What the client was told.
    pub heard: Heard,
}

impl Client {
    fn name(&self) -> String {
        format!("client-{}", self.number)
    }

    /// Lives: comes, does something, leaves; some come back.
    pub async fn live(self, world: Arc<World>, mut chance: Chance) {
        let mut calls = 0;
        for _ in 0..chance.between(1, 3) {
            sleep(Duration::from_millis(chance.below(15_000))).await;
            self.visit(&world, &mut chance, &mut calls).await;
        }
    }

    /// Calls each server once, and does nothing besides.
    pub(crate) async fn knock(self, world: &Arc<World>, mut chance: Chance) {
        let pipe = Pipe::open(world, &self, &mut chance);
        for (number, setup) in world.setups.iter().enumerate() {
            let call = format!("call-{}-{number}.", self.number);
            self.call(world, &pipe, call, Plan::plain(&setup.name), &mut chance).await;
        }
        pipe.leave().await;
    }

    async fn visit(&self, world: &Arc<World>, chance: &mut Chance, calls: &mut u64) {
        let pipe = Pipe::open(world, self, chance);
        if let Era::Legacy(revision) = self.era {
            let capabilities = if self.asks { json!({ "elicitation": {} }) } else { json!({}) };
            let hello = json!({ "protocolVersion": revision, "capabilities": capabilities,
                "clientInfo": { "name": self.name(), "version": "1" } });
            match pipe.request("initialize", hello, None).await {
                Reply::Result(_) => {}
                Reply::Error(error) => return world.history.broken("initialize is answered", error),
                Reply::Gone => return pipe.leave().await,
            }
            pipe.tell("notifications/initialized", None);
        }
        let mut running = JoinSet::new();
        for _ in 0..chance.between(1, 7) {
            let act = chance.weighed(&[
                (14, "call"),
                (2, "list"),
                (2, "read"),
                (1, "subscribe"),
                (1, "level"),
                (1, "listen"),
            ]);
            if act == "call" {
                *calls += 1;
            }
            let call = format!("call-{}-{calls}.", self.number);
            let (this, pipe, shared, mut own) =
                (self.clone(), Arc::clone(&pipe), Arc::clone(world), chance.branch());
            running.spawn(async move {
                match act {
                    "call" => {
                        let plan = Plan::draw(&shared, &mut own);
                        this.call(&shared, &pipe, call, plan, &mut own).await;
                    }
                    "list" => this.list(&shared, &pipe, &mut own).await,
                    "read" => this.read(&shared, &pipe, &mut own).await,
                    "subscribe" => this.subscribe(&shared, &pipe, &mut own).await,
                    "listen" => this.listen(&shared, &pipe, &mut own).await,
                    _ => this.level(&pipe, &mut own).await,
                }
            });
            if chance.once_in(2) {
                sleep(Duration::from_millis(chance.below(3_000))).await;
            }
            if chance.once_in(25) {
                world.history.note(self.name(), "leaves in the middle");
                break;
            }
        }
        if chance.once_in(8) {
            sleep(Duration::from_millis(chance.below(2_000))).await;
            world.history.note(self.name(), "leaves at once");
            pipe.leave().await;
        }
        if chance.once_in(6) {
            sleep(Duration::from_millis(chance.below(2_000))).await;
            world.history.note(self.name(), "hangs up");
            pipe.hang_up().await;
        }
        while running.join_next().await.is_some() {}
        if chance.once_in(2) {
            pipe.hang_up().await;
        }
        pipe.leave().await;
    }

    /// The params of a request in the client's era.
    fn params(&self, mut params: Value, token: Option<&str>, key: Option<&str>) -> Value {
        let mut meta = Map::new();
        if self.era == Era::Modern {
            let capabilities = if self.asks { json!({ "elicitation": { "form": {} } }) } else { json!({}) };
            meta.insert("io.modelcontextprotocol/protocolVersion".to_owned(), "2026-07-28".into());
            meta.insert("io.modelcontextprotocol/clientCapabilities".to_owned(), capabilities);
        }
        if let Some(token) = token {
            meta.insert("progressToken".to_owned(), token.into());
        }
        if let Some(key) = key {
            meta.insert(IDEMPOTENCY_KEY.to_owned(), key.into());
        }
        if !meta.is_empty() {
            params["_meta"] = Value::Object(meta);
        }
        params
    }

    async fn call(
        &self,
        world: &Arc<World>,
        pipe: &Arc<Pipe>,
        call: String,
        plan: Plan,
        chance: &mut Chance,
    ) {
        let server = plan.server.clone();
        world.history.note(self.name(), format_args!("calls {server}: {call} {}", plan.told()));
        let mut params =
            json!({ "name": format!("{server}__{}", plan.tool), "arguments": plan.arguments(&call) });
        let began = Instant::now();
        world.sent(&call);
        for _ in 0..plan.questions() {
            // Rounds that a client knows nothing of.
            world.demands(&server);
        }
        let bound = world.bound(plan.questions());
        let key = plan.has_key.then(|| format!("key-{call}"));
        let mut heard = Heard::from(Verdict::Left);
        for round in 0..=ROUNDS_MAX {
            let token = plan.progress.then(|| format!("token-{call}{round}"));
            let sent = self.params(params.clone(), token.as_deref(), key.as_deref());
            world.demands(&server);
            let answering = pipe.request_about("tools/call", sent, token, Some(&call));
            let patience = plan.cancels_after.filter(|_| round == 0).unwrap_or(bound);
            let (id, mut answer) = answering;
            let reply = match world.patiently(patience, &mut answer).await {
                Some(reply) => reply.unwrap_or(Reply::Gone),
                None if plan.cancels_after.is_some() && round == 0 => {
                    world.history.note(self.name(), format_args!("cancels {call}"));
                    // An answer that was on its way may still come; nothing else does. A round of questions may have
                    // come first, and then there is nothing to take back; nor is there after hanging up.
                    let parks = self.era == Era::Modern && plan.questions() > 0;
                    if pipe.cancel(&id) && !parks {
                        heard = Verdict::Cancelled(Instant::now()).into();
                    }
                    break;
                }
                None => {
                    let secs = began.elapsed().as_secs();
                    world
                        .history
                        .broken("every call is answered", format_args!("{call} was not, in {secs} s"));
                    break;
                }
            };
            let asked = match &reply {
                Reply::Result(result) if result["resultType"] == "input_required" => Some(result.clone()),
                _ => None,
            };
            let Some(asked) = asked else {
                heard = judge::heard(world, &reply, &call, &server, round > 0);
                judge::deadlines(world, &plan, &call, &heard.verdict);
                break;
            };
            let Some(answers) = self.answers(world, &call, &asked, chance).await else {
                world.history.note(self.name(), format_args!("never comes back for {call}"));
                break;
            };
            params["inputResponses"] = answers;
            params["requestState"] = asked["requestState"].clone();
        }
        world.history.note(self.name(), format_args!("{call} ended: {}", heard.verdict.told()));
        world.records().push(Record {
            server,
            tool: plan.tool,
            has_key: plan.has_key,
            asks: self.asks,
            asked: plan.questions() > 0,
            sent: began,
            told: Instant::now(),
            heard,
            call,
        });
    }

    /// Answers to the questions of a round; `None` when the client gives up.
    async fn answers(&self, world: &World, call: &str, asked: &Value, chance: &mut Chance) -> Option<Value> {
        let law = "questions come to clients that can be asked";
        world.history.law(law, self.asks && self.era == Era::Modern, format_args!("{call}: {asked}"));
        let mut answers = Map::new();
        for (key, question) in asked["inputRequests"].as_object().into_iter().flatten() {
            let about = question["params"]["message"].as_str().unwrap_or_default();
            world.history.law(
                "a question comes to the call that it is about",
                about == call,
                format_args!("{about} came to {call}"),
            );
            answers.insert(key.clone(), word(call, chance));
        }
        sleep(Duration::from_millis(chance.pick(&[0, 10, 1_000, 9_000, 14_900, 16_000]))).await;
        (!chance.once_in(8)).then_some(Value::Object(answers))
    }

    async fn list(&self, world: &Arc<World>, pipe: &Arc<Pipe>, chance: &mut Chance) {
        let method =
            chance.pick(&["tools/list", "resources/list", "resources/templates/list", "prompts/list"]);
        match pipe.request(method, self.params(json!({}), None, None), None).await {
            Reply::Result(list) => {
                for tool in list["tools"].as_array().into_iter().flatten() {
                    let name = tool["name"].as_str().unwrap_or_default();
                    let known = world.setups.iter().any(|setup| {
                        name.strip_prefix(&setup.name).is_some_and(|rest| rest.starts_with("__"))
                    });
                    world.history.law("lists hold what there is", known || name.is_empty(), name);
                }
            }
            Reply::Error(error) => {
                world.history.broken("lists are answered whatever fails", format_args!("{method}: {error}"));
            }
            Reply::Gone => {}
        }
    }

    async fn read(&self, world: &Arc<World>, pipe: &Arc<Pipe>, chance: &mut Chance) {
        let Reply::Result(list) =
            pipe.request("resources/list", self.params(json!({}), None, None), None).await
        else {
            return;
        };
        let all = list["resources"].as_array().cloned().unwrap_or_default();
        let pages: Vec<&Value> =
            all.iter().filter(|one| one["name"].as_str().is_some_and(|name| name.contains("page"))).collect();
        if pages.is_empty() {
            return;
        }
        let uri = chance.pick(&pages)["uri"].as_str().unwrap_or_default().to_owned();
        for setup in world.setups.iter().filter(|setup| uri.contains(&setup.name)) {
            world.demands(&setup.name);
        }
        if let Reply::Result(read) =
            pipe.request("resources/read", self.params(json!({ "uri": uri }), None, None), None).await
        {
            let text = read["contents"][0]["text"].as_str().unwrap_or_default().to_owned();
            let of = text.strip_prefix("a page of ").unwrap_or_default();
            world.history.law(
                "a read comes from its server",
                !of.is_empty() && uri.contains(of),
                format_args!("{uri}: {read}"),
            );
        }
    }

    async fn level(&self, pipe: &Arc<Pipe>, chance: &mut Chance) {
        if self.era != Era::Modern {
            let level = chance.pick(&["debug", "warning", "error"]);
            pipe.request("logging/setLevel", json!({ "level": level }), None).await;
        }
    }

    async fn subscribe(&self, world: &Arc<World>, pipe: &Arc<Pipe>, chance: &mut Chance) {
        if self.era == Era::Modern {
            return;
        }
        let setup = &world.setups[chance.below(world.setups.len() as u64) as usize];
        let uri = format!("sim://{}/page", setup.name);
        pipe.request("resources/subscribe", json!({ "uri": uri }), None).await;
        sleep(Duration::from_millis(chance.below(4_000))).await;
        pipe.request("resources/unsubscribe", json!({ "uri": uri }), None).await;
    }

    async fn listen(&self, world: &Arc<World>, pipe: &Arc<Pipe>, chance: &mut Chance) {
        if self.era != Era::Modern {
            return;
        }
        let wanted = json!({ "notifications": { "toolsListChanged": true, "resourcesListChanged": true } });
        let (id, answer) =
            pipe.request_about("subscriptions/listen", self.params(wanted, None, None), None, None);
        let listened = timeout(Duration::from_millis(chance.between(100, 20_000)), answer).await;
        if listened.is_err() {
            world.history.note(self.name(), "stops listening");
            pipe.cancel(&id);
        }
    }
}

/// What a user says to a question about `call`.
fn word(call: &str, chance: &mut Chance) -> Value {
    match chance.below(6) {
        0 => json!({ "action": "decline" }),
        1 => json!({ "action": "cancel" }),
        _ => json!({ "action": "accept", "content": { "word": call } }),
    }
}
