//! Where rate limits keep what was taken.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use tokio::time::Instant;

use super::gcra::{Gcra, Late};

/// Takes from cells of rate limits.
///
/// [`Local`] keeps them in this process. A store that several gateways share has to do four things besides:
/// all cells of one call in one step (a script; else two gateways admit one call each where one was left), with the arithmetic of
/// [`Gcra::take`] on a clock that the gateways agree on (the store's own); expire each cell when its time has come (an
/// expired cell and one that never was are the same); answer within a deadline of its own, a tenth of a second, not once
/// per limit but once per call; and when the store does not answer, go on with [`Local`] and a share of the limits,
/// never without any.
pub(super) trait Store: Send + Sync + fmt::Debug {
    /// Takes from every cell, or, when one of them has not enough, from none.
    fn take<'a>(&'a self, takes: &'a [Take], now: Instant) -> BoxFuture<'a, Result<(), Refused>>;

    /// Whether [`Store::take`] would succeed now; takes nothing. May be wrong in favour of the call.
    fn look(&self, takes: &[Take], now: Instant) -> Result<(), Refused>;
}

/// What is taken from one cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Take {
    /// The rule; the same for as long as the rule keeps its name and what it counts apart.
    pub(super) rule: u64,
    /// Whose cell of the rule; 0 where everything is counted together.
    pub(super) key: u64,
    /// The limit.
    pub(super) limit: Gcra,
    /// Units.
    pub(super) cost: u32,
}

/// The limit that refuses longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Its place among what was to be taken.
    pub(super) at: usize,
    /// Why.
    pub(super) late: Late,
}

/// Parts of the table, each with a lock of its own.
const SHARDS: usize = 16;
/// Most cells of a part; some 5 MiB for all. More callers than that at a time share one cell per rule.
const CELLS_MAX: usize = 8192;
/// How often a full part looks for cells that are over. Looking costs a walk through the part.
const SWEEP_EVERY: u64 = 100_000_000;

type Cells = HashMap<(u64, u64), u64, foldhash::fast::RandomState>;

#[derive(Debug, Default)]
struct Shard {
    cells: Cells,
    /// When the part was last cleared of what is over.
    swept: u64,
}

/// Cells in this process: bounded, and forgotten when they are over.
#[derive(Debug)]
pub(super) struct Local {
    began: Instant,
    shards: [Mutex<Shard>; SHARDS],
}

impl Local {
    /// No cells yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, shards: std::array::from_fn(|_| Mutex::default()) }
    }

    fn at(&self, now: Instant) -> u64 {
        // One is added so that no time is 0, the cell that never was.
        u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX - 1) + 1
    }

    fn decide(&self, takes: &[Take], now: Instant, taking: bool) -> Result<(), Refused> {
        let now = self.at(now);
        // Every part once and in order: two calls never wait for each other.
        let mut wanted = [false; SHARDS];
        for take in takes {
            wanted[shard(take)] = true;
        }
        let mut held: [Option<MutexGuard<'_, Shard>>; SHARDS] = std::array::from_fn(|number| {
            wanted[number].then(|| self.shards[number].lock().unwrap_or_else(PoisonError::into_inner))
        });
        let mut refused: Option<Refused> = None;
        for (at, take) in takes.iter().enumerate() {
            let Some(part) = held[shard(take)].as_mut() else { continue };
            let place = part.place(take, now);
            let cell = part.cells.get(&place).copied().unwrap_or(0);
            if let Err(late) = take.limit.take(cell, take.cost, now)
                && refused.is_none_or(|other| longer(late.after, other.late.after))
            {
                refused = Some(Refused { at, late });
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        for take in takes.iter().filter(|_| taking) {
            let Some(part) = held[shard(take)].as_mut() else { continue };
            let place = part.place(take, now);
            let cell = part.cells.entry(place).or_insert(0);
            // Two takes from one cell: the second may not find what the first has left. It is let through: the cell then
            // says so to the next.
            *cell = take.limit.take(*cell, take.cost, now).unwrap_or(*cell);
        }
        Ok(())
    }
}

/// Never is the longest wait.
fn longer(one: Option<Duration>, other: Option<Duration>) -> bool {
    one.unwrap_or(Duration::MAX) > other.unwrap_or(Duration::MAX)
}

fn shard(take: &Take) -> usize {
    ((take.rule ^ take.key) >> 32) as usize % SHARDS
}

impl Shard {
    /// The cell that a take is from: its own while there is room, else the one that is there for everybody.
    fn place(&mut self, take: &Take, now: u64) -> (u64, u64) {
        let own = (take.rule, take.key);
        if take.key == 0 || self.cells.len() < CELLS_MAX || self.cells.contains_key(&own) {
            return own;
        }
        if now >= self.swept + SWEEP_EVERY || self.swept == 0 {
            self.swept = now;
            self.cells.retain(|_, cell| *cell > now);
        }
        if self.cells.len() < CELLS_MAX { own } else { (take.rule, 0) }
    }
}

impl Store for Local {
    fn take<'a>(&'a self, takes: &'a [Take], now: Instant) -> BoxFuture<'a, Result<(), Refused>> {
        ready(self.decide(takes, now, true)).boxed()
    }

