//! The questions that a legacy server puts while a call runs: on to the call's caller, and the answers back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use trunkline_model::{Ask, AskAnswer, Notes, Offers, Text};
use trunkline_protocol::{Message, Scanned, asks, bridge, compose, method, offers};
use trunkline_transport::back::{Headers, Wire};

use crate::deadlines::Signs;
use crate::early::{Early, Question};
use crate::turns::Turns;

/// Most questions of one call that wait for an answer at a time; further ones are answered for an absent user.
const OPEN_MAX: usize = 32;
/// How long an answer may take to get to the server.
const DELIVERY: Duration = Duration::from_secs(10);
/// While a user thinks, a server that wants to hear progress hears it this often: many give a question a minute of
/// silence and no more.
const STILL_THINKING: Duration = Duration::from_secs(20);
/// How long a call that asked keeps its turn. What it asks at the same time comes within this, and would else be taken
/// for the next call's.
const TURN_KEPT: Duration = Duration::from_secs(1);

/// The way to a server for messages that have no answer.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) server: Arc<str>,
    pub(crate) wire: Weak<dyn Wire>,
    pub(crate) headers: Headers,
    /// How long a question may be open.
    pub(crate) patience: Duration,
}

impl Way {
    /// Sends without waiting.
    pub(crate) fn tell_soon(&self, message: Message) {
        if let Some(wire) = self.wire.upgrade() {
            wire.tell_soon(message, self.headers.clone());
        }
    }

    async fn tell(&self, message: Message) {
        let Some(wire) = self.wire.upgrade() else { return };
        match timeout(DELIVERY, wire.tell(message, self.headers.clone())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(server = &*self.server, %error, "an answer was not taken"),
            Err(_) => tracing::debug!(server = &*self.server, "an answer was not taken in time"),
        }
    }
}

/// Whom a server's questions go to, and which of them are open: one per call, and one for what is asked aside.
pub(crate) struct Asking {
    way: Way,
    notes: Arc<dyn Notes>,
    offers: Offers,
    /// Where calls take turns: a call whose user thinks has given up its turn.
    turn: Option<Turn>,
    open: Mutex<Vec<Open>>,
    /// Questions and answers so far: while there are new ones the turn is kept.
    stirs: AtomicU64,
    /// The call's clock, which stands still while a user thinks.
    signs: Option<Arc<Signs>>,
    /// The task that the call waits for: questions name it.
    task: Option<Text>,
}

struct Open {
    /// The server's id of it, raw.
    id: Bytes,
    number: u64,
    method: &'static str,
    params: Bytes,
    origin: Origin,
    _patience: AbortOnDropHandle<()>,
}

/// What is known of where a question came from.
#[derive(Default)]
pub(crate) struct Origin {
    /// The clocks of the calls that may have asked it; they stand still until it is answered.
    pub(crate) clocks: Vec<Arc<Signs>>,
    /// Where it goes on waiting when the call ends, if it is one for roots that may be nobody's.
    pub(crate) next: Option<Arc<Early>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        for clock in &self.origin.clocks {
            clock.thought();
        }
    }
}

/// A call's turn on a conversation that does not say which call a question belongs to.
pub(crate) struct Turn {
    pub(crate) turns: Arc<Turns>,
    held: Mutex<Option<OwnedSemaphorePermit>>,
    again: tokio::sync::Mutex<()>,
}

