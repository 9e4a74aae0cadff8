//! The requests of one client that run now, by their ids, so that each can be cancelled.
//!
//! A call waits for its cancellation as long as it runs, and hardly any is cancelled. So there is no tree of tokens and
//! no list of waiters, but a flag and a waker per call, and one table that its client's end goes through.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use smallvec::SmallVec;
use trunkline_model::{Fault, Kind};
use trunkline_protocol::{Scanned, Shape, method};

/// Most requests of one client that run at a time.
pub(crate) const RUNNING_MAX: usize = 1024;

/// An id's literal. Copied, as sharing it would keep the whole message alive; nearly all of them are short.
type Id = SmallVec<[u8; 24]>;

/// The running requests of a legacy session or of a pipe.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// By the client's ids. It chooses them, but can only slow itself down: the table is its own and bounded.
    tickets: HashMap<Id, Arc<Ticket>, foldhash::fast::RandomState>,
    /// The client has gone.
    over: bool,
    /// Each answer belongs to its exchange: requests that run may have the same id.
    by_exchange: bool,
    /// How many have had so far.
    twins: u64,
}

/// Behind the id of a twin; no literal has it.
const TWIN: u8 = 0;

/// Whether a request was taken back, and who wants to know.
#[derive(Debug, Default)]
struct Ticket {
    cancelled: AtomicBool,
    waiting: AtomicWaker,
}

