//! What the gateway holds, looked at from outside: the kernel's figures and its own.

use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::process;

use crate::trend::{self, Trend};

/// One series: its name, its unit, the share of its median and the least amount that count as growth, and where it is from.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    share: f64,
    floor: f64,
    read: fn(&Look) -> f64,
}

/// Everything that is looked at.
pub(crate) const SERIES: [Series; 7] = [
    Series { name: "memory", unit: "MiB", share: 0.03, floor: 1.0, read: |look| look.rss_kib / 1024.0 },
    Series { name: "descriptors", unit: "", share: 0.03, floor: 4.0, read: |look| look.descriptors },
    Series { name: "children", unit: "", share: 0.05, floor: 1.0, read: |look| look.children },
    Series { name: "threads", unit: "", share: 0.05, floor: 1.0, read: |look| look.threads },
    Series { name: "tasks", unit: "", share: 0.03, floor: 8.0, read: |look| look.tasks },
    Series { name: "sessions", unit: "", share: 0.05, floor: 5.0, read: |look| look.sessions },
    Series { name: "streams", unit: "", share: 0.05, floor: 3.0, read: |look| look.streams },
];

impl Series {
    /// How it went, in looks that are past the warm-up. `loose` widens what counts as noise, for short runs.
    pub(crate) fn trend(&self, looks: &[Look], loose: f64) -> Option<Trend> {
        trend::of(&self.points(looks), self.share * loose, self.floor * loose)
    }

    pub(crate) fn points(&self, looks: &[Look]) -> Vec<(f64, f64)> {
        looks.iter().map(|look| (look.at, (self.read)(look))).collect()
    }
}

/// One look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// Seconds since the beginning.
    pub(crate) at: f64,
    pub(crate) rss_kib: f64,
    pub(crate) descriptors: f64,
    pub(crate) children: f64,
    pub(crate) threads: f64,
    pub(crate) tasks: f64,
    pub(crate) sessions: f64,
    pub(crate) streams: f64,
}

impl Look {
    /// Looks now.
    pub(crate) fn now(gateway: &Gateway, began: Instant) -> Result<Self> {
        let pid = gateway.pid();
        let read = |what: &str| {
            let path = format!("/proc/{pid}/{what}");
            std::fs::read_to_string(&path).with_context(|| path.clone())
        };
        let line = |text: &str, key: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            value.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
        };
        let metrics = gateway.admin("/metrics").text();
        let metric = |name: &str| {
            let lines = metrics.lines().filter(|line| !line.starts_with('#'));
            lines.filter_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).sum()
        };
        Ok(Self {
            at: began.elapsed().as_secs_f64(),
            // Page by page: the sum in `status` is off by up to 32 pages per core.
            rss_kib: line(&read("smaps_rollup")?, "Rss:"),
            threads: line(&read("status")?, "Threads:"),
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd")).context("descriptors")?.count() as f64,
            children: process::descendants(pid).len() as f64,
            tasks: metric("trunkline_runtime_tasks "),
            sessions: metric("trunkline_sessions "),
            streams: metric("trunkline_streams "),
        })
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "at": self.at, "rssKib": self.rss_kib, "descriptors": self.descriptors, "children": self.children,
            "threads": self.threads, "tasks": self.tasks, "sessions": self.sessions, "streams": self.streams })
    }
}
