//! What concerns the gateway as a whole.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// One label whose values are words of the program.
type Words = [(&'static str, &'static str); 1];

/// A kind of fault, and the upstream that it was injected for.
type Injected = [(&'static str, String); 2];

/// A number of things that exist now. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Level(Gauge);

impl Level {
    /// Counts one more, until the value returned is dropped.
    pub fn hold(&self) -> Held {
        self.0.inc();
        Held(self.0.clone())
    }
}

/// One thing that is counted as existing.
#[derive(Debug)]
#[must_use = "it counts only as long as this is held"]
pub struct Held(Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A kind of catalog item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tools.
    Tool,
    /// Prompts.
    Prompt,
    /// Resources.
    Resource,
    /// Resource templates.
    Template,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Template => "template",
        }
    }
}

/// Metrics without an upstream or a tool.
#[derive(Clone, Debug, Default)]
pub struct Gateway {
    sessions: Level,
    streams: Level,
    catalog_items: Family<Words, Gauge>,
    catalog_version: Gauge,
    rejected: Family<Words, Counter>,
    reloads: Family<Words, Counter>,
    faults: Family<Injected, Counter>,
    reload_good: Gauge,
    reload_time: Gauge,
    ready: Gauge,
}

impl Gateway {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register("trunkline_sessions", "Legacy sessions that live", all.sessions.0.clone());
        registry.register("trunkline_streams", "Event streams that are open", all.streams.0.clone());
        registry.register(
            "trunkline_catalog_items",
            "Items of the merged catalog",
            all.catalog_items.clone(),
        );
        registry.register(
            "trunkline_catalog_version",
            "Changes of the merged catalog",
            all.catalog_version.clone(),
        );
        registry.register(
            "trunkline_rejected_requests",
            "Requests refused before they reached a stage",
            all.rejected.clone(),
        );
        registry.register(
            "trunkline_config_reloads",
            "Attempts to take a new configuration",
            all.reloads.clone(),
        );
        registry.register(
            "trunkline_faults_injected",
            "Faults that were injected on purpose",
            all.faults.clone(),
        );
        registry.register(
            "trunkline_config_last_reload_successful",
            "Whether the last attempt to take a new configuration succeeded; 1 when there was none",
            all.reload_good.clone(),
        );
        all.reload_good.set(1);
        registry.register(
            "trunkline_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was taken",
            all.reload_time.clone(),
        );
        registry.register("trunkline_ready", "Whether /readyz says yes", all.ready.clone());
        // Both results are there from the start, so that the first failure can be seen as an increase.
        for result in ["ok", "error"] {
            drop(all.reloads.get_or_create(&[("result", result)]));
        }
        all
    }

    /// Legacy sessions that live.
    pub fn sessions(&self) -> &Level {
        &self.sessions
    }

    /// Event streams that are open.
    pub fn streams(&self) -> &Level {
        &self.streams
    }

    /// Sets the number of items of a kind in the catalog.
    pub fn set_catalog_items(&self, kind: Kind, items: usize) {
        let items = i64::try_from(items).unwrap_or(i64::MAX);
        self.catalog_items.get_or_create(&[("kind", kind.as_str())]).set(items);
    }

    /// Sets the version of the catalog.
    pub fn set_catalog_version(&self, version: u64) {
        self.catalog_version.set(i64::try_from(version).unwrap_or(i64::MAX));
    }

    /// Counts a request refused for `reason`, a word of the program. Takes a lock: refusals are off the hot path.
    pub fn rejected(&self, reason: &'static str) {
        self.rejected.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts a fault of this kind (a word of the program) that was injected on purpose for a configured upstream.
    pub fn fault_injected(&self, kind: &'static str, upstream: &str) {
        self.faults.get_or_create(&[("kind", kind.to_owned()), ("upstream", upstream.to_owned())]).inc();
    }

    /// Sets whether the process is ready.
    pub fn set_ready(&self, ready: bool) {
        self.ready.set(i64::from(ready));
    }

    /// Sets when the configuration in force was taken.
    pub fn set_configured(&self, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.reload_time.set(i64::try_from(since).unwrap_or(i64::MAX));
    }

    /// Counts an attempt to take a new configuration.
    pub fn reloaded(&self, ok: bool) {
        self.reload_good.set(i64::from(ok));
        self.reloads.get_or_create(&[("result", if ok { "ok" } else { "error" })]).inc();
    }
}