impl Turn {
    pub(crate) fn new(turns: Arc<Turns>, held: OwnedSemaphorePermit) -> Self {
        Self { turns, held: Mutex::new(Some(held)), again: tokio::sync::Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_held(&self) -> bool {
        self.held().is_some()
    }

    fn give_up(&self) {
        let permit = self.held().take();
        drop(permit);
    }

    async fn take_again(&self) {
        // One at a time: two answers that both queued for the turn would have the second wait for the first's call.
        let _alone = self.again.lock().await;
        if self.is_held() {
            return;
        }
        let permit = self.turns.take().await;
        *self.held() = Some(permit);
    }
}

impl Asking {
    pub(crate) fn new(
        way: Way,
        notes: Arc<dyn Notes>,
        offers: Offers,
        turn: Option<Turn>,
        signs: Option<Arc<Signs>>,
        task: Option<Text>,
    ) -> Arc<Self> {
        let (open, stirs) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { way, notes, offers, turn, open, stirs, signs, task })
    }

    fn open(&self) -> MutexGuard<'_, Vec<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task that the call waits for.
    pub(crate) fn task(&self) -> Option<&str> {
        self.task.as_deref()
    }

    /// Whether an answer is being waited for.
    pub(crate) fn waits(&self) -> bool {
        !self.open().is_empty()
    }

    /// Whether the call runs at the server, so that a question may be its own: one that waits for an answer has nothing
    /// to say, but for a while after its last question.
    pub(crate) fn runs(&self) -> bool {
        self.turn.as_ref().is_some_and(Turn::is_held) || !self.waits()
    }

    /// The call's clock.
    pub(crate) fn clock(&self) -> Option<Arc<Signs>> {
        self.signs.clone()
    }

    /// Passes a question on. One that the caller cannot be asked is answered at once, as an absent user would.
    pub(crate) fn put(self: &Arc<Self>, id: Bytes, method: &'static str, params: Bytes) {
        let clocks = self.clock().into_iter().collect();
        self.put_for(id, method, params, Origin { clocks, next: None });
    }

    /// The same for a question that did not come on the call's own stream.
    pub(crate) fn put_for(self: &Arc<Self>, id: Bytes, method: &'static str, params: Bytes, origin: Origin) {
        let number = Ask::fresh_number();
        let able = offers::needed(method, &params).is_some_and(|needed| self.offers.has(needed));
        let mut open = self.open();
        if !able || open.len() >= OPEN_MAX {
            drop(open);
            tracing::info!(
                server = &*self.way.server,
                method,
                "the server asks for what this client does not offer, or for too much at a time"
            );
            if let Some(answer) = asks::unanswered(&id, method) {
                self.way.tell_soon(answer);
            }
            return;
        }
        for clock in &origin.clocks {
            clock.thinking();
        }
        let patience = self.patience(id.clone(), number, method);
        open.push(Open {
            id: id.clone(),
            number,
            method,
            params: params.clone(),
            origin,
            _patience: patience,
        });
        drop(open);
        self.stirred();
        self.keep_patient(number, &params);
        let unsaid = Unsaid { asking: Arc::downgrade(self), id, number, method };
        let reply = Box::new(move |answer| unsaid.say(answer));
        let server = Arc::clone(&self.way.server);
        self.notes.ask(Ask { number, server, method: method.into(), params, reply });
    }

    /// Gives the turn up if nothing stirs for a while and a user still thinks.
    fn stirred(self: &Arc<Self>) {
        if self.turn.is_none() {
            return;
        }
        let stir = self.stirs.fetch_add(1, Ordering::Relaxed) + 1;
        let asking = Arc::downgrade(self);
        tokio::spawn(async move {
            sleep(TURN_KEPT).await;
            let Some(asking) = asking.upgrade() else { return };
            if asking.stirs.load(Ordering::Relaxed) == stir
                && asking.waits()
                && let Some(turn) = &asking.turn
            {
                turn.give_up();
            }
        });
    }

    /// The server needs the answer no more; `false` when the question is not one of these.
    pub(crate) fn withdrawn(&self, id: &[u8]) -> bool {
        let Some(gone) = self.take(|one| one.id == id) else { return false };
        self.notes.withdraw(gone.number);
        true
    }

    fn take(&self, which: impl Fn(&Open) -> bool) -> Option<Open> {
        let mut open = self.open();
        let at = open.iter().position(which)?;
        Some(open.swap_remove(at))
    }

    /// Takes an answer to the server. Once: a second answer finds the question gone.
    fn answered(self: Arc<Self>, id: Bytes, number: u64, method: &str, answer: Option<AskAnswer>) {
        if !self.open().iter().any(|one| one.number == number) {
            return;
        }
        let message = match answer {
            Some(AskAnswer::Result(raw)) => Some(compose::result(&id, &raw)),
            Some(AskAnswer::Refused(raw)) => Some(compose::error(Some(&id), &raw)),
            None => asks::unanswered(&id, method),
        };
        let Some(message) = message else { return };
        // A task of its own: whoever answers must not wait for the server, nor for the call's turn.
        tokio::spawn(async move {
            if let Some(turn) = &self.turn {
                turn.take_again().await;
            }
            // The clocks go on when the server has it.
            if let Some(_open) = self.take(|one| one.number == number) {
                self.stirred();
                self.way.tell(message).await;
            }
        });
    }

    /// When a question has been open for too long, its user counts as gone; the call's clock goes on with that.
    fn patience(self: &Arc<Self>, id: Bytes, number: u64, method: &'static str) -> AbortOnDropHandle<()> {
        let (asking, patience) = (Arc::downgrade(self), self.way.patience);
        AbortOnDropHandle::new(tokio::spawn(async move {
            sleep(patience).await;
            if let Some(asking) = asking.upgrade() {
                asking.notes.withdraw(number);
                asking.answered(id, number, method, None);
            }
        }))
    }

    /// Tells a server that wants to hear of it that its question is still being thought about.
    fn keep_patient(self: &Arc<Self>, number: u64, params: &[u8]) {
        let Some(token) = asks::progress_token(params) else { return };
        let asking = Arc::downgrade(self);
        tokio::spawn(async move {
            for times in 1_u64.. {
                sleep(STILL_THINKING).await;
                let Some(asking) = asking.upgrade() else { return };
                if !asking.open().iter().any(|one| one.number == number) {
                    return;
                }
                let mut params = b"{\"progressToken\":".to_vec();
                params.extend_from_slice(&token);
                params.extend_from_slice(format!(",\"progress\":{times}}}").as_bytes());
                let params = Bytes::from(params);
                asking.way.tell_soon(compose::notification(method::PROGRESS, &params));
            }
        });
    }
}

impl Drop for Asking {
    /// The call is over. What it asked is answered for an absent user, so that nothing hangs at the server, and the
    /// client is told that nobody waits.
    fn drop(&mut self) {
        let open = std::mem::take(self.open.get_mut().unwrap_or_else(PoisonError::into_inner));
        for mut one in open {
            self.notes.withdraw(one.number);
            let next = one.origin.next.take().filter(|_| one.method == asks::ROOTS && can_send());
            if let Some(next) = next {
                let (id, params) = (one.id.clone(), one.params.clone());
                next.keep(Question { id, params }, self.way.clone());
            } else if let Some(answer) = asks::unanswered(&one.id, one.method).filter(|_| can_send()) {
                self.way.tell_soon(answer);
            }
        }
    }
}

/// At shutdown there is no runtime to send anything with, and no server to take it.
fn can_send() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

/// A question whose answer has not been said; dropped, it counts as one that nobody will answer. It does not keep the
/// call's [`Asking`] alive: that holds whom the question goes to, and would so never be dropped.
struct Unsaid {
    asking: Weak<Asking>,
    id: Bytes,
    number: u64,
    method: &'static str,
}

impl Unsaid {
    fn say(mut self, answer: AskAnswer) {
        self.pass(Some(answer));
    }

