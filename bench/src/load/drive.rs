//! Sets callers to work, and stops them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::caller::Caller;
use super::check::Mistake;
use super::latency::{Report, Tally};
use super::plan::Plan;
use super::timetable::Timetable;

/// How long after the end calls that were due may still begin, and after that how long an answer may take before its call
/// counts as hung.
const GRACE: Duration = Duration::from_secs(15);
/// Pause after a failed connection, so that a server that is down is not hammered.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// When the next call begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// When the one before has been answered.
    Closed,
    /// So many times a second, whether or not answers come.
    Open(u32),
    /// As in the closed loop, but over after so many calls. The length is a limit then.
    Calls(u64),
}

/// Opens so many connections, one after the other.
pub(crate) async fn open(plan: &Arc<Plan>, connections: usize) -> anyhow::Result<Vec<Caller>> {
    let mut callers = Vec::with_capacity(connections);
    for number in 0..connections {
        callers.push(Caller::open(Arc::clone(plan), number).await?);
    }
    Ok(callers)
}

/// Lets all callers work for so long. Callers that hang are not returned.
pub(crate) async fn drive(callers: Vec<Caller>, pace: Pace, length: Duration) -> (Vec<Caller>, Report) {
    drive_and_skip(callers, pace, Duration::ZERO, length).await
}

/// The same, but what begins before `skip` is over is not counted.
pub(crate) async fn drive_and_skip(
    callers: Vec<Caller>,
    pace: Pace,
    skip: Duration,
    length: Duration,
) -> (Vec<Caller>, Report) {
    let start = Instant::now();
    let end = start + length;
    let tally = Arc::new(Mutex::new(Tally::new()));
    let (source, thread) = match pace {
        Pace::Closed => (Source::Until(end), None),
        Pace::Calls(calls) => (Source::Left(Arc::new(AtomicU64::new(calls)), end), None),
        Pace::Open(rate) => {
            let (times, thread) = Timetable::new(start, rate, length).call_out();
            (Source::Times(Arc::new(tokio::sync::Mutex::new(times))), Some(thread))
        }
    };
    let mut working = JoinSet::new();
    for caller in callers {
        let work = work(caller, source.clone(), start + skip, end + GRACE, Arc::clone(&tally));
        working.spawn(async move { tokio::time::timeout_at((end + GRACE * 2).into(), work).await.ok() });
    }
    let mut callers = Vec::with_capacity(working.len());
    while let Some(done) = working.join_next().await {
        match done {
            Ok(Some(caller)) => callers.push(caller),
            _ => locked(&tally).wrong(&Mistake::Hung),
        }
    }
    // Calls that nobody was free to begin even in the time of grace must not vanish from the count.
    while source.abandoned() {
        locked(&tally).not_begun();
    }
    if let Some(thread) = thread {
        // It has ended: its timetable is over.
        let _ = thread.join();
    }
    let tally = std::mem::replace(&mut *locked(&tally), Tally::new());
    // What comes back in the time of grace was done in it, too.
    (callers, tally.report(start.elapsed().saturating_sub(skip)))
}

/// Makes calls until there are no more, or it is too late to begin one. What was due before `from` is not counted.
async fn work(
    mut caller: Caller,
    source: Source,
    from: Instant,
    too_late: Instant,
    tally: Arc<Mutex<Tally>>,
) -> Caller {
    while let Some(due) = source.next(too_late).await {
        let begun = Instant::now();
        let outcome = caller.call().await;
        let ended = Instant::now();
        let counts = due.unwrap_or(begun) >= from;
        match outcome {
            Ok(_) if !counts => {}
            Ok(events) => {
                let since = due.unwrap_or(begun);
                let late = due.map(|due| begun.saturating_duration_since(due));
                locked(&tally).right(ended.saturating_duration_since(since), late, &events);
            }
            Err(mistake) => {
                match &mistake {
                    _ if !counts => {}
                    Mistake::Status(429 | 503, _) => {
                        locked(&tally).refused(ended.saturating_duration_since(begun), &mistake);
                    }
                    _ => locked(&tally).wrong(&mistake),
                }
                if matches!(mistake, Mistake::Transport(_)) && caller.reconnect().await.is_err() {
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                }
            }
        }
    }
    caller
}

/// Where callers learn that there is another call to make.
#[derive(Clone)]
enum Source {
    Until(Instant),
    Left(Arc<AtomicU64>, Instant),
    Times(Arc<tokio::sync::Mutex<mpsc::Receiver<Instant>>>),
}

impl Source {
    /// `Some(None)`: now; `Some(Some(time))`: a call that was due then; `None`: no more.
    async fn next(&self, too_late: Instant) -> Option<Option<Instant>> {
        if Instant::now() >= too_late {
            return None;
        }
        match self {
            Self::Until(end) => (Instant::now() < *end).then_some(None),
            Self::Left(left, end) => {
                let one = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                (one.is_ok() && Instant::now() < *end).then_some(None)
            }
            Self::Times(times) => times.lock().await.recv().await.map(Some),
        }
    }

    /// Takes a call that was due and that nobody began.
    fn abandoned(&self) -> bool {
        match self {
            Self::Until(_) | Self::Left(..) => false,
            Self::Times(times) => times.try_lock().is_ok_and(|mut times| times.try_recv().is_ok()),
        }
    }
}

fn locked(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
