//! Calls that a 2025-11-25 server refuses until its user has visited some pages (error -32042, URL elicitation
//! required). Nothing runs meanwhile: the retry simply makes the call again, once.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use trunkline_model::{Call, Era, Fault, Kind, Offers, Outcome, Reply, Text};
use trunkline_protocol::{asks, bridge, rounds};

use super::refusals::lacking;
use super::seal::Sealed;
use super::{Parked, Parking, Place, expiry};

/// The visits that one call waits for.
pub(super) struct Visits {
    pub(super) id: [u8; 16],
    state: String,
    method: Text,
    pages: Vec<(String, Bytes)>,
    refusal: Outcome,
    /// Tells whoever watches over the time that it was answered.
    over: DropGuard,
}

/// What a retry amounts to.
pub(super) enum Heard {
    /// Every page was visited, or will be: the call is made again.
    GoOn,
    /// The user does not want to; this is the outcome.
    Refused(Outcome),
    /// It answers nothing yet; it is told this, and may come again.
    Again(Outcome),
}

/// The visits that an outcome demands of a client that can be asked for them.
pub(super) fn demanded(call: &Call, outcome: &Outcome) -> Option<Visits> {
    let Outcome::Error(error) = outcome else { return None };
    let ours = error.era == Era::Legacy && error.code == bridge::URL_ELICITATION;
    if !ours || !call.caller.offers.has(Offers::URL) {
        return None;
    }
    let pages: Vec<(String, Bytes)> = rounds::demanded_visits(&error.raw)
        .into_iter()
        .enumerate()
        .map(|(at, params)| (format!("elicit_{}", at + 1), params))
        .collect();
    if pages.is_empty() {
        return None;
    }
    let mut id = [0; 16];
    id.copy_from_slice(&trunkline_runtime::random_key()[..16]);
    Some(Visits {
        id,
        state: String::new(),
        method: Text::from(asks::ELICIT),
        pages,
        refusal: outcome.clone(),
        over: CancellationToken::new().drop_guard(),
    })
}

impl Visits {
    pub(super) fn under(self, state: String) -> Self {
        Self { state, ..self }
    }

    /// Cancelled when the visits wait no longer.
    pub(super) fn over(&self) -> CancellationToken {
        self.over.token().clone()
    }

    /// The result that asks for all of them.
    pub(super) fn questions(&self) -> Outcome {
        let all = self.pages.iter().map(|(key, params)| (key.as_str(), &self.method, params));
        Outcome::Result(Reply { raw: rounds::input_required(all, &self.state), era: Era::Modern })
    }

    pub(super) fn answered(&self, call: &Call, responses: &Bytes) -> Heard {
        if !call.caller.offers.has(Offers::URL) {
            return Heard::Again(lacking(asks::ELICIT, b"{\"mode\":\"url\"}"));
        }
        let answers: Vec<Option<Bytes>> =
            self.pages.iter().map(|(key, _)| rounds::response(responses, key, asks::ELICIT)).collect();
        if answers.iter().any(Option::is_none) {
            return Heard::Again(self.questions());
        }
        if answers.iter().flatten().all(|raw| rounds::is_accepted(raw)) {
            return Heard::GoOn;
        }
        let text = match &self.refusal {
            Outcome::Error(error) => bridge::message_of(&error.raw),
            _ => None,
        };
        let text = text.unwrap_or_else(|| "the server wants a page to be visited first".to_owned());
        Heard::Refused(Fault::client(Kind::CannotBridge, format!("declined: {text}")).into())
    }
}

impl Parking {
    /// Parks a call that was refused until pages are visited; `None` when there is no room.
    pub(super) fn park_visits(self: &Arc<Self>, place: Place, visits: Visits) -> Option<Outcome> {
        let id = visits.id;
        let Place { binding, wait } = place;
        let expires = expiry(wait);
        let state = self.sealer.seal(&Sealed { exchange: id, round: 0, expires, binding });
        let visits = Arc::new(visits.under(state));
        let questions = visits.questions();
        let over = visits.over();
        {
            let mut exchanges = self.exchanges();
            if exchanges.len() >= self.max {
                return None;
            }
            exchanges.insert(id, Parked::Visits(visits));
        }
        let parking = Arc::downgrade(self);
        // Not among the tracked tasks: it holds nothing that an orderly end would have to wait for.
        tokio::spawn(async move {
            tokio::select! {
                () = sleep(wait) => {}
                () = over.cancelled() => return,
            }
            if let Some(parking) = parking.upgrade() {
                parking.leave(&id);
            }
        });
        Some(questions)
    }
}
