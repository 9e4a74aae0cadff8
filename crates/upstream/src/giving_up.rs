//! Telling a server that a request was given up.

use std::sync::Arc;

use bytes::Bytes;
use trunkline_model::Era;
use trunkline_protocol::{compose, method};

use crate::hearing::Hearing;
use crate::session::Session;

/// Tells the server when a request is given up before it ended, and takes it out of the running calls in any case.
pub(crate) struct GivingUp<'a> {
    session: &'a Session,
    id: u64,
    tracked: bool,
    over: bool,
}

impl<'a> GivingUp<'a> {
    /// For a client's call.
    pub(crate) fn call(session: &'a Session, id: u64, hearing: Option<&Arc<Hearing>>) -> Self {
        // Pipes leave it open which call a log message belongs to, and where the server may ask it may do so on any stream.
        let tracked = !session.wire.drop_tells() || session.stray.relays();
        if tracked {
            session.stray.began(id, hearing);
        }
        Self { session, id, tracked, over: false }
    }

    /// For a request of the gateway's own, which is nobody's call: counted among them, a listen request would be the
    /// "only running call" for ever.
    pub(crate) const fn own(session: &'a Session, id: u64) -> Self {
        Self { session, id, tracked: false, over: false }
    }

    /// The request has ended: there is nothing to give up.
    pub(crate) fn over(mut self) {
        self.over = true;
    }
}

impl Drop for GivingUp<'_> {
    fn drop(&mut self) {
        match (self.tracked, self.over) {
            (true, true) => self.session.stray.finished(self.id),
            (true, false) => self.session.stray.gave_up(self.id),
            (false, _) => {}
        }
        let told_by_closing = self.session.wire.drop_tells() && self.session.era() == Era::Modern;
        if !self.over && !told_by_closing {
            let params = format!("{{\"requestId\":{},\"reason\":\"the caller gave up\"}}", self.id);
            let message = compose::notification(method::CANCELLED, &Bytes::from(params));
            self.session.wire.tell_soon(message, self.session.headers());
        }
    }
}
