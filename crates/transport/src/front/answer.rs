//! An outcome in the words of the caller.

use std::time::Duration;

use bytes::Bytes;
use trunkline_model::{Arriving, Era, Fault, Kind, Operation, Outcome, Quota, Reference, Retry, Served};
use trunkline_protocol::fault::{self, Spoken};
use trunkline_protocol::{Message, Revision, bridge, compose};

/// A finished answer and what HTTP must know about it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) message: Message,
    /// The HTTP status that the caller's era demands.
    pub(crate) status: u16,
    /// What comes after the message, which is only its beginning then. Never there for calls that do not pass.
    pub(crate) rest: Option<Box<Rest>>,
    /// What headers say to a caller that may come again later.
    pub(crate) later: Option<Box<Later>>,
}

/// The rest of an answer whose result still arrives.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) arriving: Arriving,
    id: Bytes,
    revision: Revision,
    operation: Operation,
}

/// When a caller that was refused for want of room may come again.
#[derive(Debug)]
pub(crate) struct Later {
    pub(crate) after: Option<Duration>,
    /// The rate limit that refused, if it was one.
    pub(crate) quota: Option<Quota>,
}

impl Later {
    fn of(fault: &Fault) -> Option<Box<Self>> {
        let quota = match &fault.kind {
            Kind::RateLimited(quota) => quota.as_deref().cloned(),
            Kind::Overloaded => None,
            _ => return None,
        };
        let after = match fault.retry {
            Retry::After(wait) => Some(wait),
            Retry::Never | Retry::AtOwnRisk => None,
        };
        Some(Box::new(Self { after, quota }))
    }
}

impl Answer {
    pub(crate) const fn of(message: Message, status: u16) -> Self {
        Self { message, status, rest: None, later: None }
    }

    /// The same answer with all of it in its message: where only whole messages can be said.
    pub(crate) async fn whole(self) -> Self {
        let Some(mut rest) = self.rest else { return self };
        let mut out = self.message.into_bytes().to_vec();
        loop {
            match rest.arriving.piece().await {
                Some(Ok(piece)) => out.extend_from_slice(&piece),
                Some(Err(fault)) => {
                    return after_dispatch(&rest.id, &fault, rest.revision.era(), &rest.operation);
                }
                None => {
                    out.extend_from_slice(compose::RESULT_TAIL);
                    return Self::of(Message::One(Bytes::from(out)), 200);
                }
            }
        }
    }
}

/// The answer to a request with this id, whether all of it has come or not.
pub(crate) fn served(id: &Bytes, served: Served, revision: Revision, operation: &Operation) -> Answer {
    let arriving = match served {
        Served::Whole(ended) => return outcome(id, &ended, revision, operation),
        Served::Arriving(arriving) => arriving,
    };
    let rest = Rest { arriving, id: id.clone(), revision, operation: operation.clone() };
    Answer {
        message: Message::One(compose::result_head(id)),
        status: 200,
        rest: Some(Box::new(rest)),
        later: None,
    }
}

/// The answer to a request with this id.
pub(crate) fn outcome(id: &[u8], outcome: &Outcome, revision: Revision, operation: &Operation) -> Answer {
    let era = revision.era();
    match outcome {
        Outcome::Result(reply) => match bridge::trimmed(reply, revision, operation) {
            Ok(trimmed) => Answer::of(compose::trimmed_result(id, &trimmed), 200),
            Err(refusal) => after_dispatch(id, &refusal, era, operation),
        },
        // The server needs what this client does not offer; the model should learn that rather than a code of an era
        // that the client never heard of.
        Outcome::Error(error) if error.code == bridge::MISSING_CAPABILITY && lacks(era, operation) => {
            let (text, needed) = bridge::missing_capability(&error.raw);
            let mut refusal = Fault::client(Kind::MissingCapability(needed.into()), text);
            refusal.side = trunkline_model::Side::Upstream;
            after_dispatch(id, &refusal, era, operation)
        }
        Outcome::Error(error) => {
            // What the skills extension addresses has one code in every revision (SEP-2640, "Error Handling").
            let (code, object) = match operation {
                Operation::GetSkill(uri) | Operation::ReadDirectory(uri) => {
                    bridge::error(error, Era::Modern, Some(uri))
                }
                _ => bridge::error(error, era, resource(operation)),
            };
            let status = match code {
                bridge::MISSING_CAPABILITY if era == Era::Modern => 400,
                bridge::METHOD_NOT_FOUND if era == Era::Modern => 404,
                _ => 200,
            };
            Answer::of(compose::error(Some(id), &object), status)
        }
        Outcome::Fault(fault) => after_dispatch(id, fault, era, operation),
    }
}

/// The resource that an operation is about.
fn resource(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::ReadResource(uri)
        | Operation::Subscribe(uri)
        | Operation::Unsubscribe(uri)
        | Operation::Complete(Reference::Resource(uri)) => Some(uri),
        _ => None,
    }
}

fn lacks(era: Era, operation: &Operation) -> bool {
    era == Era::Legacy && matches!(operation, Operation::CallTool(_))
}

fn after_dispatch(id: &[u8], fault: &Fault, era: Era, operation: &Operation) -> Answer {
    let status = match (&fault.kind, era) {
        (Kind::UnknownMethod, Era::Modern) => 404,
        (Kind::HeaderMismatch | Kind::MissingCapability(_), Era::Modern) => 400,
        // Modern clients read the error in the body of any status; some legacy ones give up their whole session at a
        // status that is not 2xx, and the others lose the error (decision 0057).
        (Kind::RateLimited(_) | Kind::Overloaded, Era::Modern) => fault::http_status(&fault.kind),
        _ => 200,
    };
    match fault::speak(fault, era, Some(operation)) {
        Spoken::Error(_, object) => {
            let message = compose::error(Some(id), &object);
            Answer { later: Later::of(fault), ..Answer::of(message, status) }
        }
        Spoken::ToolResult(raw) => result(id, &raw),
    }
}

/// The answer to a request that was refused before anything was done about it.
pub(crate) fn refusal(id: Option<&[u8]>, fault: &Fault, era: Era) -> Answer {
    let object = match fault::speak(fault, era, None) {
        Spoken::Error(_, object) | Spoken::ToolResult(object) => object,
    };
    let (message, status) = (compose::error(id, &object), fault::http_status(&fault.kind));
    Answer { later: Later::of(fault), ..Answer::of(message, status) }
}

/// A result of our own.
pub(crate) fn result(id: &[u8], raw: &Bytes) -> Answer {
    Answer::of(compose::result(id, raw), 200)
}