    fn look(&self, takes: &[Take], now: Instant) -> Result<(), Refused> {
        self.decide(takes, now, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::options::Rate;
    use proptest::prelude::*;

    fn of(rule: u64, key: u64, per_second: u32, burst: u32) -> Take {
        let rate = Rate { count: per_second, period: Duration::from_secs(1) };
        Take { rule, key, limit: Gcra::new(rate, burst), cost: 1 }
    }

    fn take(store: &Local, takes: &[Take], now: Instant) -> Result<(), Refused> {
        store.take(takes, now).now_or_never().unwrap()
    }

    #[tokio::test]
    async fn nothing_is_taken_when_one_limit_refuses() {
        let now = Instant::now();
        let store = Local::new(now);
        let (wide, narrow) = (of(1, 0, 10, 3), of(2, 7, 1, 1));
        assert!(take(&store, &[wide, narrow], now).is_ok());
        for _ in 0..10 {
            let refused = take(&store, &[wide, narrow], now).unwrap_err();
            assert_eq!((refused.at, refused.late.after), (1, Some(Duration::from_secs(1))));
        }
        // Of the wide one exactly one unit is gone.
        assert!(take(&store, &[wide], now).is_ok());
        assert!(take(&store, &[wide], now).is_ok());
        assert!(take(&store, &[wide], now).is_err());
    }

    #[tokio::test]
    async fn looking_takes_nothing() {
        let now = Instant::now();
        let store = Local::new(now);
        for _ in 0..5 {
            assert!(store.look(&[of(1, 1, 1, 1)], now).is_ok());
        }
        assert!(take(&store, &[of(1, 1, 1, 1)], now).is_ok());
        assert!(store.look(&[of(1, 1, 1, 1)], now).is_err());
    }

    /// Keys spread as hashes do.
    fn spread(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
    }

    #[tokio::test]
    async fn a_flood_of_callers_is_bounded_and_gives_nobody_more() {
        let now = Instant::now();
        let store = Local::new(now);
        let many = (SHARDS * CELLS_MAX * 2) as u64;
        let mut admitted = 0;
        for number in 0..many {
            admitted += u64::from(take(&store, &[of(1, spread(number), 1, 1)], now).is_ok());
        }
        let cells: usize = store.shards.iter().map(|shard| shard.lock().unwrap().cells.len()).sum();
        assert!(cells <= SHARDS * (CELLS_MAX + 1), "{cells}");
        assert!(admitted <= (SHARDS * (CELLS_MAX + 1)) as u64, "{admitted}");
        // Known callers keep their own cell, and it is empty.
        assert!(take(&store, &[of(1, spread(0), 1, 1)], now).is_err());
        // Once the others are over, newcomers have cells of their own again.
        let later = now + Duration::from_secs(2);
        let fresh = [of(1, spread(many + 1), 1, 1), of(1, spread(many + 2), 1, 1)];
        assert!(fresh.iter().all(|one| take(&store, &[*one], later).is_ok()));
    }

    #[test]
    fn threads_together_take_no_more_than_there_is() {
        let now = Instant::now();
        let store = Local::new(now);
        let takes = [of(1, 0, 1, 100), of(2, 9, 1, 1000)];
        let admitted: usize = std::thread::scope(|scope| {
            let count = || (0..200).filter(|_| store.decide(&takes, now, true).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 100);
        assert_eq!((0..2000).filter(|_| store.decide(&takes[1..], now, true).is_ok()).count(), 900);
    }

    proptest! {
        /// Three nested limits, any calls: each limit by itself holds, and a refused call has taken from none.
        #[test]
        fn nested_limits_hold_each_by_itself(
            calls in prop::collection::vec((0_u64..300, 0_u64..3, 1_u32..4), 1..150),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _entered = runtime.enter();
            let began = Instant::now();
            let store = Local::new(began);
            let mut now = began;
            let mut levels: HashMap<(u64, u64), (u64, f64)> = HashMap::new();
            for (wait_ms, who, cost) in calls {
                now += Duration::from_millis(wait_ms);
                let at = now.duration_since(began).as_millis() as u64;
                let mut takes = [of(1, 0, 10, 20), of(2, who + 1, 5, 6), of(3, (who % 2) + 1, 8, 5)];
                for one in &mut takes {
                    one.cost = cost;
                }
                let rates = [(10.0, 20.0), (5.0, 6.0), (8.0, 5.0)];
                let mut enough = true;
                for (one, (rate, burst)) in takes.iter().zip(rates) {
                    let (since, level) = levels.entry((one.rule, one.key)).or_insert((at, burst));
                    *level = (*level + rate * (at - *since) as f64 / 1000.0).min(burst);
                    *since = at;
                    enough &= *level + 1e-6 >= f64::from(cost);
                }
                prop_assert_eq!(take(&store, &takes, now).is_ok(), enough);
                if enough {
                    for one in &takes {
                        levels.get_mut(&(one.rule, one.key)).unwrap().1 -= f64::from(cost);
                    }
                }
            }
        }
    }
}
