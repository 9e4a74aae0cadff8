//! What the operator of a history decided: which servers there are, of how many members, and how their calls are
//! carried out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use globset::{Glob, GlobSetBuilder};
use trunkline_gateway::options::{Options as GatewayOptions, ServerRules};
use trunkline_policy::limits::options::{ConcurrencyRule, Match, Options as Limits, Overload, Per};
use trunkline_upstream::retry::Options as Retry;
use trunkline_upstream::{
    Backoff, Command, Endpoint, EraChoice, Globs, Live, Options, Reach, Timeouts, breaker, group,
};

use crate::chance::Chance;
use crate::history::History;
use crate::server::{Ledger, Role, Server, Speaks};

/// What every server has: a tool that says nothing of itself, one that only reads, one that may run twice.
pub const TOOLS: [&str; 3] = ["work", "look", "set"];

/// One server as the operator sees it, and everything that was ever decided about it.
pub struct Setup {
    /// Its name.
    pub name: String,
    /// What its members speak.
    pub speaks: Speaks,
    /// The server that stands in for it.
    pub fallback: Option<String>,
    /// What was decided first.
    pub options: Options,
    /// All that was in force at some time.
    ever: Mutex<Vec<Live>>,
    /// How often its budget may have begun anew.
    begun: AtomicU64,
}

impl Setup {
    /// Draws a server and its members.
    pub fn draw(
        number: u64,
        breaks: u64,
        chance: &mut Chance,
        ledger: &Arc<Ledger>,
        history: &Arc<History>,
    ) -> (Self, Vec<Arc<Server>>) {
        let speaks = chance.pick(&[Speaks::Legacy, Speaks::Modern]);
        let http = chance.once_in(2);
        let era = if speaks == Speaks::Modern { 'm' } else { 'l' };
        let name = format!("s{number}{era}{}", if http { 'h' } else { 'p' });
        let members = chance.weighed(&[(6, 1), (3, 2), (1, 3)]);
        let servers: Vec<Arc<Server>> = (1..=members)
            .map(|member| {
                let own = if member == 1 { name.clone() } else { format!("{name}-{member}") };
                let role = Role { name: own, of: name.clone(), speaks, http, breaks };
                Server::new(role, chance.branch(), ledger, history)
            })
            .collect();
        let options = options(&name, speaks, &servers, chance);
        let ever = Mutex::new(vec![options.live.clone()]);
        (Self { name, speaks, fallback: None, options, ever, begun: AtomicU64::new(1) }, servers)
    }

    /// Notes what is decided about it from now on.
    pub fn decided(&self, options: &Options) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.ever.lock().unwrap_or_else(PoisonError::into_inner).push(options.live.clone());
    }

    /// How often its budget may have begun anew.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    fn rules<T>(&self, of: impl FnMut(Retry) -> T) -> Vec<T> {
        let ever = self.ever.lock().unwrap_or_else(PoisonError::into_inner);
        ever.iter().filter_map(|live| live.retry.clone()).map(of).collect()
    }

    /// Whether a call may ever have been sent again after it began: by its tool's word and the operator's, or by its key.
    pub fn may_repeat(&self, tool: &str, has_key: bool) -> bool {
        let believed =
            |rules: &Retry| tool != TOOLS[0] && (rules.trust_annotations || rules.tools.admit(tool));
        self.rules(|rules| believed(&rules) || has_key && rules.honours_keys).contains(&true)
    }

    /// Most times that one call is sent.
    pub fn attempts(&self) -> usize {
        self.rules(|rules| rules.attempts as usize).into_iter().max().unwrap_or(1).max(1)
    }

    /// Whether second calls are made beside the first.
    pub fn hedges(&self) -> bool {
        self.rules(|rules| rules.hedge_after.is_some()).contains(&true)
    }

    /// Longest wait before a call is sent again, but for what the server asks for.
    pub fn longest_wait(&self) -> Duration {
        self.rules(|rules| rules.max).into_iter().max().unwrap_or_default()
    }

    /// The share of calls that may be sent again, and how many a second besides.
    pub fn budget(&self) -> (f64, f64) {
        let shares = self.rules(|rules| f64::from(rules.budget_percent) / 100.0);
        let each_second = self.rules(|rules| f64::from(rules.budget_per_second));
        (shares.into_iter().fold(0.0, f64::max), each_second.into_iter().fold(0.0, f64::max))
    }
}

