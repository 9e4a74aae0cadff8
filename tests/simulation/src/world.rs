//! One history: a gateway, servers, clients and what befalls them, from a seed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trunkline_gateway::Gateway;
use trunkline_gateway::options::Options as GatewayOptions;
use trunkline_observe::metrics::{Format, Metrics};
use trunkline_transport::back::HttpClient;
use trunkline_transport::front::host::Host;
use trunkline_upstream::breaker::State;
use trunkline_upstream::{CHANGES_BACKLOG, Options, Timeouts, Tools, Verdicts};

use crate::chance::Chance;
use crate::client::{Client, Era, Record};
use crate::history::History;
use crate::laws::Probe;
use crate::passing::Passing;
use crate::server::{Ledger, Network, Programs, Server};
use crate::setup::{self, Setup};
use crate::{fate, laws};

/// No history may be longer, in its own time.
const LONGEST: Duration = Duration::from_hours(2);

/// What everybody in a history shares.
pub struct World {
    /// When it began.
    pub(crate) began: Instant,
    /// What happened.
    pub history: Arc<History>,
    /// What the operator decided, server by server.
    pub setups: Vec<Arc<Setup>>,
    /// The servers: every member of each.
    pub servers: Vec<Arc<Server>>,
    /// What became of calls at them.
    pub ledger: Arc<Ledger>,
    /// What the gateway is told about all of them.
    pub options: GatewayOptions,
    /// The upstreams' deadlines.
    pub timeouts: Timeouts,
    /// Whether anybody is asked anything.
    pub asks: bool,
    /// Whether connections break by themselves.
    pub wires_break: bool,
    /// What the gateway counts.
    pub metrics: Arc<Metrics>,
    /// Tasks of the world that are not the gateway's.
    pub tasks: TaskTracker,
    /// Ends the fronts.
    pub stop: CancellationToken,
    gateway: Mutex<Option<Arc<Gateway>>>,
    records: Mutex<Vec<Record>>,
    /// Leaps of time.
    pub(crate) jumps: AtomicU64,
    /// Whether what runs was ever changed.
    pub(crate) has_reloaded: AtomicBool,
    /// When each call was made.
    sent: Mutex<BTreeMap<String, Instant>>,
    /// When something was wanted of each server, as the operator named it.
    demands: Mutex<BTreeMap<String, Vec<Instant>>>,
    /// When the first of a result was handed on.
    pub(crate) handed_on: Mutex<BTreeMap<String, Instant>>,
    /// The breakers that were seen open: until when, and since when that is known.
    open: Mutex<BTreeMap<String, (Instant, Instant)>>,
    /// How often each breaker had opened when it was last seen open, and when it was first seen so.
    opened: Mutex<BTreeMap<String, (u64, Instant)>>,
    /// Calls that tried a server whose breaker was half open.
    probes: Mutex<Vec<Probe>>,
}

impl World {
    /// The gateway, as fronts see it.
    ///
    /// # Panics
    /// When the history is over.
    pub fn host(self: &Arc<Self>) -> Arc<dyn Host> {
        Passing::new(self.gateway(), self)
    }

