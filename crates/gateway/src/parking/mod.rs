//! Parking: a legacy server asks while the call of a modern client runs. The client's request ends with the questions
//! (`input_required`), the call stays where it is, and the client's retry brings the answers to it (`bridging.md` 5).
//!
//! A call is never run again because of a retry: what comes with a bad state is refused.

mod exchange;
mod seal;
mod visits;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::task::TaskTracker;
use trunkline_model::{Call, Era, Fault, Kind, Notes, Offers, Outcome, Reply, StateProblem};
use trunkline_protocol::rounds::{self, Answers};
use trunkline_protocol::{canonical, method, offers};

use exchange::{Exchange, News, Refused};
use seal::{Sealed, Sealer};

/// How a call is begun: given the call with the place for its questions, its future.
pub(crate) type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Longest time that a call waits for one retry.
const WAIT: Duration = Duration::from_mins(10);
/// Most calls that wait at a time. Each holds a call at a server open.
const PARKED_MAX: usize = 1000;
/// How long a call that nobody came back for may take to end by itself, after its questions were refused.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The parked calls of this process.
pub(crate) struct Parking {
    sealer: Sealer,
    exchanges: Mutex<HashMap<[u8; 16], Parked>>,
    wait: Duration,
    max: usize,
    tasks: TaskTracker,
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
        Self::with(key, WAIT, PARKED_MAX)
    }

    fn with(key: &[u8; 32], wait: Duration, max: usize) -> Arc<Self> {
        Arc::new(Self {
            sealer: Sealer::new(key),
            exchanges: Mutex::default(),
            wait,
            max,
            tasks: TaskTracker::new(),
        })
    }

    fn exchanges(&self) -> MutexGuard<'_, HashMap<[u8; 16], Parked>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls wait for a retry, or run after one.
    pub(crate) fn count(&self) -> usize {
        self.exchanges().len()
    }

    /// Waits until nothing is parked any more; the upstreams must have been stopped.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Runs a call of a modern client on a legacy server: from its beginning, or from where a retry takes it up again.
    /// `begin` starts it, and is used at most once.
    pub(crate) async fn run(self: &Arc<Self>, call: &Call, begin: impl FnOnce(Call) -> Work) -> Outcome {
        match rounds::answers(&call.params.raw) {
            Err(text) => Fault::client(Kind::InvalidParams, text).into(),
            Ok(Some(answers)) => self.resume(call, answers, begin).await,
            Ok(None) => self.begin(call, begin).await,
        }
    }

    async fn begin(self: &Arc<Self>, call: &Call, begin: impl FnOnce(Call) -> Work) -> Outcome {
        let exchange = Exchange::new(binding(call), Arc::clone(&call.notes));
        let notes = Arc::clone(&exchange) as Arc<dyn Notes>;
        let mut work = begin(Call { notes, ..call.clone() });
        // Until it asks something the call is driven from here, like any other.
        tokio::select! {
            biased;
            outcome = &mut work => return self.ended_at_once(call, outcome),
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
        self.round(&exchange)
    }

    fn ended_at_once(self: &Arc<Self>, call: &Call, outcome: Outcome) -> Outcome {
        match visits::demanded(call, &outcome) {
            Some(visits) => self.park_visits(call, visits).unwrap_or(outcome),
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

    /// Ends the request with the open questions.
    fn round(&self, exchange: &Exchange) -> Outcome {
        let expires = expiry(self.wait);
        let raw = exchange.round(Instant::now() + self.wait, |round| {
            self.sealer.seal(&Sealed { exchange: exchange.id, round, expires, binding: exchange.binding })
        });
        Outcome::Result(Reply { raw, era: Era::Modern })
    }

    /// Drives a parked call to its end, and keeps its outcome until somebody comes for it.
    async fn hold(&self, exchange: &Arc<Exchange>, mut work: Work) {
        let over = tokio::select! {
            outcome = &mut work => Some(outcome),
            () = exchange.given_up.cancelled() => None,
            () = expired(exchange) => {
                exchange.close();
                // The server learns that nobody answers, and may end its call in order.
                let _ = timeout(LAST_WORDS, &mut work).await;
                None
            }
        };
        // Dropped while it runs, the call is taken back at the server.
        drop(work);
        if let Some(outcome) = over {
            exchange.finish(outcome);
            tokio::select! {
                () = exchange.done.cancelled() => {}
                () = exchange.given_up.cancelled() => {}
                () = expired(exchange) => {}
            }
        }
        self.exchanges().remove(&exchange.id);
        exchange.close();
        // Nobody waits as a rule; who does must not wait for ever.
        exchange.finish(bad_state(StateProblem::Expired));
    }

    async fn resume(
        self: &Arc<Self>,
        call: &Call,
        answers: Answers,
        begin: impl FnOnce(Call) -> Work,
    ) -> Outcome {
        let opened =
            answers.state.as_deref().map_or(Err(StateProblem::Invalid), |state| self.sealer.open(state));
        let sealed = match opened {
            Ok(sealed) => sealed,
            Err(problem) => return bad_state(problem),
        };
        if sealed.binding != binding(call) {
            return bad_state(StateProblem::Mismatch);
        }
        let parked = self.exchanges().get(&sealed.exchange).cloned();
        let responses = answers.responses.unwrap_or_else(|| Bytes::from_static(b"{}"));
        match parked {
            None if now() >= sealed.expires => bad_state(StateProblem::Expired),
            None => bad_state(StateProblem::Reused),
            Some(Parked::Call(exchange)) => self.go_on(call, &exchange, sealed.round, &responses).await,
            Some(Parked::Visits(visits)) => match visits.answered(call, &responses) {
                visits::Said::Again(raw) => Outcome::Result(Reply { raw, era: Era::Modern }),
                said => {
                    // Taken out first: of two retries at once only one finds it.
                    if self.exchanges().remove(&sealed.exchange).is_none() {
                        return bad_state(StateProblem::Reused);
                    }
                    match said {
                        visits::Said::Refused(outcome) => outcome,
                        _ => Box::pin(self.begin(call, begin)).await,
                    }
                }
            },
        }
    }

    async fn go_on(&self, call: &Call, exchange: &Arc<Exchange>, round: u32, responses: &Bytes) -> Outcome {
        let offered = call.caller.offers;
        let able =
            |method: &str, params: &[u8]| offers::needed(method, params).is_some_and(|n| offered.has(n));
        match exchange.answer(round, responses, able, &call.notes) {
            Err(Refused::Reused) => return bad_state(StateProblem::Reused),
            Err(Refused::Expired) => return bad_state(StateProblem::Expired),
            Err(Refused::Unable(method, params)) => return lacking(&method, &params),
            Ok(false) => return self.round(exchange),
            Ok(true) => {}
        }
        // From here until the next round this request stands for the call: if it goes, the call is given up.
        let gone = exchange.given_up.clone().drop_guard();
        let news = exchange.news().await;
        gone.disarm();
        match news {
            News::Outcome(outcome) => {
                exchange.done.cancel();
                outcome
            }
            News::Asks => self.round(exchange),
        }
    }

    /// Parks a call that was refused until pages are visited; `None` when there is no room.
    fn park_visits(self: &Arc<Self>, call: &Call, visits: visits::Visits) -> Option<Outcome> {
        let id = visits.id;
        let (binding, expires) = (binding(call), expiry(self.wait));
        let state = self.sealer.seal(&Sealed { exchange: id, round: 0, expires, binding });
        let visits = Arc::new(visits.under(state));
        {
            let mut exchanges = self.exchanges();
            if exchanges.len() >= self.max {
                return None;
            }
            exchanges.insert(id, Parked::Visits(Arc::clone(&visits)));
        }
        let parking = Arc::downgrade(self);
        let wait = self.wait;
        // Not among the tracked tasks: it holds nothing that an orderly end would have to wait for.
        tokio::spawn(async move {
            sleep(wait).await;
            if let Some(parking) = parking.upgrade() {
                parking.exchanges().remove(&id);
            }
        });
        Some(Outcome::Result(Reply { raw: visits.questions(), era: Era::Modern }))
    }
}

/// Resolves when the call has waited too long for a retry.
async fn expired(exchange: &Exchange) {
    let mut deadline = exchange.deadline.subscribe();
    loop {
        let at = *deadline.borrow_and_update();
        let changed = match at {
            Some(at) => tokio::select! {
                () = sleep_until(at) => return,
                changed = deadline.changed() => changed,
            },
            None => deadline.changed().await,
        };
        if changed.is_err() {
            return std::future::pending().await;
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn expiry(wait: Duration) -> u64 {
    now() + wait.as_secs()
}

/// A digest of what a call is. A state is good for this call alone.
fn binding(call: &Call) -> [u8; 32] {
    let mut text = Vec::with_capacity(256);
    let mut part = |bytes: &[u8]| {
        text.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        text.extend_from_slice(bytes);
    };
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

fn bad_state(problem: StateProblem) -> Outcome {
    let text = match problem {
        StateProblem::Invalid => "params.requestState is not one that this server gave out",
        StateProblem::Expired => "the call waited too long for its answers and was given up; start it again",
        StateProblem::Mismatch => {
            "params.requestState belongs to another call: repeat the same request with it"
        }
        StateProblem::Reused => {
            "params.requestState was answered already; use the newest one, or start again"
        }
        StateProblem::InstanceLost => {
            "the server process that held this call is gone; the call may or may not have run"
        }
    };
    Fault::client(Kind::BadState(problem), text).into()
}

fn lacking(method: &str, params: &[u8]) -> Outcome {
    let needed = offers::needed(method, params).unwrap_or(Offers::NONE);
    let needed = String::from_utf8_lossy(&offers::declared(needed)).into_owned();
    let text = format!("the call waits for an answer to {method}, which this client no longer offers");
    Fault::client(Kind::MissingCapability(needed.into()), text).into()
}
