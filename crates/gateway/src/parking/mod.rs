//! Parking: a legacy server asks while the call of a modern client runs. The client's request ends with the questions
//! (`input_required`), the call stays where it is, and the client's retry brings the answers to it (`bridging.md` 5).
//!
//! A call is never run again because of a retry: what comes with a bad state is refused.

mod exchange;
mod holding;
#[cfg(test)]
mod interleavings;
mod refusals;
pub(crate) mod seal;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod tests;
mod visits;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trunkline_model::{Call, Era, Fault, Kind, Notes, Outcome, Reply, StateProblem};
use trunkline_protocol::rounds::{self, Answers};
use trunkline_protocol::{canonical, method, offers};

use exchange::{Exchange, News, Refused, Said};
use refusals::{bad_state, lacking, refusal};
use seal::{Sealed, Sealer};

/// How a call is begun: given the call with the place for its questions, its future.
pub(crate) type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Most calls that wait at a time. Each holds a call at a server open.
const PARKED_MAX: usize = 1000;

/// The parked calls of this process.
pub(crate) struct Parking {
    sealer: Sealer,
    exchanges: Mutex<HashMap<[u8; 16], Parked>>,
    max: usize,
    tasks: TaskTracker,
    /// Told when something is parked no longer.
    left: Notify,
    /// The process ends: outcomes that nobody has come for are dropped.
    stop: CancellationToken,
}

/// What a call is and how long it waits.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// What a state is bound to: caller, server, method, target and arguments.
    pub(crate) binding: [u8; 32],
    /// Longest time that the call waits for one retry.
    pub(crate) wait: Duration,
}

/// What a state can lead to.
#[derive(Clone)]
enum Parked {
    /// A call that is under way at its server.
    Call(Arc<Exchange>),
    /// A call that the server refused until its user has visited some pages.
    Visits(Arc<visits::Visits>),
}

impl Parking {
    pub(crate) fn new(key: &[u8; 32]) -> Arc<Self> {
        Self::with(key, PARKED_MAX)
    }

    fn with(key: &[u8; 32], max: usize) -> Arc<Self> {
        Arc::new(Self {
            sealer: Sealer::new(key),
            exchanges: Mutex::default(),
            max,
            tasks: TaskTracker::new(),
            left: Notify::new(),
            stop: CancellationToken::new(),
        })
    }

    fn exchanges(&self) -> MutexGuard<'_, HashMap<[u8; 16], Parked>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A retry of a parked call whose target has gone, with its server most of all, is not told that there is no such
    /// thing: that would promise that nothing ran.
    pub(crate) fn explain(&self, call: &Call, fault: Fault) -> Fault {
        if !matches!(fault.kind, Kind::UnknownName(_) | Kind::ResourceNotFound(_)) {
            return fault;
        }
        if self.gave(call) { refusal(StateProblem::InstanceLost) } else { fault }
    }

    /// Whether the state that a call brings was given out here: it is the retry of a parked call then, however the server
    /// stands by now.
    pub(crate) fn gave(&self, call: &Call) -> bool {
        if !rounds::mentions_state(&call.params.raw) {
            return false;
        }
        let state = rounds::answers(&call.params.raw).ok().flatten().and_then(|answers| answers.state);
        state.is_some_and(|state| self.sealer.open(&state).is_ok())
    }

    /// How many calls wait for a retry, or run after one.
    pub(crate) fn count(&self) -> usize {
        self.exchanges().len()
    }

    fn leave(&self, id: &[u8; 16]) -> Option<Parked> {
        let gone = self.exchanges().remove(id);
        self.left.notify_waiters();
        gone
    }

    /// Waits until nothing is parked any more, by itself. Cancel safe.
    pub(crate) async fn unparked(&self) {
        loop {
            let mut left = std::pin::pin!(self.left.notified());
            // Before the look: what leaves after it must wake us.
            left.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            left.await;
        }
    }

