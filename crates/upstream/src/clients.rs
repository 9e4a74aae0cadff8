//! What the gateway must know of a member on behalf of one client: whether it may be asked something, what it is shown
//! besides, and what its own session hears of.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use trunkline_model::{Call, Caller, Era, Fault, Offers, Text};
use trunkline_protocol::{compose, method, rounds};

use crate::member::Member;
use crate::options::SessionScope;
use crate::pool::{Key, Pool};
use crate::session::asks_during;

impl Member {
    /// Whether the server of a call may ask its caller something while it runs, or did so before: a legacy server, and a
    /// caller that can be asked or answers. Waits for a server that is only starting, for then its era is not known.
    ///
    /// # Errors
    /// When the server does not come up.
    pub(crate) async fn may_ask(&self, call: &Call) -> Result<bool, Fault> {
        if !asks_during(&call.operation) {
            return Ok(false);
        }
        if call.caller.offers.is_none() && !rounds::mentions_state(&call.params.raw) {
            return Ok(false);
        }
        let known = self.era().or_else(|| self.shared.status.borrow().era);
        let era = match known {
            Some(era) => era,
            None => self.session().await?.era(),
        };
        Ok(era == Era::Legacy)
    }

    /// Makes sure, within `patience`, that what the server offers only to clients with these offers is in its [`Offer`].
    /// Costs nothing once it is known, and for servers whose lists do not depend on the client.
    pub(crate) async fn look_for(&self, offers: Offers, patience: Duration) {
        let shared = &self.shared;
        let known = offers.is_none() || shared.extras.looked.borrow().contains(&offers);
        let asks = shared.options.sessions != SessionScope::Shared;
        let legacy = shared.session.load().as_ref().is_some_and(|session| session.era() == Era::Legacy);
        if !known && asks && legacy {
            let _ = timeout(patience, Pool::look(shared, offers)).await;
        }
    }

    /// Whether a client has a session of its own with this server, if it is a legacy one.
    pub(crate) fn keeps_own(&self, caller: &Caller) -> bool {
        let legacy = self.shared.status.borrow().era == Some(Era::Legacy);
        legacy && Pool::own(self.shared.options.sessions, caller).is_some()
    }

    /// Says whether a client wants to hear of a resource on its own session, which is opened if need be.
    pub(crate) fn want_own(&self, caller: &Arc<Caller>, uri: &Text, wanted: bool) {
        let Some(key @ Key::Stay(number)) = Pool::own(self.shared.options.sessions, caller) else { return };
        self.shared.pool.want(number, uri, wanted);
        if wanted {
            self.shared.pool.open(&self.shared, key, caller);
        }
    }

    /// Tells the server that the roots of a client have changed, where the client has a session of its own.
    pub(crate) fn roots_changed(&self, stay: u64) {
        if let Some(session) = self.shared.pool.of_stay(stay) {
            let message = compose::notification(method::ROOTS_CHANGED, &Bytes::new());
            session.wire.tell_soon(message, session.headers());
        }
    }
}
