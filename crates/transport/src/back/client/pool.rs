//! Connections that wait for their next request.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use tokio::time::sleep;

use super::connection::Connection;

/// Idle connections are closed after this; shorter than the usual keep-alive of servers would cost reconnects, longer
/// finds them closed by the peer. A server that says how long it keeps them is believed.
pub(super) const IDLE: Duration = Duration::from_secs(55);
/// Idle connections kept per origin; beyond this they are closed after use. As many as calls may be under way at a server
/// where nothing else is said (`limits.inFlightPerServer`): with fewer, calls at that bound would open one each.
const IDLE_PER_ORIGIN_MAX: usize = 128;
/// How often closed and stale connections are looked for while there are any.
const SWEEP: Duration = Duration::from_secs(5);
/// Shelves of one pool. A thread looks at its own first, so that cores rarely meet.
const SHELVES: usize = 8;

/// The connections to one origin.
pub(in super::super) struct Pool {
    scheme: Scheme,
    authority: Authority,
    origin: Uri,
    shelves: [Shelf; SHELVES],
    idle: AtomicUsize,
    /// Large answers that are being read.
    pub(super) large: AtomicUsize,
    /// Somebody looks after idle connections.
    swept: AtomicBool,
}

/// Two cache lines: processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Shelf(Mutex<Vec<Kept>>);

/// In its box from its opening on: it goes from shelf to call to answer and back without being copied.
type Kept = Box<Connection>;

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which shelf is this thread's.
fn own() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHELVES);
    }
    OWN.with(Cell::get)
}

impl Pool {
    pub(super) fn new(uri: &Uri) -> Self {
        let scheme = uri.scheme().cloned().unwrap_or(Scheme::HTTP);
        let authority = uri.authority().cloned().unwrap_or_else(|| Authority::from_static("invalid"));
        let origin = Uri::builder()
            .scheme(scheme.clone())
            .authority(authority.clone())
            .path_and_query(PathAndQuery::from_static("/"))
            .build()
            .unwrap_or_default();
        let shelves = std::array::from_fn(|_| Shelf::default());
        let (idle, large, swept) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        Self { scheme, authority, origin, shelves, idle, large, swept }
    }

    /// Whether requests to `uri` may use these connections. User information in an address is no part of its origin,
    /// but what was sent with one must not come by the connections of another.
    pub(super) fn serves(&self, uri: &Uri) -> bool {
        uri.scheme() == Some(&self.scheme) && uri.authority() == Some(&self.authority)
    }

    pub(super) fn origin(&self) -> &Uri {
        &self.origin
    }

    /// A connection that is open, the last used first: the others get to be stale.
    pub(super) fn take(&self) -> Option<Kept> {
        if self.idle.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let own = own();
        for shelf in (0..SHELVES).map(|n| &self.shelves[(own + n) % SHELVES]) {
            loop {
                let Some(mut connection) = shelf.lock().pop() else { break };
                self.idle.fetch_sub(1, Ordering::Relaxed);
                if !connection.is_stale(Instant::now()) && connection.is_ready() {
                    return Some(connection);
                }
            }
        }
        None
    }

    /// Takes a connection back whose answer was read, as far as somebody wanted it.
    pub(super) fn put(self: &Arc<Self>, mut connection: Kept) {
        if !connection.is_reusable() || self.idle.load(Ordering::Relaxed) >= IDLE_PER_ORIGIN_MAX {
            return;
        }
        connection.rest_lightly();
        connection.since = Instant::now();
        self.shelves[own()].lock().push(connection);
        self.idle.fetch_add(1, Ordering::Relaxed);
        if !self.swept.load(Ordering::Relaxed)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
            && !self.swept.swap(true, Ordering::Relaxed)
        {
            runtime.spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes what is stale or was closed by the server.
    fn tidy(&self) {
        let now = Instant::now();
        for shelf in &self.shelves {
            // Closing is a system call or more, so it is not done under the lock.
            let mut gone = Vec::new();
            let mut idle = shelf.lock();
            for n in (0..idle.len()).rev() {
                if idle[n].is_stale(now) || !idle[n].is_ready() {
                    gone.push(idle.remove(n));
                }
            }
            drop(idle);
            self.idle.fetch_sub(gone.len(), Ordering::Relaxed);
        }
    }

    #[cfg(test)]
    pub(super) fn idle_count(&self) -> usize {
        self.idle.load(Ordering::Relaxed)
    }
}

/// Looks after idle connections until there are none.
async fn sweep(pool: std::sync::Weak<Pool>) {
    loop {
        sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.tidy();
        if pool.idle.load(Ordering::Relaxed) == 0 {
            // Whoever puts one from here on starts another sweep.
            pool.swept.store(false, Ordering::Relaxed);
            return;
        }
    }
}
