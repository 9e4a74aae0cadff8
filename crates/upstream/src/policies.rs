//! What of an upstream may change while it runs, compiled.

use std::sync::Arc;

use trunkline_observe::metrics::UpstreamHandle;
use trunkline_protocol::list::Item;

use crate::breaker::Circuits;
use crate::manner::Manner;
use crate::options::Live;

/// What of an upstream may change while it runs, compiled. A call reads it once.
#[derive(Debug, Default)]
pub struct Policies {
    live: Live,
    pub(crate) circuits: Option<Arc<Circuits>>,
}

impl Policies {
    /// `old` is what was in force before; what is decided as before goes on where it stands.
    pub(crate) fn new(
        server: &Arc<str>,
        live: Live,
        meter: &UpstreamHandle,
        old: Option<&Self>,
    ) -> Arc<Self> {
        let kept = old.filter(|old| old.live.breaker == live.breaker).map(|old| old.circuits.clone());
        let circuits = kept.unwrap_or_else(|| {
            let options = live.breaker.clone()?;
            Some(Circuits::new(Arc::clone(server), options, meter.clone()))
        });
        Arc::new(Self { live, circuits })
    }

    /// The options behind it.
    pub const fn live(&self) -> &Live {
        &self.live
    }

    /// How calls of a tool are carried out. Asked when a catalog is built, never during a call.
    pub fn manner(&self, tool: &Item) -> Manner {
        Manner { breaker: self.circuits.as_ref().and_then(|circuits| circuits.tool(&tool.key)) }
    }
}
