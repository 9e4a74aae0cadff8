//! A legacy server that a test plays request by request, and the users that it asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;
use trunkline_model::{Ask, AskAnswer, Call, Caller, Era, Note, Notes, Offers, Operation, Outcome, Params};
use trunkline_protocol::{Message, Revision, scan};
use trunkline_transport::back::{Answered, BoxFuture, Headers, Heard, Outgoing, Wire, WireError};

use crate::options::Timeouts;
use crate::script::{conversation, text};
use crate::session::Session;
use crate::stray::{Relay, Stray};

/// What ends a request, and who hears what is said meanwhile.
type Request = (oneshot::Sender<()>, Option<Arc<dyn Heard>>);

/// A wire whose requests wait until the test answers them.
pub(crate) struct Played {
    /// Whether calls have streams of their own.
    streams: bool,
    open: Mutex<HashMap<u64, Request>>,
    /// What was told to the server, whole.
    pub(crate) told: Mutex<Vec<String>>,
}

/// Real wires forget a request with its future.
struct Open<'a>(&'a Played, u64);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.lock().unwrap().remove(&self.1);
    }
}

impl Wire for Played {
    fn exchange(&self, out: Outgoing) -> BoxFuture<'_, Result<Answered, WireError>> {
        Box::pin(async move {
            let (end, ended) = oneshot::channel();
            self.open.lock().unwrap().insert(out.id, (end, out.heard));
            let _open = Open(self, out.id);
            let _ = ended.await;
            let raw = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{}}}}", out.id);
            Ok(Answered { message: scan(Bytes::from(raw)).unwrap(), session: None })
        })
    }

    fn tell(&self, message: Message, headers: Headers) -> BoxFuture<'_, Result<(), WireError>> {
        self.tell_soon(message, headers);
        Box::pin(async { Ok(()) })
    }

    fn tell_soon(&self, message: Message, _headers: Headers) {
        self.told.lock().unwrap().push(text(&message));
    }

    fn ended(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }

    fn drop_tells(&self) -> bool {
        self.streams
    }
}

/// One client and what it was asked.
#[derive(Default)]
pub(crate) struct User {
    asked: Mutex<Vec<Ask>>,
    pub(crate) withdrawn: Mutex<Vec<u64>>,
}

impl Notes for User {
    fn note(&self, _note: Note) {}

    fn ask(&self, ask: Ask) {
        self.asked.lock().unwrap().push(ask);
    }

    fn withdraw(&self, number: u64) {
        self.withdrawn.lock().unwrap().push(number);
        self.asked.lock().unwrap().retain(|ask| ask.number != number);
    }
}

impl User {
    pub(crate) fn open(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub(crate) fn answer(&self) {
        let ask = self.asked.lock().unwrap().remove(0);
        (ask.reply)(AskAnswer::Result(Bytes::from_static(b"{\"action\":\"accept\"}")));
    }
}

pub(crate) struct Scene {
    pub(crate) wire: Arc<Played>,
    pub(crate) session: Arc<Session>,
}

pub(crate) const FORM: &str = "elicitation/create";
pub(crate) const ROOTS: &str = "roots/list";

impl Scene {
    pub(crate) fn new(relay: Relay, streams: bool) -> Self {
        let wire = Arc::new(Played { streams, open: Mutex::default(), told: Mutex::default() });
        let stray = Arc::new(Stray::relaying("s".into(), broadcast::channel(8).0, relay));
        let played = Arc::clone(&wire) as Arc<dyn Wire>;
        stray.reply_through(&played, Headers::new(), Duration::from_mins(10));
        let timeouts =
            Timeouts { idle: Duration::from_mins(1), total: Duration::from_mins(5), ..Timeouts::default() };
        let session = Session { timeouts, ..conversation(played, Revision::LEGACY_LATEST, b"{}", stray) };
        Self { wire, session: Arc::new(session) }
    }

    /// Begins a call of this user.
    pub(crate) async fn call(&self, era: Era, user: &Arc<User>) -> JoinHandle<Outcome> {
        let params = Params { raw: Bytes::from_static(b"{}"), ..Params::default() };
        let caller = Arc::new(Caller { offers: Offers::FORM | Offers::ROOTS, ..Caller::new(era) });
        let notes = Arc::clone(user) as Arc<dyn Notes>;
        let call = Call::new(Operation::CallTool("t".into()), params, caller, notes);
        let session = Arc::clone(&self.session);
        let running = tokio::spawn(async move {
            let called = session.call(&call, None, &[], false).await;
            called.map_err(|lost| lost.0).expect("the conversation stands").0.outcome()
        });
        settle().await;
        running
    }

    pub(crate) fn running(&self) -> usize {
        self.wire.open.lock().unwrap().len()
    }

    pub(crate) fn end(&self, id: u64) {
        let (end, _heard) = self.wire.open.lock().unwrap().remove(&id).expect("it runs");
        let _ = end.send(());
    }

    /// The server asks, on no call's stream.
    pub(crate) async fn ask(&self, id: u64, method: &str) {
        let raw = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{{\"message\":\"?\"}}}}"
        );
        self.say(&raw).await;
    }

    /// The server says this, on no call's stream.
    pub(crate) async fn say(&self, raw: &str) {
        self.session.stray.hear(scan(Bytes::copy_from_slice(raw.as_bytes())).unwrap());
        settle().await;
    }

    /// What the server was answered to its question.
    pub(crate) fn answer(&self, id: u64) -> Option<String> {
        let told = self.wire.told.lock().unwrap();
        let wanted = format!("\"id\":{id},");
        let mut answers = told.iter().filter(|one| one.contains(&wanted) && !one.contains("\"method\""));
        let first = answers.next().cloned();
        assert!(answers.next().is_none(), "question {id} was answered twice: {told:?}");
        first
    }

    pub(crate) fn accepted(&self, id: u64) -> bool {
        self.answer(id).is_some_and(|answer| answer.contains("accept"))
    }
}

/// Lets every task run that can, without time passing.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Two of them.
pub(crate) fn users() -> (Arc<User>, Arc<User>) {
    (Arc::default(), Arc::default())
}
