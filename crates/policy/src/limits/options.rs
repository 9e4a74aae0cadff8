//! What an operator decides about limits. Compiled by `config`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};

/// Every limit. Compared as a whole by a reload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Rate limits, in the order of the document. All that match a call must admit it.
    pub rates: Vec<RateRule>,
    /// Limits of calls under way, in the order of the document. All that match a call must admit it.
    pub concurrency: Vec<ConcurrencyRule>,
    /// When the gateway protects its servers and itself.
    pub overload: Overload,
}

/// How many calls there may be in a time.
#[derive(Clone, Debug, PartialEq)]
pub struct RateRule {
    /// What it is called in metrics and `RateLimit-Policy`; unique among the rates.
    pub name: Arc<str>,
    /// What is counted apart.
    pub per: Per,
    /// Which calls count.
    pub matches: Match,
    /// What there may be in the long run.
    pub rate: Rate,
    /// Most at once, in units of cost; at least 1.
    pub burst: u32,
    /// How much each call counts.
    pub costs: Costs,
}

/// How many calls may be under way at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct ConcurrencyRule {
    /// What it is called in metrics; unique among the limits of concurrency.
    pub name: Arc<str>,
    /// What is counted apart.
    pub per: Per,
    /// Which calls count.
    pub matches: Match,
    /// Most calls under way; at least 1.
    pub max: usize,
    /// How long a call may wait for another to end; zero refuses at once.
    pub wait: Duration,
}

/// So many units of cost in so long a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units; at least 1.
    pub count: u32,
    /// The time; not zero.
    pub period: Duration,
}

/// What a limit counts apart. With nothing set everything is counted together; with several set, each combination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Per {
    /// Who calls: see [`Who`](super::Who).
    pub principal: bool,
    /// The program that calls: see [`Who`](super::Who).
    pub client: bool,
    /// The tool, by the name that clients see. Other calls than those of tools are not counted then.
    pub tool: bool,
    /// The server. Calls that no server answers are not counted then.
    pub upstream: bool,
}

/// Which calls a limit is about. What is `None` matches everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    /// Tools by the names that clients see; other calls do not match.
    pub tools: Option<Names>,
    /// Servers by the operator's names; calls that no server answers do not match.
    pub servers: Option<Vec<Arc<str>>>,
    /// Methods such as `tools/call`.
    pub methods: Option<Vec<Box<str>>>,
}

/// How much calls count.
#[derive(Clone, Debug, PartialEq)]
pub struct Costs {
    /// What is not named below.
    pub default: u32,
    /// Tools by the names that clients see; the first that matches counts.
    pub tools: Vec<(Names, u32)>,
}

impl Default for Costs {
    fn default() -> Self {
        Self { default: 1, tools: Vec::new() }
    }
}

impl Costs {
    /// The cost of a call of this tool, or of another call.
    pub(super) fn of(&self, tool: Option<&str>) -> u32 {
        let named = tool.and_then(|tool| self.tools.iter().find(|(names, _)| names.has(tool)));
        named.map_or(self.default, |(_, cost)| *cost)
    }
}

/// Patterns of names, compiled. Equal when their texts are.
#[derive(Clone, Debug)]
pub struct Names {
    patterns: Vec<String>,
    set: GlobSet,
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Names {
    /// Compiles patterns (`*`, `?`, `[ab]`, `{a,b}`).
    ///
    /// # Errors
    /// A pattern that is none, or patterns that are too large together.
    pub fn new(patterns: Vec<String>) -> Result<Self, globset::Error> {
        let mut builder = GlobSetBuilder::new();
        for pattern in &patterns {
            builder.add(Glob::new(pattern)?);
        }
        Ok(Self { set: builder.build()?, patterns })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.set.is_match(name)
    }
}

/// When the gateway protects its servers and itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Overload {
    /// Most calls under way at servers, all together.
    pub in_flight: usize,
    /// Most calls under way at one server that is not named below.
    pub per_server: usize,
    /// The same for servers by name.
    pub servers: BTreeMap<Arc<str>, usize>,
    /// Whether the bound of a server is lowered while calls queue up and its answers slow down.
    pub adaptive: bool,
    /// Most calls that wait for their turn, at each server and for the gateway.
    pub queue: usize,
    /// How long a call waits for its turn; then it is refused.
    pub queue_age: Duration,
    /// Resident memory that the gateway may have; above nine tenths of it new calls are refused.
    pub memory: Option<usize>,
    /// How late the event loop may be; above it a growing share of new calls is refused.
    pub lag: Option<Duration>,
}

impl Default for Overload {
    fn default() -> Self {
        Self {
            in_flight: 1024,
            per_server: 128,
            servers: BTreeMap::new(),
            adaptive: true,
            queue: 1024,
            queue_age: Duration::from_secs(1),
            memory: None,
            lag: Some(Duration::from_millis(500)),
        }
    }
}