    fn pass(&mut self, answer: Option<AskAnswer>) {
        if let Some(asking) = std::mem::take(&mut self.asking).upgrade().filter(|_| can_send()) {
            asking.answered(self.id.clone(), self.number, self.method, answer);
        }
    }
}

impl Drop for Unsaid {
    fn drop(&mut self) {
        self.pass(None);
    }
}

/// A question as it stands in a message.
pub(crate) fn question(message: &Scanned) -> Option<(Bytes, &'static str, Bytes)> {
    let method = match &*message.method() {
        asks::ELICIT => asks::ELICIT,
        asks::SAMPLE => asks::SAMPLE,
        asks::ROOTS => asks::ROOTS,
        _ => return None,
    };
    // Copied: a question outlives the block that it was read into.
    let copy = |span: &trunkline_model::Span| Bytes::copy_from_slice(message.at(span));
    let params = message.params.whole.as_ref().map(copy).unwrap_or_default();
    let params = if params.starts_with(b"{") { params } else { Bytes::new() };
    Some((Bytes::copy_from_slice(&message.id_bytes()?), method, params))
}

/// The answer to a request of the server that is no question.
pub(crate) fn plain_answer(id: &[u8], method: &str) -> Message {
    if method == method::PING {
        return compose::result(id, &Bytes::from_static(b"{}"));
    }
    let object = compose::error_object(bridge::METHOD_NOT_FOUND, "method not found", None);
    compose::error(Some(id), &object)
}