/// What the gateway is told about the servers.
pub fn gateway(setups: &[Arc<Setup>], limits: Option<Limits>) -> GatewayOptions {
    let rules = |setup: &Arc<Setup>| ServerRules {
        fallback: setup.fallback.as_deref().map(Arc::from),
        ..ServerRules::new(&*setup.name)
    };
    GatewayOptions { servers: setups.iter().map(rules).collect(), limits, ..GatewayOptions::default() }
}

/// How many calls there may be at a time, where that is bounded.
pub fn limits(chance: &mut Chance) -> Option<Limits> {
    if chance.once_in(2) {
        return None;
    }
    let few = ConcurrencyRule {
        name: "few".into(),
        per: Per { upstream: true, ..Per::default() },
        matches: Match::default(),
        max: chance.between(2, 5) as usize,
        wait: Duration::from_secs(chance.below(3)),
    };
    let overload = Overload {
        in_flight: chance.pick(&[6, 1024]),
        per_server: chance.pick(&[3, 128]),
        // Virtual time stands still while something runs, and leaps: it says nothing about load.
        lag: None,
        ..Overload::default()
    };
    let concurrency = if chance.once_in(2) { vec![few] } else { Vec::new() };
    Some(Limits { concurrency, overload, ..Limits::default() })
}

/// The upstreams' deadlines.
pub const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(3),
    probe: Duration::from_secs(1),
    idle: Duration::from_secs(8),
    total: Duration::from_secs(30),
    list: Duration::from_secs(3),
    answer: Duration::from_secs(15),
};

fn options(name: &str, speaks: Speaks, servers: &[Arc<Server>], chance: &mut Chance) -> Options {
    let mut reaches = servers.iter().map(|server| reach(server));
    let first = reaches.next().expect("a server has a member");
    let mut options = Options { others: reaches.collect(), ..Options::new(name, first) };
    options.timeouts = TIMEOUTS;
    options.backoff = Backoff { first: Duration::from_millis(200), max: Duration::from_secs(5) };
    options.era = match speaks {
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
    options.live = live(chance);
    options
}

fn reach(server: &Server) -> Reach {
    if server.http {
        return Reach::Http(Endpoint { url: format!("http://{}/mcp", server.name), headers: Vec::new() });
    }
    Reach::Stdio(Command {
        program: server.name.clone(),
        args: Vec::new(),
        env: Vec::new(),
        inherit_env: Vec::new(),
        cwd: None,
    })
}

/// What may change while a server runs.
pub fn live(chance: &mut Chance) -> Live {
    let mut live = Live { retry: (!chance.once_in(8)).then(|| retry(chance)), ..Live::default() };
    if chance.once_in(2) {
        live.breaker = Some(breaker::Options {
            consecutive: Some(chance.between(2, 5) as u32),
            open: Duration::from_millis(chance.between(500, 6_000)),
            probes: chance.between(1, 2) as u32,
            ..breaker::Options::default()
        });
    }
    if chance.once_in(2) {
        let consecutive = chance.between(1, 3) as u32;
        live.outliers = group::OutlierOptions { consecutive, ..group::OutlierOptions::default() };
    }
    if chance.once_in(3) {
        live.health = None;
    }
    live
}

fn retry(chance: &mut Chance) -> Retry {
    let max = Duration::from_millis(chance.pick(&[300, 2_000, 5_000]));
    let mut retry = Retry {
        attempts: chance.pick(&[1, 2, 3, 4, 6]),
        trust_annotations: chance.once_in(2),
        tools: if chance.once_in(2) { readers() } else { Globs::default() },
        reads: !chance.once_in(4),
        honours_keys: chance.once_in(3),
        budget_percent: chance.pick(&[0, 20, 20, 50, 100]),
        budget_per_second: chance.pick(&[0, 1, 3]),
        first: Duration::from_millis(chance.pick(&[20, 100, 1_000])).min(max),
        max,
        hedge_after: chance.once_in(2).then(|| Duration::from_millis(chance.pick(&[20, 500, 5_000]))),
    };
    // That a second call beside the first is one of those that are allowed shows where these are few.
    if retry.hedge_after.is_some() && chance.once_in(2) {
        retry.attempts = 2;
    }
    retry
}

/// The tool that only reads is believed by its name.
fn readers() -> Globs {
    let glob = Glob::new("lo*").and_then(|glob| GlobSetBuilder::new().add(glob).build());
    Globs::new(vec!["lo*".to_owned()], glob.unwrap_or_default())
}