    pub(crate) fn gateway(&self) -> Arc<Gateway> {
        let gateway = self.gateway.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gateway.as_ref().expect("the gateway lives as long as clients come"))
    }

    /// Notes that a call is made.
    pub(crate) fn sent(&self, call: &str) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.insert(call.to_owned(), Instant::now());
    }

    /// Notes that something is wanted of a server.
    pub(crate) fn demands(&self, server: &str) {
        let mut demands = self.demands.lock().unwrap_or_else(PoisonError::into_inner);
        demands.entry(server.to_owned()).or_default().push(Instant::now());
    }

    /// When something was wanted of a server, or of one that it stands in for.
    pub(crate) fn demanded(&self, server: &str) -> Vec<Instant> {
        let demands = self.demands.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |setup: &&Arc<Setup>| setup.name == server || setup.fallback.as_deref() == Some(server);
        let all = self.setups.iter().filter(of).filter_map(|setup| demands.get(&setup.name));
        all.flatten().copied().collect()
    }

    /// What the operator named a server by.
    pub(crate) fn upstream_of(&self, server: &str) -> Option<&str> {
        self.servers.iter().find(|one| one.name == server).map(|one| &*one.of)
    }

    /// What was decided about the server of a member.
    pub(crate) fn setup_of(&self, server: &str) -> Option<&Arc<Setup>> {
        let of = self.upstream_of(server)?;
        self.setups.iter().find(|setup| setup.name == of)
    }

    pub(crate) fn when_sent(&self, call: &str) -> Option<Instant> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).get(call).copied()
    }

    /// Since when the breaker of a server, as the operator named it, is known to be open without a break; `None` when it is not open now.
    pub(crate) fn open_since(&self, server: &str) -> Option<Instant> {
        let gateway = self.gateway.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let sources = gateway.sources();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let circuit = sources.iter().find(|source| *source.rules.server == *server)?.circuit.as_ref()?;
        let (State::Open, Some(rest)) = (circuit.state, circuit.retry_in.filter(|rest| !rest.is_zero()))
        else {
            open.remove(server);
            return None;
        };
        // As long as it is to stay open until the same moment, it has not been anything else meanwhile.
        let until = Instant::now() + rest;
        let known = open.entry(server.to_owned()).or_insert((until, Instant::now()));
        if known.0 != until {
            *known = (until, Instant::now());
        }
        Some(known.1)
    }

    /// Where the breaker of a server stands, as the operator named it, how often it has opened, and when it was first seen open
    /// since the last time; `None` while it is closed, or was not seen open.
    pub(crate) fn circuit(&self, server: &str) -> Option<(State, u64, Instant)> {
        let gateway = self.gateway.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let sources = gateway.sources();
        let state = sources.iter().find(|source| *source.rules.server == *server)?.circuit.as_ref()?.state;
        if state == State::Closed {
            return None;
        }
        let openings = self.openings(server);
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let known = opened.get(server).filter(|known| known.0 == openings).copied();
        if state == State::Open && known.is_none() {
            opened.insert(server.to_owned(), (openings, Instant::now()));
        }
        known.map(|(openings, since)| (state, openings, since))
    }

    fn openings(&self, server: &str) -> u64 {
        let text = self.metrics.encode(Format::OpenMetrics);
        let of = format!("trunkline_circuit_transitions_total{{upstream=\"{server}\",to=\"open\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&of)?.parse().ok()).unwrap_or_default()
    }

    /// Calls that tried a server whose breaker was half open.
    pub(crate) fn probes(&self) -> MutexGuard<'_, Vec<Probe>> {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what runs was ever changed.
    pub(crate) fn has_reloaded(&self) -> bool {
        self.has_reloaded.load(Ordering::SeqCst)
    }

    /// What became of the calls.
    pub fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a call with so many questions may take before it counts as lost: every wait on its way, one after another.
    pub fn bound(&self, questions: u32) -> Duration {
        let t = &self.timeouts;
        let once = t.connect * 2 + t.total * 2 + Duration::from_secs(10);
        once * 2 + (once + t.answer * 2) * questions
    }

    /// Whether time has made a jump; then nothing is known of how long something took.
    pub fn has_jumped(&self) -> bool {
        self.jumps.load(Ordering::SeqCst) > 0
    }

    /// Waits for `answer` within `patience`; once more, when time has made a jump meanwhile.
    pub(crate) async fn patiently<T>(
        &self,
        patience: Duration,
        mut answer: impl Future<Output = T> + Unpin,
    ) -> Option<T> {
        loop {
            let jumps = self.jumps.load(Ordering::SeqCst);
            match timeout(patience, &mut answer).await {
                Ok(answer) => return Some(answer),
                Err(_) if jumps != self.jumps.load(Ordering::SeqCst) => {}
                Err(_) => return None,
            }
        }
    }
}

/// Plays the history of `seed` to its end.
pub async fn play(seed: u64) -> Arc<History> {
    let mut chance = Chance::new(seed);
    let history = Arc::new(History::begin());
    if timeout(LONGEST, history_of(&mut chance, &history)).await.is_err() {
        history.broken("every history ends", format_args!("not within {} s", LONGEST.as_secs()));
    }
    history
}

