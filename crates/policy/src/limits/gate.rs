//! A gate that so many may pass at a time, with a short queue before it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use trunkline_observe::metrics::Crowd;

/// A queue that was not empty for so long is no burst any more: there is more to do than can be done.
const OVERLOADED: Duration = Duration::from_secs(1);
/// How long anybody may have to wait then. What waits longer only makes everybody slower ("Fail at Scale", B. Maurer, ACM
/// Queue 13(8); a standing queue in the words of CoDel, RFC 8289).
const STANDING_WAIT: Duration = Duration::from_millis(500);
/// A queue that was empty for less than this has not been empty.
const CALM: Duration = Duration::from_millis(100);
/// Over how long it is seen how fast the queue moves: calls that began together end together, so single moves say little.
const PACE_OVER: Duration = Duration::from_millis(200);
/// The same for the first look, before which nothing is known.
const PACE_FIRST: Duration = Duration::from_millis(50);
/// How much of the time that somebody has may be needed by what is foreseen.
const SURE: f64 = 0.8;

/// A gate. Passing a free one takes two atomic operations and no lock.
#[derive(Debug)]
pub(crate) struct Gate {
    passed: AtomicUsize,
    limit: AtomicUsize,
    /// Entries of the queue. Changed under its lock, looked at without.
    waiting: AtomicUsize,
    /// Whether somebody waits or did a moment ago.
    crowded: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    urgent: VecDeque<Turn>,
    usual: VecDeque<Turn>,
    /// Since when it has not been empty, or only for a moment.
    since: Option<Instant>,
    /// Since when it is empty.
    empty: Option<Instant>,
    /// How often it has moved since when.
    moves: Option<(Instant, u32)>,
    /// How long a move takes on average, in seconds.
    pace: Option<f64>,
}

/// Takes the pass of somebody who waits.
type Turn = oneshot::Sender<Pass>;

/// How somebody waits before a gate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// No longer than until then.
    pub(crate) until: Instant,
    /// Most in the queue; one more is refused at once.
    pub(crate) queue: usize,
    /// Goes away at once where its turn would not come in time, by how fast the queue moves.
    pub(crate) sensible: bool,
    /// Goes before the others, and finds some room kept for its kind.
    pub(crate) urgent: bool,
}

/// There is no room, and there was none in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Leave to be beyond a gate, until it is dropped.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Gate>);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Gate {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            passed: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            waiting: AtomicUsize::new(0),
            crowded: AtomicBool::new(false),
            queue: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how many may pass. Who is beyond the gate stays there.
    pub(crate) fn set_limit(self: &Arc<Self>, limit: usize) {
        self.limit.store(limit, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.call();
        }
    }

    /// For how long somebody has been waiting, without a pause.
    pub(crate) fn crowded_for(&self, now: Instant) -> Duration {
        if !self.crowded.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let mut queue = self.lock();
        queue.look(now);
        self.crowded.store(queue.since.is_some(), Ordering::Relaxed);
        queue.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Passes if there is room now.
    pub(crate) fn try_enter(self: &Arc<Self>, urgent: bool) -> Option<Pass> {
        // Who waits has been here before; the urgent go first anyway.
        if !urgent && self.waiting.load(Ordering::SeqCst) > 0 {
            return None;
        }
        self.pass(urgent)
    }

    fn pass(self: &Arc<Self>, urgent: bool) -> Option<Pass> {
        let limit = self.limit.load(Ordering::SeqCst);
        // Kept for the urgent: an eighth, so that what users have already answered goes on when new calls do not.
        let limit = if urgent { limit + limit / 8 + 1 } else { limit };
        let taken = self.passed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |passed| {
            (passed < limit).then_some(passed + 1)
        });
        taken.is_ok().then(|| Pass(Arc::clone(self)))
    }

    /// Passes as soon as there is room, waiting in the queue for it. Giving up the future leaves the queue.
    pub(crate) async fn enter(self: &Arc<Self>, now: Instant, patience: Patience) -> Result<Pass, Full> {
        if let Some(pass) = self.try_enter(patience.urgent) {
            return Ok(pass);
        }
        // Perhaps those who wait have all given up.
        self.call();
        if let Some(pass) = self.try_enter(patience.urgent) {
            return Ok(pass);
        }
        if patience.until <= now || patience.queue == 0 {
            return Err(Full);
        }
        let (turn, mine) = oneshot::channel();
        {
            let mut queue = self.lock();
            let always = (self.limit.load(Ordering::Relaxed) / 8).max(1);
            if !queue.push(turn, now, patience, always) {
                return Err(Full);
            }
            self.waiting.store(queue.len(), Ordering::SeqCst);
            self.crowded.store(true, Ordering::Relaxed);
        }
        // Somebody may have left between the first look and the entry into the queue.
        self.call();
        if let Ok(Ok(pass)) = timeout_at(patience.until, mine).await {
            return Ok(pass);
        }
        let mut queue = self.lock();
        queue.clear_dead(Instant::now());
        self.waiting.store(queue.len(), Ordering::SeqCst);
        Err(Full)
    }

    fn leave(self: &Arc<Self>) {
        self.passed.fetch_sub(1, Ordering::SeqCst);
        // Either we see who waits, or it sees the room that we have left: both go by one order.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.call();
        }
    }

    /// Gives free room to those who wait.
    fn call(self: &Arc<Self>) {
        let mut unused: Option<Pass> = None;
        loop {
            let urgent = {
                let mut queue = self.lock();
                queue.clear_dead(Instant::now());
                self.waiting.store(queue.len(), Ordering::SeqCst);
                if queue.len() == 0 {
                    break;
                }
                !queue.urgent.is_empty()
            };
            let Some(pass) = unused.take().or_else(|| self.pass(urgent)) else { return };
            let next = {
                let mut queue = self.lock();
                let next = queue.next(Instant::now());
                self.waiting.store(queue.len(), Ordering::SeqCst);
                next
            };
            let Some(next) = next else {
                unused = Some(pass);
                break;
            };
            // Without the lock: a pass that nobody takes comes back here.
            if let Err(pass) = next.send(pass) {
                unused = Some(pass);
            }
        }
        drop(unused);
    }
}

