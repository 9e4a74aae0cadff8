//! Servers that do what their calls say, and what chance does to them. `mind.rs` is what a server says; `stdio.rs` and
//! `http.rs` carry it.

mod http;
mod ledger;
mod mind;
mod stdio;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;
use crate::history::History;

pub use http::{Network, listen};
pub use ledger::{Arrival, Fate, Ledger};
pub use stdio::{Programs, speak};

/// Which era a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// `initialize` and sessions.
    Legacy,
    /// Metadata with every request.
    Modern,
}

/// Who a server is.
pub struct Role {
    /// Its name, everywhere.
    pub name: String,
    /// The name that it shares with the servers that are equal to it.
    pub of: String,
    /// What it speaks.
    pub speaks: Speaks,
    /// Whether it is reached over HTTP, or started.
    pub http: bool,
    /// Its connections break once in so many; 0 for never.
    pub breaks: u64,
}

/// What is told of a call that begins to run: where, and which.
type OnRun = Box<dyn Fn(&Server, &str) + Send + Sync>;

/// One server.
pub struct Server {
    /// Its name, everywhere.
    pub name: String,
    /// The name that it shares with the servers that are equal to it.
    pub of: String,
    /// What it speaks.
    pub speaks: Speaks,
    /// Whether it is reached over HTTP, or started.
    pub http: bool,
    pub(crate) history: Arc<History>,
    chance: Mutex<Chance>,
    /// What became of calls, here and at the others.
    pub(crate) ledger: Arc<Ledger>,
    /// Sessions that stand (HTTP), and the questions that wait for an answer, by their id.
    pub(crate) sessions: Mutex<BTreeMap<String, bool>>,
    questions: Mutex<BTreeMap<String, oneshot::Sender<Value>>>,
    numbers: AtomicU64,
    /// Nobody answers.
    down: AtomicBool,
    /// It takes connections and says nothing.
    stalled: AtomicBool,
    /// Ends everything that runs of it.
    life: Mutex<CancellationToken>,
    /// Its list of tools is another one each time.
    edition: AtomicU64,
    /// What is told when the list changes: the channels that stand.
    channels: Mutex<Vec<std::sync::Weak<dyn mind::Channel>>>,
    /// Processes that run, whether it ever said nothing, and whether it ever broke anything off.
    processes: AtomicU64,
    has_stalled: AtomicBool,
    has_broken: AtomicBool,
    /// Told when a call begins to run.
    pub(crate) on_run: OnceLock<OnRun>,
    /// How the next connections behave: they break once in so many.
    breaks: u64,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// A server that is up.
    pub fn new(role: Role, chance: Chance, ledger: &Arc<Ledger>, history: &Arc<History>) -> Arc<Self> {
        let Role { name, of, speaks, http, breaks } = role;
        Arc::new(Self {
            name,
            of,
            speaks,
            http,
            history: Arc::clone(history),
            chance: Mutex::new(chance),
            ledger: Arc::clone(ledger),
            sessions: Mutex::default(),
            questions: Mutex::default(),
            numbers: AtomicU64::new(1),
            down: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            life: Mutex::new(CancellationToken::new()),
            edition: AtomicU64::new(1),
            channels: Mutex::default(),
            processes: AtomicU64::new(0),
            has_stalled: AtomicBool::new(false),
            has_broken: AtomicBool::new(false),
            on_run: OnceLock::new(),
            breaks,
        })
    }

    pub(crate) fn branch(&self) -> Chance {
        lock(&self.chance).branch()
    }

    pub(crate) fn temper(&self) -> crate::wire::Temper {
        crate::wire::Temper::of(&mut lock(&self.chance), self.breaks)
    }

    pub(crate) fn once_in(&self, times: u64) -> bool {
        lock(&self.chance).once_in(times)
    }

    /// Ends with the server's present life.
    pub(crate) fn life(&self) -> CancellationToken {
        lock(&self.life).clone()
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::SeqCst)
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::SeqCst)
    }

    /// Dies: connections, processes and sessions with it. Nobody answers until [`Server::rise`].
    pub fn die(&self) {
        self.has_broken.store(true, Ordering::SeqCst);
        self.end();
    }

    /// The same when the history is over: that is nothing that befell a call.
    pub fn end(&self) {
        self.history.note(&self.name, "dies");
        self.down.store(true, Ordering::SeqCst);
        lock(&self.sessions).clear();
        lock(&self.questions).clear();
        lock(&self.life).cancel();
    }

    /// Comes back.
    pub fn rise(&self) {
        self.history.note(&self.name, "is back");
        *lock(&self.life) = CancellationToken::new();
        self.down.store(false, Ordering::SeqCst);
        self.stalled.store(false, Ordering::SeqCst);
    }

    /// Says nothing to whoever comes, or says something again.
    pub fn stall(&self, stalls: bool) {
        self.history.note(&self.name, if stalls { "stalls" } else { "goes on" });
        self.stalled.store(stalls, Ordering::SeqCst);
        self.has_stalled.fetch_or(stalls, Ordering::SeqCst);
    }

    /// Forgets its sessions, as after a restart that nobody noticed.
    pub fn forget_sessions(&self) {
        self.history.note(&self.name, "forgets its sessions");
        self.has_broken.store(true, Ordering::SeqCst);
        lock(&self.sessions).clear();
    }

    /// Changes its list of tools, and says so to whoever listens.
    pub fn edit(&self) {
        let edition = self.edition.fetch_add(1, Ordering::SeqCst) + 1;
        self.history.note(&self.name, format_args!("has edition {edition} of its tools"));
        let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
        let channels: Vec<_> = {
            let mut channels = lock(&self.channels);
            channels.retain(|channel| channel.strong_count() > 0);
            channels.iter().filter_map(std::sync::Weak::upgrade).collect()
        };
        for channel in channels {
            channel.spread(&changed);
        }
    }

    fn adopt(&self, channel: &Arc<dyn mind::Channel>) {
        lock(&self.channels).push(Arc::downgrade(channel));
    }

    /// Whether it ever said nothing for a while.
    pub fn has_stalled(&self) -> bool {
        self.has_stalled.load(Ordering::SeqCst)
    }

    /// Processes of it that run.
    pub fn processes(&self) -> u64 {
        self.processes.load(Ordering::SeqCst)
    }

    /// Whether nothing of it ever broke, as far as it knows.
    pub fn is_steady(&self) -> bool {
        !self.has_broken.load(Ordering::SeqCst) && !self.has_stalled()
    }

    /// Questions that nobody has answered.
    pub fn open_questions(&self) -> usize {
        let mut questions = lock(&self.questions);
        questions.retain(|_, waiting| !waiting.is_closed());
        questions.len()
    }
}