async fn history_of(chance: &mut Chance, history: &Arc<History>) {
    let (asks, wires_break) = (chance.once_in(2), chance.once_in(2));
    let tasks = TaskTracker::new();
    let ledger = Arc::<Ledger>::default();
    let breaks = if wires_break { 6 } else { 0 };
    let drawn = (0..chance.between(1, 4)).map(|number| Setup::draw(number, breaks, chance, &ledger, history));
    let (mut setups, servers): (Vec<Setup>, Vec<Vec<Arc<Server>>>) = drawn.unzip();
    let servers: Vec<Arc<Server>> = servers.into_iter().flatten().collect();
    let names: Vec<String> = setups.iter().map(|setup| setup.name.clone()).collect();
    for setup in &mut setups {
        let other = chance.pick(&names.iter().collect::<Vec<_>>());
        setup.fallback = (*other != setup.name && chance.once_in(2)).then(|| other.clone());
    }
    let setups: Vec<Arc<Setup>> = setups.into_iter().map(Arc::new).collect();
    let metrics = Arc::new(Metrics::new("simulated"));
    let tools = Tools {
        environment: Arc::default(),
        shepherd: None,
        launch: Some(Programs::new(&servers, &tasks)),
        faults: Arc::new(trunkline_upstream::faults::Faults::new(Arc::clone(&metrics))),
        http: HttpClient::over(Network::new(&servers, &tasks)),
        verdicts: Arc::new(Verdicts::open(None)),
        changes: broadcast::Sender::new(CHANGES_BACKLOG),
        metrics: Arc::clone(&metrics),
    };
    let upstreams: Vec<Options> = setups.iter().map(|setup| setup.options.clone()).collect();
    let options = setup::gateway(&setups, setup::limits(chance));
    let gateway = Gateway::start(options.clone(), upstreams.clone(), tools);
    let world = Arc::new(World {
        began: Instant::now(),
        history: Arc::clone(history),
        setups,
        servers,
        ledger,
        options,
        timeouts: setup::TIMEOUTS,
        asks,
        wires_break,
        metrics,
        tasks: tasks.clone(),
        stop: CancellationToken::new(),
        gateway: Mutex::new(Some(gateway)),
        records: Mutex::default(),
        jumps: AtomicU64::new(0),
        has_reloaded: AtomicBool::new(false),
        sent: Mutex::default(),
        demands: Mutex::default(),
        handed_on: Mutex::default(),
        open: Mutex::default(),
        opened: Mutex::default(),
        probes: Mutex::default(),
    });
    for server in &world.servers {
        let watcher = Arc::downgrade(&world);
        let _ = server.on_run.set(Box::new(move |server, call| {
            if let Some(world) = watcher.upgrade() {
                laws::on_run(&world, server, call);
            }
        }));
    }
    let watching = tokio::spawn(watch_breakers(Arc::clone(&world)));
    let mut clients = JoinSet::new();
    for number in 1..=chance.between(1, 4) {
        let era = if chance.once_in(2) {
            Era::Modern
        } else {
            Era::Legacy(chance.pick(&["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]))
        };
        let old = matches!(era, Era::Legacy("2024-11-05" | "2025-03-26"));
        let client = Client { number, era, asks: asks && !old && !chance.once_in(4) };
        clients.spawn(client.live(Arc::clone(&world), chance.branch()));
    }
    let fate = tokio::spawn(fate::befalls(Arc::clone(&world), upstreams, chance.branch()));
    while let Some(ended) = clients.join_next().await {
        if let Err(error) = ended {
            history.broken("nobody panics", error);
        }
    }
    if let Err(error) = fate.await {
        history.broken("nobody panics", error);
    }
    // Longer than conversations that nobody uses are kept.
    watching.abort();
    sleep(Duration::from_mins(11)).await;
    laws::when_quiet(&world);
    let last = Client { number: 9, era: Era::Modern, asks: false };
    last.knock(&world, chance.branch()).await;
    sleep(Duration::from_secs(30)).await;
    laws::when_quiet_again(&world);
    history.note("world", "stops");
    end(&world, &tasks).await;
}

/// Stops everything, in order or at once, and looks at what is left.
async fn end(world: &Arc<World>, tasks: &TaskTracker) {
    world.stop.cancel();
    let gateway = world.gateway.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(gateway) = gateway else { return };
    let began = Instant::now();
    if timeout(Duration::from_mins(1), gateway.stop()).await.is_err() {
        world.history.broken("a gateway stops", "not within a minute");
    }
    world.history.note("world", format_args!("stopped in {} ms", began.elapsed().as_millis()));
    let weak = Arc::downgrade(&gateway);
    drop(gateway);
    for server in &world.servers {
        server.end();
    }
    // Longer than anything is kept for reasons of its own, such as connections that may be used again.
    sleep(Duration::from_mins(4)).await;
    tasks.close();
    laws::at_the_end(world, weak.upgrade().is_none(), tasks.len());
}

/// Looks at the breakers now and then: an open one is known from then on.
async fn watch_breakers(world: Arc<World>) {
    loop {
        sleep(Duration::from_millis(250)).await;
        for setup in &world.setups {
            let _ = world.open_since(&setup.name);
            let _ = world.circuit(&setup.name);
        }
    }
}
