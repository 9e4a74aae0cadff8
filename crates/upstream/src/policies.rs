//! What of an upstream may change while it runs, compiled.

use std::sync::Arc;

use tokio::time::Instant;
use trunkline_observe::metrics::UpstreamHandle;
use trunkline_protocol::annotations::{self, Hints};
use trunkline_protocol::list::Item;

use crate::breaker::Circuits;
use crate::manner::Manner;
use crate::options::Live;
use crate::retry::Retry;

/// What of an upstream may change while it runs, compiled. A call reads it once.
#[derive(Debug, Default)]
pub struct Policies {
    live: Live,
    pub(crate) circuits: Option<Arc<Circuits>>,
    pub(crate) retry: Option<Arc<Retry>>,
}

impl Policies {
    /// `old` is what was in force before; what is decided as before goes on where it stands.
    /// `calls` is how many the upstream had so far.
    pub(crate) fn new(
        server: &Arc<str>,
        live: Live,
        meter: &UpstreamHandle,
        old: Option<&Self>,
        calls: u64,
    ) -> Arc<Self> {
        let kept = old.filter(|old| old.live.breaker == live.breaker).map(|old| old.circuits.clone());
        let circuits = kept.unwrap_or_else(|| {
            let options = live.breaker.clone()?;
            Some(Circuits::new(Arc::clone(server), options, meter.clone()))
        });
        let kept = old.filter(|old| old.live.retry == live.retry).map(|old| old.retry.clone());
        let retry =
            kept.unwrap_or_else(|| Some(Arc::new(Retry::new(live.retry.clone()?, calls, Instant::now()))));
        Arc::new(Self { live, circuits, retry })
    }

    /// The options behind it.
    pub const fn live(&self) -> &Live {
        &self.live
    }

    /// How calls of a tool are carried out. Asked when a catalog is built, never during a call.
    pub fn manner(&self, tool: &Item) -> Manner {
        let breaker = self.circuits.as_ref().and_then(|circuits| circuits.tool(&tool.key));
        let trusted = self
            .retry
            .as_ref()
            .is_some_and(|retry| retry.options.trust_annotations || retry.options.tools.admit(&tool.key));
        let hints = if trusted { annotations::hints(&tool.raw) } else { Hints::default() };
        Manner { breaker, repeats: hints.read_only || hints.idempotent, hedges: hints.read_only }
    }
}