impl Ticket {
    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.waiting.wake();
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    fn poll_cancelled(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_cancelled() {
            return Poll::Ready(());
        }
        self.waiting.register(cx.waker());
        // It may have been cancelled between the look and the registration.
        if self.is_cancelled() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Table {
    fn named(&self, id: &[u8]) -> Option<Arc<Ticket>> {
        let is_twin = |key: &Id| key.strip_prefix(id).is_some_and(|rest| rest.first() == Some(&TWIN));
        if self.twins > 0 && self.tickets.keys().any(is_twin) {
            return None;
        }
        self.tickets.get(id).cloned()
    }
}

impl Running {
    /// Those of a client whose answers cannot be mistaken for each other, whatever their ids: each comes on the exchange of
    /// its request. Some clients number every request 1 and share a session among their chats.
    pub(crate) fn by_exchange() -> Self {
        Self(Mutex::new(Table { by_exchange: true, ..Table::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request as running until the entry is dropped. Of a client that has gone it is cancelled already.
    ///
    /// # Errors
    /// When one with its id runs already and answers are told apart by their ids; that one goes on. When too many run.
    pub(crate) fn begin(self: &Arc<Self>, id: &[u8]) -> Result<Entry, Fault> {
        let mut running = self.lock();
        if running.tickets.len() >= RUNNING_MAX {
            return Err(Fault::overloaded("too many requests of this client are running; try again later"));
        }
        let mut id = Id::from_slice(id);
        if running.tickets.contains_key(&id) {
            if !running.by_exchange {
                return Err(Fault::client(Kind::InvalidRequest, "a request with this id is still running"));
            }
            running.twins += 1;
            id.push(TWIN);
            id.extend_from_slice(&running.twins.to_le_bytes());
        }
        let ticket = Arc::new(Ticket { cancelled: AtomicBool::new(running.over), ..Ticket::default() });
        running.tickets.insert(id.clone(), Arc::clone(&ticket));
        drop(running);
        Ok(Entry { running: Arc::clone(self), id, ticket })
    }

    /// Cancels the request that a `notifications/cancelled` names; everything else is nothing to us. One that names
    /// several names none: it could be a stranger's.
    pub(crate) fn hear(&self, scanned: &Scanned) {
        if scanned.shape == Shape::Notification && &*scanned.method() == method::CANCELLED {
            let id = scanned.params.request_id.as_ref().map(|span| scanned.at(span));
            if let Some(ticket) = id.and_then(|id| self.lock().named(id)) {
                ticket.cancel();
            }
        }
    }

    /// The client has gone: cancels whatever runs, and whatever begins from now on.
    pub(crate) fn end(&self) {
        let mut running = self.lock();
        running.over = true;
        let all: Vec<_> = running.tickets.values().cloned().collect();
        // Not under the lock: a waker may be the last that holds its call, whose end wants the lock.
        drop(running);
        for ticket in all {
            ticket.cancel();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().tickets.is_empty()
    }
}

/// One running request. Its end, a panic included, takes it off the list.
#[derive(Debug)]
pub(crate) struct Entry {
    running: Arc<Running>,
    id: Id,
    ticket: Arc<Ticket>,
}

impl Entry {
    /// Resolves when the client takes the request back, or goes. One task waits at a time; cancel safe.
    pub(crate) fn cancelled(&self) -> impl Future<Output = ()> + Send + Unpin + '_ {
        poll_fn(|cx| self.ticket.poll_cancelled(cx))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.lock().tickets.remove(&self.id[..]);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use trunkline_protocol::scan;

    use super::*;

    fn cancel(running: &Running, id: &str) {
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        );
        running.hear(&scan(Bytes::from(text)).unwrap());
    }

    #[test]
    fn a_running_id_is_refused_and_free_again_afterwards() {
        let running = Arc::<Running>::default();
        let entry = running.begin(b"1").unwrap();
        assert!(running.begin(b"1").is_err());
        assert!(!entry.ticket.is_cancelled(), "the one that runs goes on");
        drop(entry);
        assert!(running.is_empty());
        assert!(running.begin(b"1").is_ok());
    }

    #[test]
    fn by_exchange_an_id_may_run_twice_and_then_names_neither() {
        let running = Arc::new(Running::by_exchange());
        let (one, two) = (running.begin(b"1").unwrap(), running.begin(b"1").unwrap());
        cancel(&running, "1");
        assert!(one.cancelled().now_or_never().is_none() && two.cancelled().now_or_never().is_none());
        drop(two);
        cancel(&running, "1");
        assert!(one.cancelled().now_or_never().is_some());
        drop(one);
        let (one, two) = (running.begin(b"1").unwrap(), running.begin(b"1").unwrap());
        running.end();
        assert!(one.cancelled().now_or_never().is_some() && two.cancelled().now_or_never().is_some());
        drop((one, two));
        assert!(running.is_empty());
        let held: Vec<_> = (0..RUNNING_MAX).map(|_| running.begin(b"1").unwrap()).collect();
        assert!(running.begin(b"1").is_err(), "bounded all the same");
        drop(held);
    }

    #[test]
    fn an_entry_does_not_outlive_a_panic() {
        let running = Arc::<Running>::default();
        let held = running.begin(b"1").unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _held = held;
            panic!("a call that panics");
        }));
        assert!(panicked.is_err());
        assert!(running.is_empty());
    }

    #[test]
    fn a_cancellation_reaches_the_request_it_names_and_no_other() {
        let running = Arc::<Running>::default();
        let (one, two) = (running.begin(b"1").unwrap(), running.begin(b"\"1\"").unwrap());
        cancel(&running, "1");
        assert!(one.cancelled().now_or_never().is_some());
        assert!(two.cancelled().now_or_never().is_none());
    }

    #[test]
    fn requests_at_a_time_are_bounded() {
        let running = Arc::<Running>::default();
        let held: Vec<_> =
            (0..RUNNING_MAX).map(|n| running.begin(n.to_string().as_bytes()).unwrap()).collect();
        assert!(running.begin(b"more").is_err());
        drop(held);
        assert!(running.begin(b"more").is_ok());
    }

    #[tokio::test]
    async fn the_end_of_the_client_cancels_all_that_runs_and_all_that_begins_after() {
        let running = Arc::<Running>::default();
        let entries: Vec<_> = (0..50).map(|n| running.begin(n.to_string().as_bytes()).unwrap()).collect();
        let waiting: Vec<_> =
            entries.into_iter().map(|entry| tokio::spawn(async move { entry.cancelled().await })).collect();
        tokio::task::yield_now().await;
        running.end();
        for waiting in waiting {
            tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("a lost wake-up").unwrap();
        }
        assert!(running.is_empty());
        let late = running.begin(b"late").unwrap();
        assert!(late.cancelled().now_or_never().is_some());
    }

    #[test]
    fn a_cancellation_at_any_moment_wakes_who_waits() {
        let running = Arc::<Running>::default();
        for round in 0..1_000 {
            let entry = running.begin(b"7").unwrap();
            let other = Arc::clone(&running);
            let cancelling = thread::spawn(move || {
                // Both the flag alone and a whole end race with the wait.
                if round % 2 == 0 { cancel(&other, "7") } else { other.end() }
            });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let told = runtime
                .block_on(async { tokio::time::timeout(Duration::from_secs(10), entry.cancelled()).await });
            assert!(told.is_ok(), "a lost wake-up in round {round}");
            cancelling.join().unwrap();
            running.lock().over = false;
        }
    }

    #[test]
    fn a_cancellation_that_races_with_the_end_of_its_call_harms_no_successor() {
        let running = Arc::<Running>::default();
        for _ in 0..1_000 {
            let entry = running.begin(b"7").unwrap();
            let other = Arc::clone(&running);
            let cancelling = thread::spawn(move || cancel(&other, "7"));
            drop(entry);
            cancelling.join().unwrap();
            assert!(running.is_empty());
            let next = running.begin(b"7").unwrap();
            assert!(next.cancelled().now_or_never().is_none());
        }
    }

    /// A waker that holds the last of a call, as that of a task does whose handle is gone.
    struct Last {
        _call: Entry,
    }

    impl std::task::Wake for Last {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn waking_the_last_that_holds_a_call_does_not_wait_for_itself() {
        let running = Arc::<Running>::default();
        let entry = running.begin(b"1").unwrap();
        let ticket = Arc::clone(&entry.ticket);
        let waker = Arc::new(Last { _call: entry }).into();
        assert!(ticket.poll_cancelled(&Context::from_waker(&waker)).is_pending());
        drop((waker, ticket));
        let (done, ended) = std::sync::mpsc::channel();
        let other = Arc::clone(&running);
        thread::spawn(move || {
            other.end();
            let _ = done.send(());
        });
        ended.recv_timeout(Duration::from_secs(10)).expect("the end waits for its own lock");
        assert!(running.is_empty());
    }
}
