//! The limits of the document, compiled: which calls each is about, and whose they are.

use std::hash::BuildHasher;
use std::sync::Arc;

use tokio::time::Instant;
use trunkline_model::{Fault, Quota};
use trunkline_observe::metrics::{LimitHandle, Metrics};

use super::concurrency::Gates;
use super::gate::{Full, Pass};
use super::gcra::{Gcra, Late};
use super::options::{ConcurrencyRule, Match, Per, RateRule};
use super::store::Take;
use super::{AGAIN, Asked, too_often};

/// Which calls, and what is counted apart.
#[derive(Debug)]
struct Scope {
    per: Per,
    matches: Match,
    hasher: foldhash::quality::RandomState,
}

impl Scope {
    fn new(per: Per, matches: &Match, hasher: foldhash::quality::RandomState) -> Self {
        Self { per, matches: matches.clone(), hasher }
    }

    fn concerns(&self, asked: &Asked<'_>) -> bool {
        let Match { tools, servers, methods } = &self.matches;
        let named = |names: &Option<super::options::Names>| {
            names.as_ref().is_none_or(|names| asked.tool.is_some_and(|tool| names.has(tool)))
        };
        (!self.per.tool || asked.tool.is_some())
            && (!self.per.upstream || asked.server.is_some())
            && methods.as_ref().is_none_or(|methods| methods.iter().any(|one| **one == *asked.method))
            && servers.as_ref().is_none_or(|servers| {
                asked.server.is_some_and(|(_, server)| servers.iter().any(|one| one == server))
            })
            && named(tools)
    }

    /// Whose count; 0 where all count together, and never otherwise.
    fn key(&self, asked: &Asked<'_>) -> u64 {
        let Per { principal, client, tool, upstream } = self.per;
        if self.per == Per::default() {
            return 0;
        }
        let parts = (
            principal.then(|| asked.who.principal(&self.hasher)),
            client.then(|| asked.who.client(&self.hasher)),
            asked.tool.filter(|_| tool),
            asked.server.map(|(_, name)| &**name).filter(|_| upstream),
        );
        self.hasher.hash_one(parts) | 1
    }
}

/// One hasher for all keys: cells must be found again after a reload. Its seed is the process's own: nobody outside can
/// make two callers share a count.
fn hasher() -> foldhash::quality::RandomState {
    static HASHER: std::sync::LazyLock<foldhash::quality::RandomState> =
        std::sync::LazyLock::new(foldhash::quality::RandomState::default);
    HASHER.clone()
}

/// A rate limit.
#[derive(Debug)]
pub(super) struct RateLimit {
    name: Arc<str>,
    scope: Scope,
    limit: Gcra,
    costs: super::options::Costs,
    id: u64,
    meter: LimitHandle,
}

impl RateLimit {
    pub(super) fn new(rule: &RateRule, metrics: &Metrics) -> Self {
        let Per { principal, client, tool, upstream } = rule.per;
        Self {
            name: Arc::clone(&rule.name),
            scope: Scope::new(rule.per, &rule.matches, hasher()),
            limit: Gcra::new(rule.rate, rule.burst),
            costs: rule.costs.clone(),
            id: hasher().hash_one((&*rule.name, principal, client, tool, upstream)),
            meter: metrics.limit(&rule.name),
        }
    }

    pub(super) fn concerns(&self, asked: &Asked<'_>) -> bool {
        self.scope.concerns(asked)
    }

    pub(super) fn take(&self, asked: &Asked<'_>) -> Take {
        let (key, cost) = (self.scope.key(asked), self.costs.of(asked.tool));
        Take { rule: self.id, key, limit: self.limit, cost }
    }

    pub(super) fn admitted(&self) {
        self.meter.admitted();
    }

    /// Refuses.
    pub(super) fn late(&self, late: Late) -> Fault {
        self.meter.refused();
        let (size, window) = self.limit.policy();
        let quota = Quota {
            name: Arc::clone(&self.name),
            size,
            window,
            left: late.left,
            reset: late.after.unwrap_or(window),
        };
        too_often(&self.name, Some(quota), late.after)
    }
}

/// A limit of calls at a time.
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    rule: ConcurrencyRule,
    scope: Scope,
    gates: Arc<Gates>,
    meter: LimitHandle,
}

impl ConcurrencyLimit {
    /// `before` is the limit whose calls under way count on.
    pub(super) fn new(rule: &ConcurrencyRule, before: Option<&Self>, metrics: &Metrics) -> Self {
        let gates = before.map_or_else(Arc::default, |before| Arc::clone(&before.gates));
        gates.set_limit(rule.max);
        Self {
            scope: Scope::new(rule.per, &rule.matches, hasher()),
            gates,
            meter: metrics.limit(&rule.name),
            rule: rule.clone(),
        }
    }

    /// Whether it counts what that rule counts.
    pub(super) fn is(&self, rule: &ConcurrencyRule) -> bool {
        self.rule.name == rule.name && self.rule.per == rule.per
    }

    pub(super) fn concerns(&self, asked: &Asked<'_>) -> bool {
        self.scope.concerns(asked)
    }

    pub(super) async fn enter(&self, asked: &Asked<'_>, now: Instant) -> Result<Pass, Fault> {
        let entered = self.gates.enter(self.scope.key(asked), self.rule.max, self.rule.wait, now).await;
        let Err(Full) = entered else {
            self.meter.admitted();
            if !self.rule.wait.is_zero() {
                self.meter.waited(now.elapsed());
            }
            return entered.map_err(|Full| Fault::internal("no pass"));
        };
        self.meter.refused();
        let Per { principal, client, .. } = self.rule.per;
        if principal || client {
            let text = format!("too many calls at a time (limit \"{}\"); try again later", self.rule.name);
            return Err(Fault::rate_limited(text, None, Some(AGAIN)));
        }
        Err(Fault::overloaded(format!(
            "there are as many calls under way as the limit \"{}\" allows; try again later",
            self.rule.name
        )))
    }
}
