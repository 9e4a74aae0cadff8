//! One call of a modern client to a legacy server that may ask: its open questions, and what it came to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use trunkline_model::{Ask, Call, Level, Note, Notes, Outcome, Text};
use trunkline_protocol::rounds;

use super::Place;
use crate::questions::Questions;

/// Questions that come within this time of the first are put together.
const COLLECT: Duration = Duration::from_millis(30);

/// A call and what it asks.
pub(crate) struct Exchange {
    pub(crate) id: [u8; 16],
    pub(crate) place: Place,
    inner: Mutex<Inner>,
    /// Told when something has come of the call.
    news: Notify,
    /// When it is given up; `None` while a request waits for it.
    pub(crate) deadline: watch::Sender<Option<Instant>>,
    /// The client gave it up.
    pub(crate) given_up: CancellationToken,
    /// The outcome was taken, or will never be.
    pub(crate) done: CancellationToken,
}

struct Inner {
    /// The round whose answers are awaited.
    round: u32,
    /// Whether a round was said and has not been answered.
    parked: bool,
    questions: Questions,
    /// A question has come since the last round was said.
    fresh: bool,
    /// No question is taken any more.
    closed: bool,
    /// The request that waits for the call now.
    live: Option<Live>,
    /// The newest progress that nobody heard.
    progress: Option<Note>,
    outcome: Option<Outcome>,
}

/// A request that waits, and what it wants to hear meanwhile. Each retry is a request of its own.
struct Live {
    notes: Arc<dyn Notes>,
    token: Option<Bytes>,
    level: Option<Level>,
}

impl Live {
    fn of(call: &Call) -> Self {
        let (notes, token) = (Arc::clone(&call.notes), call.progress.clone());
        Self { notes, token, level: call.log_level }
    }

    /// The note in the words of this request, if it wants to hear it.
    fn spelled(&self, note: Note) -> Option<(Arc<dyn Notes>, Note)> {
        let note = match note {
            Note::Progress(params) => Note::Progress(rounds::under_token(&params, self.token.as_deref()?)),
            Note::Log(level, params) if level >= self.level? => Note::Log(level, params),
            Note::Log(..) => return None,
        };
        Some((Arc::clone(&self.notes), note))
    }
}

/// What there is to say of a call that a request waits for.
pub(crate) enum Said {
    /// It asks: the result that puts the questions.
    Questions(Bytes),
    /// It has ended meanwhile.
    Outcome(Outcome),
    /// It has taken its questions back and goes on.
    Nothing,
}

/// What has come of a call.
pub(crate) enum News {
    Outcome(Outcome),
    Asks,
}

enum Look {
    Ended(Outcome),
    Asks,
    Nothing,
}

/// Why a retry is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its round was answered before, or another request waits for the call.
    Reused,
    /// The call was given up.
    Expired,
    /// The client cannot answer this question any more.
    Unable(Text, Bytes),
}

