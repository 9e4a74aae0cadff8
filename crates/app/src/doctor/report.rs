//! What was found out about one server.

use std::sync::Arc;

use trunkline_model::{Era, ListKind};
use trunkline_upstream::breaker::{Circuit, State};
use trunkline_upstream::{Offer, Options, Phase, Status};

/// What was found out about one server.
pub(crate) struct Report {
    /// The operator's name for it.
    pub(super) name: Arc<str>,
    /// `stdio` or `http`.
    pub(super) transport: &'static str,
    /// Its state at the end of the examination.
    pub(super) status: Status,
    /// What it offers.
    pub(super) offer: Option<Arc<Offer>>,
    /// How its circuit breakers stand: closed, unless the operator decreed something else.
    pub(super) circuit: Option<Circuit>,
}

impl Report {
    /// The report on a server with these options.
    pub(super) fn new(
        options: &Options,
        status: Status,
        offer: Option<Arc<Offer>>,
        circuit: Option<Circuit>,
    ) -> Self {
        let transport = options.reach.transport();
        Self { name: Arc::clone(&options.name), transport, status, offer, circuit }
    }

    /// What an operator may have forgotten: that no call reaches the server, or that every one does.
    pub(super) fn decree(&self) -> Option<&'static str> {
        let circuit = self.circuit.as_ref().filter(|circuit| circuit.forced)?;
        Some(match circuit.state {
            State::Closed => "`circuitBreaker.force: closed` lets every call through, however many fail",
            State::Open | State::HalfOpen => "`circuitBreaker.force: open` keeps every call from it",
        })
    }

    /// Whether it answers and all of its lists could be read.
    pub(crate) fn is_well(&self) -> bool {
        matches!(self.status.phase, Phase::Ready | Phase::Idle)
    }

    /// Why it is not well.
    pub(super) fn reason(&self) -> Option<&str> {
        match &self.status.phase {
            Phase::Starting => Some("it did not start in time"),
            phase => phase.reason(),
        }
    }

    /// The era spoken.
    pub(super) fn era(&self) -> Option<&'static str> {
        self.status.era.map(Era::as_str)
    }

    /// The revision spoken.
    pub(super) fn revision(&self) -> Option<&'static str> {
        self.offer.as_ref().map(|offer| offer.introduction.revision.as_str())
    }

    /// The handshake, in milliseconds.
    pub(super) fn handshake_ms(&self) -> Option<u64> {
        self.status.handshake.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
    }

    /// How many items of a kind it has.
    pub(super) fn count(&self, kind: ListKind) -> Option<usize> {
        self.offer.as_ref().map(|offer| offer.list(kind).len())
    }
}
