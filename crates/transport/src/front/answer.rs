//! An outcome in the words of the caller.

use bytes::Bytes;
use trunkline_model::{Arriving, Era, Fault, Kind, Operation, Outcome, Reference, Served};
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
}

/// The rest of an answer whose result still arrives.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) arriving: Arriving,
    id: Bytes,
    revision: Revision,
    operation: Operation,
}

impl Answer {
    pub(crate) const fn of(message: Message, status: u16) -> Self {
        Self { message, status, rest: None }
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
    Answer { message: Message::One(compose::result_head(id)), status: 200, rest: Some(Box::new(rest)) }
}

/// The answer to a request with this id.
pub(crate) fn outcome(id: &[u8], outcome: &Outcome, revision: Revision, operation: &Operation) -> Answer {
    let era = revision.era();
    match outcome {
        Outcome::Result(reply) => match bridge::result(reply, revision, operation) {
            Ok(raw) => result(id, &raw),
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
        _ => 200,
    };
    match fault::speak(fault, era, Some(operation)) {
        Spoken::Error(_, object) => Answer::of(compose::error(Some(id), &object), status),
        Spoken::ToolResult(raw) => result(id, &raw),
    }
}

/// The answer to a request that was refused before anything was done about it.
pub(crate) fn refusal(id: Option<&[u8]>, fault: &Fault, era: Era) -> Answer {
    let object = match fault::speak(fault, era, None) {
        Spoken::Error(_, object) | Spoken::ToolResult(object) => object,
    };
    Answer::of(compose::error(id, &object), fault::http_status(&fault.kind))
}

/// A result of our own.
pub(crate) fn result(id: &[u8], raw: &Bytes) -> Answer {
    Answer::of(compose::result(id, raw), 200)
}
