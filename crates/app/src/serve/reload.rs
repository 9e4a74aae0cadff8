//! Taking the configuration anew, whole or not at all.

use std::path::PathBuf;
use std::sync::Arc;

use trunkline_config::{Overrides, Settings, Severity, changes};
use trunkline_gateway::Gateway;
use trunkline_observe::logs::Logs;
use trunkline_observe::metrics::Metrics;

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

impl Reload<'_> {
    /// Reads the file and applies what differs. Returns the settings in use from now on: the old ones when the file
    /// cannot be used.
    pub(super) async fn run(&self, old: Settings, gateway: &Arc<Gateway>, metrics: &Metrics) -> Settings {
        let new = match config_file::read(&self.path, self.overrides.clone(), self.environment) {
            Ok(loaded) => loaded.settings,
            Err(unusable) => {
                metrics.gateway().reloaded(false);
                tell(&unusable);
                tracing::error!(file = %self.path.display(), "the new configuration is bad; the old one stays in use");
                return old;
            }
        };
        // Counted before it is said, so that whoever reads the log finds it in the metrics.
        metrics.gateway().reloaded(true);
        self.apply(&old, &new, gateway).await;
        new
    }

    async fn apply(&self, old: &Settings, new: &Settings, gateway: &Arc<Gateway>) {
        let changes = changes(old, new);
        if changes.is_empty() {
            tracing::info!("the configuration is the same as before");
            return;
        }
        if changes.log_level
            && let Err(error) = self.logs.set_filter(&new.log.level)
        {
            tracing::warn!(%error, "the log level stays as it was");
        }
        if !changes.restart.is_empty() {
            tracing::warn!(
                keys = changes.restart.join(", "),
                "these settings take effect with the next restart"
            );
        }
        if changes.faults {
            crate::assemble::set_faults(gateway.faults(), new);
            let rules = new.faults.rules.len();
            if rules > 0 {
                tracing::warn!(rules, "faults are injected on purpose: calls will fail");
            } else {
                tracing::info!("no faults are configured any more");
            }
        }
        gateway.reload(new.gateway.clone(), new.upstreams.clone()).await;
        tracing::info!(
            added = changes.added.join(", "),
            removed = changes.removed.join(", "),
            changed = changes.changed.join(", "),
            adjusted = changes.adjusted.join(", "),
            "the configuration was reloaded"
        );
    }
}

fn tell(unusable: &Unusable) {
    match unusable {
        Unusable::Unreadable(error) => tracing::error!(%error, "the configuration cannot be read"),
        Unusable::Problems(problems) => {
            for problem in problems.iter().filter(|problem| problem.severity == Severity::Error) {
                tracing::error!(hint = problem.hint.as_deref(), "{problem}");
            }
        }
    }
}