    /// Waits until nothing is parked any more; the upstreams must have been stopped.
    pub(crate) async fn ended(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Runs a call of a modern client on a legacy server: from its beginning, or from where a retry takes it up again.
    /// It waits at most `wait` for each retry. `begin` starts it, and is used at most once.
    pub(crate) async fn run(
        self: &Arc<Self>,
        server: &str,
        wait: Duration,
        call: &Call,
        begin: impl FnOnce(Call) -> Work,
    ) -> Outcome {
        let place = Place { binding: binding(server, call), wait };
        match rounds::answers(&call.params.raw) {
            Err(text) => Fault::client(Kind::InvalidParams, text).into(),
            Ok(Some(answers)) => self.resume(call, place, answers, begin).await,
            Ok(None) => self.begin(call, place, begin).await,
        }
    }

    async fn begin(self: &Arc<Self>, call: &Call, place: Place, begin: impl FnOnce(Call) -> Work) -> Outcome {
        let exchange = Exchange::new(place, call);
        let notes = Arc::clone(&exchange) as Arc<dyn Notes>;
        let mut work = begin(Call { notes, ..call.clone() });
        // Until it asks something the call is driven from here, like any other.
        tokio::select! {
            biased;
            outcome = &mut work => return self.ended_at_once(call, place, outcome),
            _asks = exchange.news() => {}
        }
        if !self.admit(&exchange) {
            tracing::warn!(max = self.max, "too many calls wait for their users; a question was refused");
            exchange.refuse();
            return work.await;
        }
        let parking = Arc::clone(self);
        let held = Arc::clone(&exchange);
        self.tasks.spawn(async move { parking.hold(&held, work).await });
        // The questions have been collected already.
        match self.round(&exchange) {
            Some(outcome) => outcome,
            None => self.follow(&exchange).await,
        }
    }

    fn ended_at_once(self: &Arc<Self>, call: &Call, place: Place, outcome: Outcome) -> Outcome {
        match visits::demanded(call, &outcome) {
            Some(visits) => self.park_visits(place, visits).unwrap_or(outcome),
            None => outcome,
        }
    }

    fn admit(&self, exchange: &Arc<Exchange>) -> bool {
        let mut exchanges = self.exchanges();
        let room = exchanges.len() < self.max;
        if room {
            exchanges.insert(exchange.id, Parked::Call(Arc::clone(exchange)));
        }
        room
    }

    /// Waits, on behalf of one request, for what comes of a call next: its outcome, or questions.
    async fn follow(&self, exchange: &Exchange) -> Outcome {
        // Until the next round this request stands for the call: if it goes, the call is given up.
        let gone = exchange.given_up.clone().drop_guard();
        loop {
            let come = match exchange.news().await {
                News::Outcome(outcome) => {
                    exchange.done.cancel();
                    Some(outcome)
                }
                News::Asks => self.round(exchange),
            };
            if let Some(outcome) = come {
                gone.disarm();
                return outcome;
            }
        }
    }

    /// What the request that waits for a call is told: the open questions, or the outcome if there is one by now; `None`
    /// when the questions have been taken back.
    fn round(&self, exchange: &Exchange) -> Option<Outcome> {
        let Place { binding, wait } = exchange.place;
        let expires = expiry(wait);
        let said = exchange.round(Instant::now() + wait, |round| {
            self.sealer.seal(&Sealed { exchange: exchange.id, round, expires, binding })
        });
        match said {
            Said::Nothing => None,
            Said::Questions(raw) => Some(Outcome::Result(Reply { raw, era: Era::Modern })),
            Said::Outcome(outcome) => {
                exchange.done.cancel();
                Some(outcome)
            }
        }
    }

    async fn resume(
        self: &Arc<Self>,
        call: &Call,
        place: Place,
        answers: Answers,
        begin: impl FnOnce(Call) -> Work,
    ) -> Outcome {
        let opened =
            answers.state.as_deref().map_or(Err(StateProblem::Invalid), |state| self.sealer.open(state));
        let sealed = match opened {
            Ok(sealed) => sealed,
            Err(problem) => return bad_state(problem),
        };
        if sealed.binding != place.binding {
            return bad_state(StateProblem::Mismatch);
        }
        let parked = self.exchanges().get(&sealed.exchange).cloned();
        let responses = answers.responses.unwrap_or_else(|| Bytes::from_static(b"{}"));
        match parked {
            None if now() >= sealed.expires => bad_state(StateProblem::Expired),
            None => bad_state(StateProblem::Reused),
            Some(Parked::Call(exchange)) => self.go_on(call, &exchange, sealed.round, &responses).await,
            Some(Parked::Visits(visits)) => match visits.answered(call, &responses) {
                visits::Heard::Again(outcome) => outcome,
                // Taken out first: of two retries at once only one finds it.
                _ if self.leave(&sealed.exchange).is_none() => bad_state(StateProblem::Reused),
                visits::Heard::Refused(outcome) => outcome,
                visits::Heard::GoOn => {
                    let call = Call { params: rounds::first_try(&call.params), ..call.clone() };
                    Box::pin(self.begin(&call, place, begin)).await
                }
            },
        }
    }

    async fn go_on(&self, call: &Call, exchange: &Exchange, round: u32, responses: &Bytes) -> Outcome {
        let offered = call.caller.offers;
        let able =
            |method: &str, params: &[u8]| offers::needed(method, params).is_some_and(|n| offered.has(n));
        match exchange.answer(round, responses, able, call) {
            Err(Refused::Reused) => bad_state(StateProblem::Reused),
            Err(Refused::Expired) => bad_state(StateProblem::Expired),
            Err(Refused::Unable(method, params)) => lacking(&method, &params),
            Ok(()) => self.follow(exchange).await,
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn expiry(wait: Duration) -> u64 {
    now() + wait.as_secs()
}

/// A digest of what a call is. A state is good for this call alone, at this server.
fn binding(server: &str, call: &Call) -> [u8; 32] {
    let mut text = Vec::with_capacity(256);
    let mut part = |bytes: &[u8]| {
        text.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        text.extend_from_slice(bytes);
    };
    part(server.as_bytes());
    part(method::of(&call.operation).as_bytes());
    part(call.operation.target().map(|target| target.as_bytes()).unwrap_or_default());
    let arguments = call.params.arguments.clone().and_then(|span| call.params.raw.get(span));
    let mut spelled = Vec::new();
    match arguments {
        Some(raw) if canonical::spell(raw, &mut spelled).is_ok() => part(&spelled),
        Some(raw) => part(raw),
        None => part(b"{}"),
    }
    *blake3::hash(&text).as_bytes()
}
