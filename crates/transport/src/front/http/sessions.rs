//! The legacy sessions of this front: bounded, and ended when nobody uses them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use trunkline_model::Place as Origin;
use trunkline_observe::metrics::{Held, Metrics};

use super::super::session::Session;
use super::{Front, Options, Share};

/// Sessions that are looked at when one must make room: enough to find one of the idlest, few enough that a client
/// that opens sessions all the time does not hold the table's lock for long.
const SAMPLE: usize = 32;
/// How often idle sessions are looked for.
const SWEEP: Duration = Duration::from_secs(30);

/// Ids are ours, and random: nobody can choose them so that the table becomes slow.
type Table = HashMap<Id, Arc<Session>, foldhash::fast::RandomState>;

/// The bits of an id, in their place of the table.
type Id = [u8; 16];

/// The sessions by id. Ids are 128 random bits, given out by us and never taken from a client.
pub(crate) struct Sessions {
    by_id: Mutex<Table>,
    max: AtomicUsize,
    share: Mutex<Share>,
    /// Places of clients whose session is not in the table: it lives with their connection.
    reserved: Arc<AtomicUsize>,
    idle_ms: AtomicU64,
    metrics: Arc<Metrics>,
}

impl Sessions {
    pub(crate) fn new(options: &Options, metrics: Arc<Metrics>) -> Self {
        let (max, idle_ms) = (AtomicUsize::default(), AtomicU64::default());
        let sessions = Self {
            by_id: Mutex::default(),
            max,
            reserved: Arc::default(),
            idle_ms,
            metrics,
            share: Mutex::new(options.sessions_per_address),
        };
        sessions.reconfigure(options);
        sessions
    }

    /// A lower number ends no session: the next one that opens takes the place of the idlest.
    pub(crate) fn reconfigure(&self, options: &Options) {
        self.max.store(options.sessions_max, Ordering::Relaxed);
        *self.share.lock().unwrap_or_else(PoisonError::into_inner) = options.sessions_per_address;
        self.idle_ms.store(options.session_idle.as_millis() as u64, Ordering::Relaxed);
    }

    fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counted(&self) -> Held {
        self.metrics.gateway().sessions().hold()
    }

    /// Keeps a new session and gives it an id. When the table is full the idlest of a few makes room; `None` when all of
    /// those are in use.
    pub(crate) fn add(&self, session: Arc<Session>) -> Option<String> {
        let id = trunkline_runtime::random_id();
        let mut sessions = self.lock();
        self.make_room_of(session.peer(), &mut sessions)?;
        self.make_room(&mut sessions)?;
        sessions.insert(key(&id)?, session);
        Some(id)
    }

    /// Takes the place of a session for a client that needs no entry in the table; `None` when there is none.
    pub(crate) fn reserve(&self) -> Option<Place> {
        let mut sessions = self.lock();
        self.make_room(&mut sessions)?;
        self.reserved.fetch_add(1, Ordering::Relaxed);
        Some(Place(Arc::clone(&self.reserved)))
    }

    /// Room for one more of an address: the idlest of its own goes when it has as many as it may.
    fn make_room_of(&self, peer: Option<IpAddr>, sessions: &mut Table) -> Option<()> {
        let share = *self.share.lock().unwrap_or_else(PoisonError::into_inner);
        // Few have so many: only then are all of them looked at.
        let Some(most) = peer.and_then(|peer| share.of(peer)).filter(|most| sessions.len() >= *most) else {
            return Some(());
        };
        let place = Origin::of(peer);
        let own = sessions.iter().filter(|(_, session)| Origin::of(session.peer()) == place);
        let own: Vec<(u64, Id)> = own.map(|(id, session)| (session.idle_ms(), *id)).collect();
        if own.len() < most {
            return Some(());
        }
        let idlest = own.into_iter().filter(|(ms, _)| *ms > 0).max_by_key(|(ms, _)| *ms)?.1;
        sessions.remove(&idlest)?.end();
        Some(())
    }

    fn make_room(&self, sessions: &mut Table) -> Option<()> {
        if sessions.len() + self.reserved.load(Ordering::Relaxed) >= self.max.load(Ordering::Relaxed)
            && let Some(gone) = sessions.remove(&idlest(sessions)?)
        {
            gone.end();
        }
        Some(())
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.lock().get(&key(id)?).cloned()
    }

    /// Ends a session: its streams close, its calls are cancelled.
    pub(crate) fn remove(&self, id: &str) -> bool {
        let gone = key(id).and_then(|id| self.lock().remove(&id));
        if let Some(session) = &gone {
            session.end();
        }
        gone.is_some()
    }

