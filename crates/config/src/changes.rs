//! What differs between two configurations, for a reload that touches only what it must.

use std::sync::Arc;

use trunkline_gateway::options::Naming;

use crate::settings::Settings;

/// The difference between the configuration in use and the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Servers that come.
    pub added: Vec<Arc<str>>,
    /// Servers that go.
    pub removed: Vec<Arc<str>>,
    /// Servers to be started or connected anew, because how they are reached or run differs.
    pub changed: Vec<Arc<str>>,
    /// Servers that go on running with other rules: breakers, repeats, health.
    pub adjusted: Vec<Arc<str>>,
    /// Catalog or views differ: names, filters, overrides, profiles, instructions, or the order of servers.
    pub views: bool,
    /// What shall go wrong on purpose differs; it applies at once, without a word to servers.
    pub faults: bool,
    /// Rate limits or limits of calls at a time differ; they apply at once, and what was taken counts on.
    pub limits: bool,
    /// Further keys that differ and apply at once.
    pub applied: Vec<&'static str>,
    /// Keys whose new value only a restart applies.
    pub restart: Vec<&'static str>,
}

impl Changes {
    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares `old` (in use) with `new`.
pub fn changes(old: &Settings, new: &Settings) -> Changes {
    let find = |settings: &Settings, name: &Arc<str>| {
        settings.upstreams.iter().position(|upstream| upstream.name == *name)
    };
    let names = |settings: &Settings| -> Vec<Arc<str>> {
        settings.upstreams.iter().map(|upstream| Arc::clone(&upstream.name)).collect()
    };
    let (before, after) = (names(old), names(new));
    let pair = |name: &Arc<str>| Some((&old.upstreams[find(old, name)?], &new.upstreams[find(new, name)?]));
    let differs = |name: &&Arc<str>| pair(name).is_some_and(|(old, new)| !old.runs_as(new));
    let adjusted = |name: &&Arc<str>| pair(name).is_some_and(|(old, new)| old != new && old.runs_as(new));
    Changes {
        added: after.iter().filter(|name| find(old, name).is_none()).cloned().collect(),
        removed: before.iter().filter(|name| find(new, name).is_none()).cloned().collect(),
        changed: after.iter().filter(differs).cloned().collect(),
        adjusted: after.iter().filter(adjusted).cloned().collect(),
        views: before != after || views_differ(old, new),
        faults: old.faults != new.faults || old.environment != new.environment,
        limits: old.gateway.limits != new.gateway.limits,
        applied: differing(&live_keys(old, new)),
        restart: differing(&[
            // A socket gets this option before it is bound.
            ("reusePort", old.reuse_port != new.reuse_port),
            ("threads", old.threads != new.threads),
            ("stateDir", old.state_dir != new.state_dir),
        ]),
    }
}

fn views_differ(old: &Settings, new: &Settings) -> bool {
    let naming = |settings: &Settings| -> Naming { settings.gateway.naming.clone() };
    naming(old) != naming(new)
        || old.gateway.instructions != new.gateway.instructions
        || old.shown != new.shown
        || old.views != new.views
}

fn differing(keys: &[(&'static str, bool)]) -> Vec<&'static str> {
    keys.iter().filter(|(_, differs)| *differs).map(|(key, _)| *key).collect()
}

fn live_keys(old: &Settings, new: &Settings) -> [(&'static str, bool); 18] {
    let (a, b) = (&old.limits, &new.limits);
    [
        ("listen", old.listen != new.listen),
        ("admin.listen", old.admin != new.admin),
        ("security", old.security != new.security),
        ("log.level", old.log.level != new.log.level),
        ("log.format", old.log.format != new.log.format),
        ("limits.bodyBytes", a.body_bytes != b.body_bytes),
        ("limits.sessions", a.sessions != b.sessions),
        ("limits.sessionIdle", a.session_idle != b.session_idle),
        ("limits.connections", a.connections != b.connections),
        ("limits.streams", a.streams != b.streams),
        ("limits.connectionsPerAddress", a.connections_per_address != b.connections_per_address),
        ("limits.sessionsPerAddress", a.sessions_per_address != b.sessions_per_address),
        ("limits.streamsPerAddress", a.streams_per_address != b.streams_per_address),
        ("limits.headerTimeout", a.header_timeout != b.header_timeout),
        ("limits.bodyTimeout", a.body_timeout != b.body_timeout),
        ("reload", old.reload != new.reload),
        ("shutdown", old.shutdown != new.shutdown),
        ("readiness", old.readiness != new.readiness),
    ]
}
