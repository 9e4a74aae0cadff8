//! What the end of an exchange means: an outcome for the caller, or that the conversation was over before the call began.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use trunkline_model::{Arriving, Era, Fault, Operation, Outcome, PeerError, Reply, Served};
use trunkline_protocol::bridge;
use trunkline_transport::back::{Answered, Exchanged, Refusal, WireError};

use crate::flowing::Flowing;
use crate::session::{Lost, Session};

impl Session {
    pub(crate) fn outcome(
        &self,
        ended: Result<Exchanged, WireError>,
        operation: &Operation,
    ) -> Result<Served, Lost> {
        let outcome = match ended {
            Ok(Exchanged::Whole(answered)) => self.admitted(self.read(&answered)),
            Ok(Exchanged::Arriving(incoming)) => {
                let (idle, total) = (self.timeouts.idle, self.timeouts.total);
                let flowing = Flowing::new(&self.server, incoming, reads(operation), idle, total);
                return Ok(Served::Arriving(Arriving::new(flowing)));
            }
            Err(WireError::NotSent(why)) => Err(Lost(why)),
            Err(WireError::Refused(refusal)) => self.refused(&refusal, operation),
            Err(error) => Ok(failed(&self.server, error, reads(operation)).into()),
        };
        outcome.map(Served::Whole)
    }

    /// Two errors of a modern server are about us and not about the call: it did not run, and the client must never
    /// see them.
    fn admitted(&self, outcome: Outcome) -> Result<Outcome, Lost> {
        match &outcome {
            Outcome::Error(error)
                if error.era == Era::Modern && error.code == bridge::UNSUPPORTED_VERSION =>
            {
                Err(Lost("the server does not speak the agreed revision any more".to_owned()))
            }
            Outcome::Error(error) if error.era == Era::Modern && error.code == bridge::HEADER_MISMATCH => {
                // The schema that says what to mirror must have changed.
                self.stray.stir(trunkline_model::ListKind::Tools);
                Ok(outcome)
            }
            _ => Ok(outcome),
        }
    }

    fn read(&self, answered: &Answered) -> Outcome {
        let message = &answered.message;
        match (&message.result, &message.error) {
            (Some(span), _) if message.at(span).starts_with(b"{") => {
                Outcome::Result(Reply { raw: message.share(span), era: self.era() })
            }
            (None, Some(span)) => self.peer_error(message.share(span)),
            _ => Fault::bad_answer(&self.server, "the result is not an object").into(),
        }
    }

    fn peer_error(&self, raw: Bytes) -> Outcome {
        if !raw.starts_with(b"{") {
            return Fault::bad_answer(&self.server, "the error is not an object").into();
        }
        Outcome::Error(PeerError { code: bridge::code_of(&raw), raw, era: self.era() })
    }

    fn refused(&self, refusal: &Refusal, operation: &Operation) -> Result<Outcome, Lost> {
        let error = refusal.message.as_ref().and_then(|m| m.error.clone().map(|span| (m, span)));
        // An error that names our request, or comes from a server without sessions, is the answer itself.
        if let Some((message, span)) = &error
            && (message.id_number().is_some() || self.session_id.is_none())
        {
            return self.admitted(self.peer_error(message.share(span)));
        }
        // TypeScript servers answer a dead session with 400, the others with 404 (measured, bridging.md 3.2).
        if self.session_id.is_some() && matches!(refusal.status, 400 | 404) {
            return Err(Lost(format!("the server ended the session (HTTP {})", refusal.status)));
        }
        let reason = format!("it answered HTTP {}", refusal.status);
        Ok(match refusal.status {
            401 | 403 | 429 | 503 => {
                let after = retry_after(refusal).unwrap_or(Duration::from_secs(5));
                Fault::unavailable(&self.server, &reason, after).into()
            }
            500.. => broken(&self.server, reason, reads(operation)).into(),
            _ => Fault::bad_answer(&self.server, reason).into(),
        })
    }
}

/// Whether an operation only reads, so that a caller may repeat it.
fn reads(operation: &Operation) -> bool {
    !matches!(operation, Operation::CallTool(_) | Operation::Other(_))
}

/// What it means that a request was sent and did not come to its end.
pub(crate) fn failed(server: &Arc<str>, error: WireError, reads: bool) -> Fault {
    match error {
        WireError::Broken(why) | WireError::NotSent(why) => broken(server, why, reads),
        WireError::TooLarge(limit) => Fault::result_too_large(server, limit),
        error @ (WireError::Invalid(_) | WireError::Refused(_)) => {
            Fault::bad_answer(server, error.to_string())
        }
    }
}

/// The connection broke during the call. Reading twice does no harm, so the caller may; running twice might.
fn broken(server: &Arc<str>, why: String, reads: bool) -> Fault {
    if reads {
        let mut fault = Fault::unavailable(server, "the connection broke", Duration::from_secs(1));
        fault.detail = why;
        return fault;
    }
    Fault::outcome_unknown(server, why)
}

fn retry_after(refusal: &Refusal) -> Option<Duration> {
    let value = refusal.headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(|secs: u64| Duration::from_secs(secs.min(3600)))
}
