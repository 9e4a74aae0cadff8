//! One history: a gateway, servers, clients and what befalls them, from a seed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trunkline_gateway::Gateway;
use trunkline_gateway::options::Options as GatewayOptions;
use trunkline_observe::metrics::Metrics;
use trunkline_simulation_system as system;
use trunkline_transport::back::HttpClient;
use trunkline_transport::front::host::Host;
use trunkline_upstream::breaker::State;
use trunkline_upstream::{
    Backoff, CHANGES_BACKLOG, Command, Endpoint, EraChoice, Options, Reach, Timeouts, Tools, Verdicts,
};

use crate::chance::Chance;
use crate::client::{Client, Era, Record};
use crate::history::History;
use crate::laws;
use crate::server::{Network, Programs, Server, Speaks};

/// No history may be longer, in its own time.
const LONGEST: Duration = Duration::from_hours(2);

/// What everybody in a history shares.
pub struct World {
    /// What happened.
    pub history: Arc<History>,
    /// The servers.
    pub servers: Vec<Arc<Server>>,
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
    jumps: AtomicU64,
    /// When each call was made.
    sent: Mutex<BTreeMap<String, Instant>>,
    /// The breakers that were seen open: until when, and since when that is known.
    open: Mutex<BTreeMap<String, (Instant, Instant)>>,
}

impl World {
    /// The gateway, as fronts see it.
    ///
    /// # Panics
    /// When the history is over.
    pub fn host(&self) -> Arc<dyn Host> {
        self.gateway()
    }

    fn gateway(&self) -> Arc<Gateway> {
        let gateway = self.gateway.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gateway.as_ref().expect("the gateway lives as long as clients come"))
    }

    /// Notes that a call is made.
    pub(crate) fn sent(&self, call: &str) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.insert(call.to_owned(), Instant::now());
    }

    pub(crate) fn when_sent(&self, call: &str) -> Option<Instant> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).get(call).copied()
    }

    /// Since when the breaker of a server is known to be open without a break; `None` when it is not open now.
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
    let servers: Vec<Arc<Server>> = (0..chance.between(1, 4))
        .map(|number| {
            let speaks = chance.pick(&[Speaks::Legacy, Speaks::Modern]);
            let http = chance.once_in(2);
            let name = format!(
                "s{number}{}{}",
                if speaks == Speaks::Modern { 'm' } else { 'l' },
                if http { 'h' } else { 'p' }
            );
            let breaks = if wires_break { 6 } else { 0 };
            Server::new(&name, speaks, http, breaks, chance.branch(), history)
        })
        .collect();
    let timeouts = Timeouts {
        connect: Duration::from_secs(3),
        probe: Duration::from_secs(1),
        idle: Duration::from_secs(8),
        total: Duration::from_secs(30),
        list: Duration::from_secs(3),
        answer: Duration::from_secs(15),
    };
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
    let upstreams: Vec<Options> = servers.iter().map(|server| options(server, timeouts, chance)).collect();
    let gateway = Gateway::start(GatewayOptions::default(), upstreams.clone(), tools);
    let world = Arc::new(World {
        history: Arc::clone(history),
        servers,
        timeouts,
        asks,
        wires_break,
        metrics,
        tasks: tasks.clone(),
        stop: CancellationToken::new(),
        gateway: Mutex::new(Some(gateway)),
        records: Mutex::default(),
        jumps: AtomicU64::new(0),
        sent: Mutex::default(),
        open: Mutex::default(),
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
    let fate = tokio::spawn(fate(Arc::clone(&world), upstreams, chance.branch()));
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
        server.die();
    }
    // Longer than anything is kept for reasons of its own, such as connections that may be used again.
    sleep(Duration::from_mins(4)).await;
    tasks.close();
    laws::at_the_end(world, weak.upgrade().is_none(), tasks.len());
}