impl Exchange {
    /// For a call that begins, driven by its first request.
    pub(crate) fn new(place: Place, call: &Call) -> Arc<Self> {
        let mut id = [0; 16];
        id.copy_from_slice(&trunkline_runtime::random_key()[..16]);
        let inner = Inner {
            round: 0,
            parked: false,
            questions: Questions::default(),
            fresh: false,
            closed: false,
            live: Some(Live::of(call)),
            progress: None,
            outcome: None,
        };
        Arc::new(Self {
            id,
            place,
            inner: Mutex::new(inner),
            news: Notify::new(),
            deadline: watch::Sender::new(None),
            given_up: CancellationToken::new(),
            done: CancellationToken::new(),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when the call has asked something, and what it asked together has been collected; or when it has ended.
    /// Cancel safe.
    pub(crate) async fn news(&self) -> News {
        loop {
            match self.look() {
                Look::Ended(outcome) => return News::Outcome(outcome),
                Look::Nothing => self.news.notified().await,
                Look::Asks => {
                    sleep(COLLECT).await;
                    match self.look() {
                        Look::Ended(outcome) => return News::Outcome(outcome),
                        Look::Asks => return News::Asks,
                        // All of them were taken back meanwhile.
                        Look::Nothing => {}
                    }
                }
            }
        }
    }

    fn look(&self) -> Look {
        let mut inner = self.inner();
        match inner.outcome.take() {
            Some(outcome) => Look::Ended(outcome),
            None if inner.fresh && !inner.questions.is_empty() => Look::Asks,
            None => Look::Nothing,
        }
    }

    /// Says a round: what is open, under a state that `seal` makes for the round's number. From now on the call waits for
    /// a retry, until `deadline`.
    pub(crate) fn round(&self, deadline: Instant, seal: impl FnOnce(u32) -> String) -> Said {
        let mut inner = self.inner();
        if let Some(outcome) = inner.outcome.take() {
            return Said::Outcome(outcome);
        }
        inner.fresh = false;
        if inner.questions.is_empty() {
            return Said::Nothing;
        }
        inner.round += 1;
        inner.parked = true;
        inner.live = None;
        let state = seal(inner.round);
        let raw = rounds::input_required(inner.questions.listed(), &state);
        // Under the lock, like everything that depends on whether the call is parked.
        self.deadline.send_replace(Some(deadline));
        Said::Questions(raw)
    }

    /// Takes the answers of a retry, which the call then belongs to. Questions that are open still count as asked anew.
    ///
    /// # Errors
    /// When the retry is not the next one, or the client offers less than what is asked.
    pub(crate) fn answer(
        &self,
        round: u32,
        responses: &Bytes,
        able: impl Fn(&str, &[u8]) -> bool,
        call: &Call,
    ) -> Result<(), Refused> {
        let mut inner = self.inner();
        if inner.closed {
            return Err(Refused::Expired);
        }
        if !inner.parked || inner.round != round {
            return Err(Refused::Reused);
        }
        if inner.outcome.is_none()
            && let Some(unable) = inner.questions.iter().find(|one| !able(&one.method, &one.params))
        {
            return Err(Refused::Unable(unable.method.clone(), unable.params.clone()));
        }
        let answered = inner.questions.answer(responses);
        inner.fresh = !inner.questions.is_empty();
        inner.parked = false;
        self.deadline.send_replace(None);
        let live = Live::of(call);
        let missed = inner.progress.take().and_then(|progress| live.spelled(progress));
        inner.live = Some(live);
        drop(inner);
        if let Some((notes, progress)) = missed {
            notes.note(progress);
        }
        answered.say();
        Ok(())
    }

    /// Nobody came in time: open questions are refused, and so is every later one. `false` when somebody did come.
    pub(crate) fn expire(&self) -> bool {
        let mut inner = self.inner();
        let passed = self.deadline.borrow().is_some_and(|deadline| deadline <= Instant::now());
        if !inner.parked || !passed {
            return false;
        }
        inner.closed = true;
        let open = inner.questions.take();
        drop(inner);
        drop(open);
        true
    }

    /// The call has ended.
    pub(crate) fn finish(&self, outcome: Outcome) {
        let mut inner = self.inner();
        inner.outcome = Some(outcome);
        // What it asked and nobody answered needs no answer now.
        let open = inner.questions.take();
        drop(inner);
        drop(open);
        self.news.notify_one();
    }

    /// The call is over, whatever it came to: nothing is taken any more, and who still waits hears `otherwise`.
    pub(crate) fn end(&self, otherwise: Outcome) {
        let mut inner = self.inner();
        inner.closed = true;
        inner.live = None;
        inner.outcome.get_or_insert(otherwise);
        let open = inner.questions.take();
        drop(inner);
        drop(open);
        self.news.notify_one();
    }

    /// Questions are refused from now on, but what is said still goes to the request that waits.
    pub(crate) fn refuse(&self) {
        let mut inner = self.inner();
        inner.closed = true;
        let open = inner.questions.take();
        drop(inner);
        drop(open);
    }
}

impl Notes for Exchange {
    fn note(&self, note: Note) {
        let mut inner = self.inner();
        match &inner.live {
            Some(live) => {
                let spelled = live.spelled(note);
                drop(inner);
                if let Some((notes, note)) = spelled {
                    notes.note(note);
                }
            }
            None if matches!(note, Note::Progress(_)) => inner.progress = Some(note),
            None => {}
        }
    }

    fn ask(&self, ask: Ask) {
        let mut inner = self.inner();
        if inner.closed || inner.outcome.is_some() {
            drop(inner);
            // Dropped, and refused by that.
            return;
        }
        inner.questions.add(ask);
        inner.fresh = true;
        drop(inner);
        self.news.notify_one();
    }

    fn withdraw(&self, number: u64) {
        let mut inner = self.inner();
        let gone = inner.questions.withdraw(number);
        drop(inner);
        drop(gone);
        self.news.notify_one();
    }
}
