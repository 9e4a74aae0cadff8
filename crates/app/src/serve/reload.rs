//! Taking the configuration anew, whole or not at all.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::net::TcpListener;
use trunkline_config::{Changes, Overrides, Settings, Severity, changes};
use trunkline_observe::logs::Logs;
use trunkline_transport::front::http::Sharing;

use super::listener;
use super::phase::LastReload;
use super::running::{Running, front_options};
use super::watch::Stamps;
use crate::assemble;
use crate::config_file::{self, Unusable};
use crate::environment::Environment;

/// Where the configuration comes from.
pub(super) struct Reload<'a> {
    /// Its file.
    pub(super) path: PathBuf,
    /// What the command line said.
    pub(super) overrides: Overrides,
    /// What the environment says.
    pub(super) environment: &'a Environment,
    /// What changes its filter.
    pub(super) logs: &'a Logs,
}

/// What asked for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// SIGHUP.
    Signal,
    /// A change of the file.
    File,
}

impl Trigger {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::File => "file",
        }
    }
}

/// What came of a reload.
pub(super) struct Reloaded {
    /// The settings in force from now on, where they are others than before.
    pub(super) settings: Option<Settings>,
    /// The files that were read, and their state before that.
    pub(super) files: Vec<PathBuf>,
    /// See `files`.
    pub(super) stamps: Stamps,
}

/// The addresses that are to be listened at, already bound: none where they stay as they are.
#[derive(Default)]
struct Bound {
    endpoint: Option<TcpListener>,
    admin: Option<TcpListener>,
}

impl Reload<'_> {
    /// Reads the file and applies what differs. A file that cannot be used as a whole changes nothing.
    pub(super) async fn run(&self, old: Arc<Settings>, running: Arc<Running>, trigger: Trigger) -> Reloaded {
        let read = config_file::read_noting(&self.path, self.overrides.clone(), self.environment);
        let (files, stamps) = (read.files, read.stamps);
        let prepared = match read.loaded {
            Ok(loaded) => prepare(&old, &loaded.settings).map(|bound| (loaded.settings, bound)),
            Err(unusable) => Err(reasons(&unusable)),
        };
        let (outcome, settings) = match prepared {
            Ok((new, bound)) => (Ok(self.apply(&old, &new, bound, &running).await), Some(new)),
            Err(reasons) => {
                for reason in &reasons {
                    tracing::error!(hint = reason.hint.as_deref(), "{}", reason.text);
                }
                (Err(reasons.into_iter().map(|reason| reason.text).collect()), None)
            }
        };
        // Counted before the last line is said, so that whoever reads the log finds it in the metrics.
        let metrics = running.metrics.gateway();
        metrics.reloaded(outcome.is_ok());
        let at = SystemTime::now();
        let (file, trigger) = (self.path.display(), trigger.as_str());
        match &outcome {
            Ok(changes) => {
                metrics.set_configured(at);
                tell(changes, trigger);
            }
            Err(_) => {
                tracing::error!(%file, trigger, "the new configuration is bad; the old one stays in use");
            }
        }
        let outcome = outcome.map(|changes| summary(&changes));
        running.standing.reloaded(LastReload { at, trigger, outcome });
        Reloaded { settings, files, stamps }
    }

    /// Applies what differs, and says what that was.
    async fn apply(&self, old: &Settings, new: &Settings, bound: Bound, running: &Running) -> Changes {
        let changes = changes(old, new);
        if changes.is_empty() {
            return changes;
        }
        if let Err(error) = self.logs.set_filter(&new.log.level) {
            tracing::warn!(%error, "the log level stays as it was");
        }
        self.logs.set_format(assemble::log_format(new));
        running.server.reconfigure(front_options(new));
        running.standing.require(new.readiness.require_servers.clone());
        let left = bound.endpoint.and_then(|listener| {
            let sharing = if shared(old, new) { Sharing::Together } else { Sharing::Alone };
            running.move_endpoint(listener, sharing)
        });
        running.move_admin(old, new, bound.admin);
        if !changes.restart.is_empty() {
            let keys = changes.restart.join(", ");
            tracing::warn!(keys, "these settings take effect with the next restart");
        }
        if changes.faults {
            assemble::set_faults(running.gateway.faults(), new);
            let rules = new.faults.rules.len();
            if rules > 0 {
                tracing::warn!(rules, "faults are injected on purpose: calls will fail");
            } else {
                tracing::info!("no faults are configured any more");
            }
        }
        running.gateway.reload(new.gateway.clone(), new.upstreams.clone()).await;
        if let Some(address) = left {
            // Last: who comes by the old address meanwhile is served.
            running.server.close(address).await;
        }
        changes
    }
}

/// Everything that can fail, before anything is changed.
fn prepare(old: &Settings, new: &Settings) -> Result<Bound, Vec<Reason>> {
    let mut reasons = Vec::new();
    if let Err(error) = Logs::check_filter(&new.log.level) {
        reasons.push(Reason { text: error.to_string(), hint: None });
    }
    let mut bound = Bound::default();
    let mut bind = |address, key, flag| {
        listener::bind(address, shared(old, new), key, flag)
            .map_err(|stop| {
                let (text, hint) = stop.split();
                reasons.push(Reason { text, hint });
            })
            .ok()
    };
    if new.listen != old.listen {
        bound.endpoint = bind(new.listen, "listen", "--listen");
    }
    if let Some(address) = new.admin.filter(|_| new.admin != old.admin) {
        bound.admin = bind(address, "admin.listen", "--admin-listen");
    }
    if reasons.is_empty() { Ok(bound) } else { Err(reasons) }
}

/// Why a configuration is refused.
struct Reason {
    text: String,
    hint: Option<String>,
}

fn reasons(unusable: &Unusable) -> Vec<Reason> {
    match unusable {
        Unusable::Unreadable(error) => {
            vec![Reason { text: format!("the configuration cannot be read: {error}"), hint: None }]
        }
        Unusable::Problems(problems) => {
            let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
            errors.map(|problem| Reason { text: problem.to_string(), hint: problem.hint.clone() }).collect()
        }
    }
}

fn tell(changes: &Changes, trigger: &'static str) {
    if changes.is_empty() {
        tracing::info!(trigger, "the configuration is the same as before");
        return;
    }
    tracing::info!(
        trigger,
        added = changes.added.join(", "),
        removed = changes.removed.join(", "),
        changed = changes.changed.join(", "),
        adjusted = changes.adjusted.join(", "),
        views = changes.views,
        settings = changes.applied.join(", "),
        "the configuration was reloaded"
    );
}

/// In a line; empty when nothing changed.
fn summary(changes: &Changes) -> String {
    let mut parts = Vec::new();
    for (what, names) in [
        ("added", &changes.added),
        ("removed", &changes.removed),
        ("changed", &changes.changed),
        ("adjusted", &changes.adjusted),
    ] {
        if !names.is_empty() {
            parts.push(format!("servers {what}: {}", names.join(", ")));
        }
    }
    if changes.views {
        parts.push("names and views".to_owned());
    }
    if changes.faults {
        parts.push("faults on purpose".to_owned());
    }
    if !changes.applied.is_empty() {
        parts.push(format!("settings: {}", changes.applied.join(", ")));
    }
    if !changes.restart.is_empty() {
        parts.push(format!("with the next restart: {}", changes.restart.join(", ")));
    }
    parts.join("; ")
}

/// Whether a new address may be shared: `reusePort` itself changes with a restart only.
const fn shared(old: &Settings, new: &Settings) -> bool {
    old.reuse_port && new.reuse_port
}