fn options(server: &Server, timeouts: Timeouts, chance: &mut Chance) -> Options {
    let reach = if server.http {
        Reach::Http(Endpoint { url: format!("http://{}/mcp", server.name), headers: Vec::new() })
    } else {
        Reach::Stdio(Command {
            program: server.name.clone(),
            args: Vec::new(),
            env: Vec::new(),
            inherit_env: Vec::new(),
            cwd: None,
        })
    };
    let mut options = Options::new(server.name.as_str(), reach);
    options.timeouts = timeouts;
    options.backoff = Backoff { first: Duration::from_millis(200), max: Duration::from_secs(5) };
    options.era = match server.speaks {
        _ if chance.once_in(2) => EraChoice::Auto,
        Speaks::Legacy => EraChoice::Legacy,
        Speaks::Modern => EraChoice::Modern,
    };
    if chance.once_in(3) {
        options.sessions_max = chance.between(1, 3) as usize;
    }
    if chance.once_in(4) {
        options.idle_stop = Some(Duration::from_secs(chance.between(2, 10)));
    }
    options
}

/// Looks at the breakers now and then: an open one is known from then on.
async fn watch_breakers(world: Arc<World>) {
    loop {
        sleep(Duration::from_millis(250)).await;
        for server in &world.servers {
            let _ = world.open_since(&server.name);
        }
    }
}

/// What befalls servers, wires, clocks and the configuration.
async fn fate(world: Arc<World>, upstreams: Vec<Options>, mut chance: Chance) {
    for _ in 0..chance.below(9) {
        sleep(Duration::from_millis(chance.below(9_000))).await;
        let server = &world.servers[chance.below(world.servers.len() as u64) as usize];
        let kind = chance.weighed(&[
            (4, "die"),
            (3, "blink"),
            (2, "stall"),
            (2, "forget"),
            (2, "edit"),
            (3, "reload"),
            (1, "wall"),
            (1, "leap"),
        ]);
        match kind {
            "die" => {
                server.die();
                sleep(Duration::from_millis(chance.between(10, 9_000))).await;
                server.rise();
            }
            "blink" => {
                server.die();
                server.rise();
            }
            "stall" => {
                server.stall(true);
                sleep(Duration::from_millis(chance.between(10, 12_000))).await;
                server.stall(false);
            }
            "forget" => server.forget_sessions(),
            "edit" => server.edit(),
            "reload" => reload(&world, &upstreams, &mut chance).await,
            "wall" => {
                let secs = chance.pick(&[-86_400, -61, 61, 3_600, 400_000]);
                world.history.note("world", format_args!("the wall clock jumps by {secs} s"));
                system::jump_wall_clock(secs);
            }
            _ => {
                let secs = chance.pick(&[3, 20, 600]);
                world.history.note("world", format_args!("nothing runs for {secs} s"));
                world.jumps.fetch_add(1, Ordering::SeqCst);
                advance(Duration::from_secs(secs)).await;
            }
        }
    }
    for server in &world.servers {
        if server.is_down() {
            server.rise();
        }
    }
}

async fn reload(world: &Arc<World>, upstreams: &[Options], chance: &mut Chance) {
    let mut wanted: Vec<Options> = upstreams.to_vec();
    match chance.below(3) {
        0 => drop(wanted.remove(chance.below(wanted.len() as u64) as usize)),
        1 => {
            let at = chance.below(wanted.len() as u64) as usize;
            wanted[at].items_max = 5_000 + chance.below(100) as usize;
        }
        _ => {}
    }
    let names: Vec<&str> = wanted.iter().map(|options| &*options.name).collect();
    world.history.note("world", format_args!("reloads with {}", names.join(", ")));
    let gateway = world.gateway();
    if timeout(Duration::from_mins(1), gateway.reload(GatewayOptions::default(), wanted)).await.is_err() {
        world.history.broken("a reload ends", "not within a minute");
    }
    world.history.note("world", "has reloaded");
}
