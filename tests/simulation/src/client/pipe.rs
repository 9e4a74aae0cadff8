//! A client's connection: what it sends, and what it hears, line by line.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use trunkline_transport::front::stdio;

use super::Client;
use crate::chance::Chance;
use crate::wire::{self, Temper};
use crate::world::World;

/// How long a client that hung up may be kept: calls have 5 s to end, and so has what is said last.
const LET_GO: Duration = Duration::from_secs(14);

/// What came back.
#[derive(Debug)]
pub(super) enum Reply {
    Result(Value),
    Error(Value),
    /// The connection ended first.
    Gone,
}

/// What is known of a request.
#[derive(Debug, Default)]
struct Sent {
    waiting: Option<oneshot::Sender<Reply>>,
    replies: u32,
    token: Option<String>,
    call: Option<String>,
}

#[derive(Default)]
struct Known {
    sent: BTreeMap<String, Sent>,
    last: u64,
}

/// One connection of a client.
pub(super) struct Pipe {
    client: Client,
    world: Arc<World>,
    known: Mutex<Known>,
    lines: mpsc::UnboundedSender<Value>,
    /// Ends what we say.
    hung_up: CancellationToken,
    /// Ends everything.
    over: CancellationToken,
    chance: Mutex<Chance>,
}

impl Pipe {
    /// Comes to the gateway.
    pub(super) fn open(world: &Arc<World>, client: &Client, chance: &mut Chance) -> Arc<Self> {
        let over = CancellationToken::new();
        let temper = Temper::of(chance, if world.wires_break { 10 } else { 0 });
        let (input, to) = wire::connect(chance.branch(), temper, &over);
        let (output, from) = wire::connect(chance.branch(), temper, &over);
        let serving = stdio::serve(
            input,
            output,
            world.host(),
            None,
            4 << 20,
            Arc::clone(&world.metrics),
            world.stop.child_token(),
        );
        let (lines, said) = mpsc::unbounded_channel();
        let pipe = Arc::new(Self {
            client: client.clone(),
            world: Arc::clone(world),
            known: Mutex::default(),
            lines,
            hung_up: CancellationToken::new(),
            over: over.clone(),
            chance: Mutex::new(chance.branch()),
        });
        world.history.note(client.name(), "comes");
        let (served, gone, hung_up) = (over.clone(), over.clone(), pipe.hung_up.clone());
        world.tasks.spawn(async move {
            let _ = serving.await;
            served.cancel();
        });
        world.tasks.spawn(async move {
            tokio::select! {
                () = write(to, said, hung_up) => {}
                () = gone.cancelled() => {}
            }
        });
        world.tasks.spawn(Arc::clone(&pipe).read(from));
        pipe
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request and waits for its answer, within bounds.
    pub(super) async fn request(&self, method: &str, params: Value, call: Option<&str>) -> Reply {
        let (_, answer) = self.request_about(method, params, None, call);
        let answered = self.world.patiently(self.world.bound(0), answer).await;
        if answered.is_none() {
            let who = self.client.name();
            self.world.history.broken("every request is answered", format_args!("{method} of {who}"));
        }
        answered.and_then(Result::ok).unwrap_or(Reply::Gone)
    }

    /// Sends a request; its id, and what its answer comes by.
    pub(super) fn request_about(
        &self,
        method: &str,
        params: Value,
        token: Option<String>,
        call: Option<&str>,
    ) -> (Value, oneshot::Receiver<Reply>) {
        let (sender, answer) = oneshot::channel();
        let mut known = self.known();
        known.last += 1;
        // Both kinds of ids, and the same ones as everybody else's.
        let id: Value = if known.last.is_multiple_of(2) {
            json!(known.last)
        } else {
            json!(format!("id-{}", known.last))
        };
        let waiting = (!self.over.is_cancelled()).then_some(sender);
        let sent = Sent { waiting, token, call: call.map(str::to_owned), ..Sent::default() };
        known.sent.insert(id.to_string(), sent);
        drop(known);
        self.say(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        (id, answer)
    }

    pub(super) fn tell(&self, method: &str, params: Option<Value>) {
        let mut message = json!({ "jsonrpc": "2.0", "method": method });
        if let Some(params) = params {
            message["params"] = params;
        }
        self.say(message);
    }

    /// Takes a request back; `false` when nothing can be said any more.
    pub(super) fn cancel(&self, id: &Value) -> bool {
        self.tell("notifications/cancelled", Some(json!({ "requestId": id })));
        !self.hung_up.is_cancelled() && !self.over.is_cancelled()
    }

    fn say(&self, message: Value) {
        let _ = self.lines.send(message);
    }

    /// Goes, whatever runs.
    pub(super) async fn leave(&self) {
        self.over.cancel();
        // Whoever waits learns of it from the reader, which ends now.
        sleep(Duration::from_millis(1)).await;
    }

    /// Hangs up: what was said is sent, and what still comes is read to its end, which is soon.
    pub(super) async fn hang_up(&self) {
        self.hung_up.cancel();
        if timeout(LET_GO, self.over.cancelled()).await.is_err() && !self.world.has_jumped() {
            self.world.history.broken("a client that hangs up is let go", self.client.name());
        }
        self.leave().await;
    }

    async fn read(self: Arc<Self>, from: tokio::io::DuplexStream) {
        let mut from = BufReader::new(from);
        loop {
            let mut line = String::new();
            let read = tokio::select! {
                read = from.read_line(&mut line) => read,
                () = self.over.cancelled() => break,
            };
            // What has no end was cut off with the connection.
            if read.is_err() || !line.ends_with('\n') {
                break;
            }
            match serde_json::from_str::<Value>(&line) {
                Ok(message) => self.hear(&line, &message),
                Err(error) => {
                    self.world.history.broken("what is said is JSON", format_args!("{error}: {line}"));
                }
            }
        }
        self.over.cancel();
        for sent in self.known().sent.values_mut() {
            if let Some(waiting) = sent.waiting.take() {
                let _ = waiting.send(Reply::Gone);
            }
        }
    }

    fn hear(self: &Arc<Self>, line: &str, message: &Value) {
        self.look_for_others(line);
        match (message["method"].as_str(), message.get("id")) {
            (None, Some(id)) => self.hear_reply(id, message),
            (Some(method), Some(id)) => self.hear_question(method, id, message),
            (Some("notifications/progress"), None) => self.hear_progress(message),
            (Some(_), None) => {}
            (None, None) => self.world.history.broken("what is said is a message", line),
        }
    }

    /// Whatever is said to a client names no call of another.
    fn look_for_others(&self, line: &str) {
        let own = format!("call-{}-", self.client.number);
        let foreign = line.match_indices("call-").any(|(at, _)| !line[at..].starts_with(&own));
        self.world.history.law(
            "nobody hears of others' calls",
            !foreign,
            format_args!("{} heard {line}", self.client.name()),
        );
        let nobodys = line.contains("nobody's");
        self.world.history.law("what belongs to nobody comes to nobody", !nobodys, line);
    }

    fn hear_reply(&self, id: &Value, message: &Value) {
        let mut known = self.known();
        let who = self.client.name();
        let Some(sent) = known.sent.get_mut(&id.to_string()) else {
            drop(known);
            return self.world.history.broken("a reply has its request", format_args!("{who}: {message}"));
        };
        sent.replies += 1;
        let (replies, call) = (sent.replies, sent.call.clone());
        let waiting = sent.waiting.take();
        drop(known);
        self.world.history.law(
            "one reply to a request",
            replies == 1,
            format_args!("{who} {call:?}: {message}"),
        );
        let reply = match message.get("result") {
            Some(result) => Reply::Result(result.clone()),
            None => Reply::Error(message["error"].clone()),
        };
        if let Some(waiting) = waiting {
            let _ = waiting.send(reply);
        }
    }

    fn hear_progress(&self, message: &Value) {
        let token = message["params"]["progressToken"].as_str().unwrap_or_default();
        let text = message["params"]["message"].as_str().unwrap_or_default();
        let known = self.known();
        let found = known.sent.values().find(|sent| sent.token.as_deref() == Some(token));
        let history = &self.world.history;
        match found {
            None => history.broken("progress comes with the caller's token", message),
            Some(sent) => {
                let own = sent.call.as_deref().is_some_and(|call| text.starts_with(call));
                history.law("progress belongs to its call", own, message);
                history.law("no progress after the reply", sent.replies == 0, message);
            }
        }
    }

    /// A question of a server to the user of a legacy client.
    fn hear_question(self: &Arc<Self>, method: &str, id: &Value, message: &Value) {
        let history = &self.world.history;
        if method == "ping" {
            return self.say(json!({ "jsonrpc": "2.0", "id": id, "result": {} }));
        }
        let able = self.client.asks && self.client.era != super::Era::Modern;
        history.law("questions come to clients that can be asked", able, message);
        let call = message["params"]["message"].as_str().unwrap_or_default().to_owned();
        let mine = self.known().sent.values().any(|sent| sent.call.as_deref() == Some(&call));
        history.law("a question comes to the client that it is for", mine, message);
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner).branch();
        if chance.once_in(12) {
            return history.note(self.client.name(), format_args!("does not answer about {call}"));
        }
        let (pipe, id) = (Arc::clone(self), id.clone());
        self.world.tasks.spawn(async move {
            sleep(Duration::from_millis(chance.pick(&[0, 5, 500, 7_000, 12_000]))).await;
            let result = super::word(&call, &mut chance);
            pipe.say(json!({ "jsonrpc": "2.0", "id": id, "result": result }));
        });
    }
}

async fn write(
    mut to: tokio::io::DuplexStream,
    mut said: mpsc::UnboundedReceiver<Value>,
    hung_up: CancellationToken,
) {
    loop {
        let message = tokio::select! {
            biased;
            message = said.recv() => message,
            () = hung_up.cancelled() => None,
        };
        let Some(message) = message else { return };
        if to.write_all(format!("{message}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}