impl Crowd for Gate {
    fn in_flight(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }

    fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Queue {
    fn len(&self) -> usize {
        self.urgent.len() + self.usual.len()
    }

    /// Takes one more; `false` when there are too many already. So many as `always` may wait in any case: what becomes
    /// free must find somebody there.
    fn push(&mut self, turn: Turn, now: Instant, patience: Patience, always: usize) -> bool {
        self.look(now);
        let since = *self.since.get_or_insert(now);
        let late =
            patience.sensible && self.len() >= always && self.wait() > allowed(since, now, patience.until);
        if self.len() >= patience.queue || late {
            return false;
        }
        self.empty = None;
        if patience.urgent { &mut self.urgent } else { &mut self.usual }.push_back(turn);
        true
    }

    /// How long a newcomer would have to wait, as far as that is known.
    fn wait(&self) -> Duration {
        let waits = self.pace.unwrap_or(0.0) * (self.len() + 1) as f64;
        Duration::try_from_secs_f64(waits).unwrap_or(Duration::MAX)
    }

    /// Whose turn it is.
    fn next(&mut self, now: Instant) -> Option<Turn> {
        let next = self.urgent.pop_front().or_else(|| self.usual.pop_front());
        // Only moves while somebody waits tell how fast it goes.
        let (since, moves) = self.moves.get_or_insert((now, 0));
        let took = now.saturating_duration_since(*since);
        if took >= if self.pace.is_none() { PACE_FIRST } else { PACE_OVER } {
            let seen = took.as_secs_f64() / f64::from((*moves).max(1));
            self.pace = Some(self.pace.map_or(seen, |pace| f64::midpoint(pace, seen)));
            (*since, *moves) = (now, 0);
        }
        *moves += 1;
        self.look(now);
        next
    }

    /// Lets go of those who have given up: they are among those who have waited longest, or will be met when their turn comes.
    fn clear_dead(&mut self, now: Instant) {
        for line in [&mut self.urgent, &mut self.usual] {
            while line.front().is_some_and(oneshot::Sender::is_closed) {
                line.pop_front();
            }
            while line.back().is_some_and(oneshot::Sender::is_closed) {
                line.pop_back();
            }
        }
        self.look(now);
    }

    /// Notes whether the queue is empty, and forgets what was before once that has lasted.
    fn look(&mut self, now: Instant) {
        if self.len() > 0 {
            return;
        }
        self.moves = None;
        let empty = *self.empty.get_or_insert(now);
        if now.saturating_duration_since(empty) >= CALM {
            (self.since, self.pace) = (None, None);
        }
    }
}

/// How long somebody who can wait until then may have to.
fn allowed(since: Instant, now: Instant, until: Instant) -> Duration {
    let own = until.saturating_duration_since(now);
    let overloaded = now.saturating_duration_since(since) >= OVERLOADED;
    if overloaded { own.min(STANDING_WAIT) } else { own.mul_f64(SURE) }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
