//! What the tests of parking share: calls and retries as a client sends them, and how to read what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use trunkline_model::{
    Ask, AskAnswer, Call, Caller, Era, Kind, Notes, Offers, Operation, Outcome, Params, Quiet, Reply,
};

use super::{Duration, Parking, Work};

/// How long a call waits for its retry here.
pub(super) const WAIT: Duration = Duration::from_mins(10);

pub(super) fn parking(max: usize) -> Arc<Parking> {
    Parking::with(&[7; 32], max)
}

/// A call of the tool `t` with these arguments and what a retry brings.
pub(super) fn call(offers: Offers, arguments: &Value, retry: Option<(&str, &Value)>) -> Call {
    let mut params = json!({ "name": "t", "arguments": arguments });
    if let Some((state, responses)) = retry {
        params["requestState"] = json!(state);
        params["inputResponses"] = responses.clone();
    }
    let raw = Bytes::from(params.to_string());
    let text = arguments.to_string();
    let at = memchr::memmem::find(&raw, text.as_bytes());
    let params = Params { arguments: at.map(|at| at..at + text.len()), raw, ..Params::default() };
    let caller = Arc::new(Caller { offers, ..Caller::new(Era::Modern) });
    Call::new(Operation::CallTool("t".into()), params, caller, Arc::new(Quiet))
}

/// Runs a call to its next outcome.
pub(super) async fn run(parking: &Arc<Parking>, call: Call, begin: impl FnOnce(Call) -> Work) -> Seen {
    Seen::of(&parking.run("server", WAIT, &call, begin).await)
}

/// For retries: what is under way must never be begun again.
pub(super) fn never(_call: Call) -> Work {
    panic!("a retry began the call again")
}

/// What a client sees.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    /// Questions: the state and the keys, in order.
    Asked(String, Vec<String>),
    /// A result of the call.
    Done(Value),
    /// A refusal.
    Refused(&'static str),
    /// An error of the server.
    Failed(i64),
}

impl Seen {
    pub(super) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Result(reply) => {
                let value: Value = serde_json::from_slice(&reply.raw).unwrap();
                if value["resultType"] != "input_required" {
                    return Self::Done(value);
                }
                let keys = value["inputRequests"].as_object().unwrap().keys().cloned().collect();
                Self::Asked(value["requestState"].as_str().unwrap().to_owned(), keys)
            }
            Outcome::Fault(fault) => Self::Refused(match &fault.kind {
                Kind::MissingCapability(_) => "missing_capability",
                kind => kind.reason(),
            }),
            Outcome::Error(error) => Self::Failed(error.code),
        }
    }

    #[track_caller]
    pub(super) fn asked(self) -> (String, Vec<String>) {
        match self {
            Self::Asked(state, keys) => (state, keys),
            other => panic!("no questions: {other:?}"),
        }
    }
}

/// Asks for a form; the answer, or `None` when it is refused.
pub(super) fn ask(notes: &Arc<dyn Notes>, method: &str) -> (u64, oneshot::Receiver<AskAnswer>) {
    let (reply, answer) = oneshot::channel();
    let number = Ask::fresh_number();
    let reply = Box::new(move |said| {
        let _ = reply.send(said);
    });
    let params = Bytes::from_static(b"{\"message\":\"?\"}");
    notes.ask(Ask { number, server: "server".into(), method: method.into(), params, reply });
    (number, answer)
}

/// A result of a legacy server.
pub(super) fn result(value: &Value) -> Outcome {
    Outcome::Result(Reply { raw: Bytes::from(value.to_string()), era: Era::Legacy })
}

/// The answer `accept` with this text.
pub(super) fn accept(text: &str) -> Value {
    json!({ "action": "accept", "content": { "text": text } })
}

/// Counts something while it lives.
pub(super) struct Alive(Arc<AtomicUsize>);

impl Alive {
    pub(super) fn among(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(all))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