    fn sweep(&self) {
        let (limit, now) = (self.idle_ms.load(Ordering::Relaxed), Instant::now());
        self.lock().retain(|_, session| {
            let keep = session.idle_ms() < limit;
            if keep {
                session.replay.prune(now);
            } else {
                session.end();
            }
            keep
        });
    }
}

/// The bits of an id. Each has one spelling, and nobody has a session whose id is spelled in another way.
fn key(id: &str) -> Option<Id> {
    let digits: &[u8; 32] = id.as_bytes().try_into().ok()?;
    let mut key = Id::default();
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

const fn digit(spelled: u8) -> Option<u8> {
    match spelled {
        b'0'..=b'9' => Some(spelled - b'0'),
        b'a'..=b'f' => Some(spelled - b'a' + 10),
        _ => None,
    }
}

/// The place of a session, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The idlest of a sample; `None` when all of it is in use.
fn idlest(sessions: &Table) -> Option<Id> {
    // The order of the table is the same each time: without a random start the same few would be asked again and again.
    let start =
        usize::from(u16::from_be_bytes([trunkline_runtime::random_byte(), trunkline_runtime::random_byte()]));
    let start = start % sessions.len().max(1);
    let sample = sessions.iter().cycle().skip(start).take(SAMPLE.min(sessions.len()));
    let idle = sample.map(|(id, session)| (session.idle_ms(), *id)).filter(|(ms, _)| *ms > 0);
    idle.max_by_key(|(ms, _)| *ms).map(|(_, id)| id)
}

/// Ends idle sessions now and then, until `stop`.
pub(crate) async fn sweep(front: Arc<Front>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = sleep(SWEEP.min(front.sessions.idle())) => front.sessions.sweep(),
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_protocol::scan;

    fn table(max: usize) -> Sessions {
        let share = Share { most: 2, loopback: true };
        let options = Options { sessions_max: max, sessions_per_address: share, ..Options::default() };
        Sessions::new(&options, Arc::new(Metrics::new("test")))
    }

    fn session(sessions: &Sessions) -> Arc<Session> {
        session_of(None, sessions)
    }

    fn session_of(peer: Option<&str>, sessions: &Sessions) -> Arc<Session> {
        let peer = peer.map(|peer| peer.parse().unwrap());
        let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#;
        let hello = scan(hello.as_bytes().into()).unwrap();
        Arc::new(Session::open(None, &hello, peer, sessions.counted()).unwrap())
    }

    #[test]
    fn an_id_is_found_by_its_own_spelling_alone() {
        let sessions = table(2);
        let id = sessions.add(session(&sessions)).unwrap();
        assert!(sessions.get(&id).is_some());
        for other in
            [format!("+{}", &id[1..]), format!("{id}0"), id[1..].to_owned(), format!("A{}", &id[1..])]
        {
            assert!(sessions.get(&other).is_none(), "{other}");
        }
        assert_eq!(key("000102030405060708090a0b0c0d0e0f").unwrap()[14..], [14, 15]);
    }

    #[test]
    fn a_full_table_makes_room_by_the_idlest_and_never_by_one_in_use() {
        let sessions = table(2);
        let (used, idle) = (session(&sessions), session(&sessions));
        used.streams.store(1, Ordering::Relaxed);
        let (used_id, idle_id) = (sessions.add(used).unwrap(), sessions.add(Arc::clone(&idle)).unwrap());
        std::thread::sleep(Duration::from_millis(3));
        let next = session(&sessions);
        next.streams.store(1, Ordering::Relaxed);
        assert!(sessions.add(next).is_some());
        assert!(sessions.get(&used_id).is_some());
        assert!(sessions.get(&idle_id).is_none() && idle.over.is_cancelled());
        assert!(sessions.add(session(&sessions)).is_none(), "both are in use now");
    }

    #[test]
    fn an_address_with_its_share_of_sessions_loses_its_own_idlest_and_nobody_elses() {
        let sessions = table(10);
        let other = sessions.add(session_of(Some("192.0.2.2"), &sessions)).unwrap();
        let mine: Vec<_> =
            (0..2).map(|_| sessions.add(session_of(Some("192.0.2.1"), &sessions)).unwrap()).collect();
        std::thread::sleep(Duration::from_millis(3));
        sessions.get(&mine[1]).unwrap().touch();
        assert!(sessions.add(session_of(Some("192.0.2.1"), &sessions)).is_some());
        assert!(sessions.get(&other).is_some());
        assert_eq!(mine.iter().filter(|id| sessions.get(id).is_some()).count(), 1);
    }

    #[test]
    fn a_reserved_place_counts_like_a_session_until_it_is_given_back() {
        let sessions = table(1);
        let place = sessions.reserve().unwrap();
        assert!(sessions.reserve().is_none());
        assert!(sessions.add(session(&sessions)).is_none());
        drop(place);
        assert!(sessions.add(session(&sessions)).is_some());
    }
}
