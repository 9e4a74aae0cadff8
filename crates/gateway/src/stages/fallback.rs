//! A call whose server is not available, and which certainly did not begin there: the declared fallback answers in its
//! place, and the answer says so.

use trunkline_model::{Call, Era, Outcome, Reply};
use trunkline_protocol::{asks, meta, rounds};
use trunkline_upstream::Upstream;

use crate::catalog::Fallback;
use crate::stages::{dispatch, drive};
use crate::tasks::Place;

/// What the fallback answers; `None` when it is not available either.
pub(crate) async fn answered(
    place: Place<'_>,
    asked: &Upstream,
    fallback: &Fallback,
    call: &Call,
) -> Option<Outcome> {
    let upstream = place.now.fleet.upstreams.get(fallback.server)?;
    // It goes on with what the other server asked, in a state that this one never gave.
    if rounds::goes_on(&call.params.raw) {
        return None;
    }
    // The headers that mirror its arguments are its own; the client's were for the other.
    let call = Call { mirrored: None, ..call.clone() };
    let extra = dispatch::headers_of(&fallback.mirrored, &call).ok()?;
    tracing::debug!(server = &**asked.name(), fallback = &**upstream.name(), "the fallback answers");
    let target = Some(&*fallback.name);
    let outcome = upstream.call_as(&fallback.manner, &call, target, &extra).await;
    let outcome = drive::drive(upstream, &call, target, &extra, outcome).await;
    match outcome {
        Outcome::Fault(fault) if fault.unbegun => None,
        // It has not run the call, and the client would come back with the answers to the other server.
        outcome if asks_client(&outcome) => None,
        Outcome::Result(reply) => {
            asked.fell_back();
            let raw = meta::noted(&reply.raw, meta::ANSWERED_BY, upstream.name());
            Some(Outcome::Result(Reply { raw, era: reply.era }))
        }
        other => {
            asked.fell_back();
            Some(other)
        }
    }
}

/// Whether an outcome puts questions to the client, who answers with another request. Those to legacy clients were put and
/// answered before.
fn asks_client(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Result(reply) => reply.era == Era::Modern && asks::wanted(&reply.raw).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn questions_of_the_one_that_stands_in_are_no_answer() {
        for (raw, era, asks) in [
            (r#"{"resultType":"input_required","inputRequests":{},"requestState":"s"}"#, Era::Modern, true),
            (r#"{"resultType":"complete","content":[]}"#, Era::Modern, false),
            (r#"{"content":[]}"#, Era::Legacy, false),
        ] {
            let reply = Reply { raw: Bytes::from_static(raw.as_bytes()), era };
            assert_eq!(asks_client(&Outcome::Result(reply)), asks, "{raw}");
        }
    }
}
