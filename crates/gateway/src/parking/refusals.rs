//! What a retry is told that cannot go on.

use trunkline_model::{Fault, Kind, Offers, Outcome, StateProblem};
use trunkline_protocol::offers;

pub(super) fn bad_state(problem: StateProblem) -> Outcome {
    refusal(problem).into()
}

pub(super) fn refusal(problem: StateProblem) -> Fault {
    let text = match problem {
        StateProblem::Invalid => "params.requestState is not one that this server gave out",
        StateProblem::Expired => "the call waited too long for its answers and was given up; start it again",
        StateProblem::Mismatch => {
            "params.requestState belongs to another call: repeat the same request with it"
        }
        StateProblem::Reused => {
            "params.requestState was answered already; use the newest one, or start again"
        }
        StateProblem::InstanceLost => {
            "the server process that held this call is gone; the call may or may not have run"
        }
    };
    Fault::client(Kind::BadState(problem), text)
}

pub(super) fn lacking(method: &str, params: &[u8]) -> Outcome {
    let needed = offers::needed(method, params).unwrap_or(Offers::NONE);
    let needed = String::from_utf8_lossy(&offers::declared(needed)).into_owned();
    let text = format!("the call waits for an answer to {method}, which this client no longer offers");
    Fault::client(Kind::MissingCapability(needed.into()), text).into()
}
