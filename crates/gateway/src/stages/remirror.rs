//! A modern server over HTTP says that the mirrored arguments do not fit (-32020): its tool has changed since its list
//! was read. The call has not run. The list is read again, and the call is made once more with what it says now.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use trunkline_model::{Call, Era, Fault, ListKind, Outcome};
use trunkline_protocol::bridge;
use trunkline_upstream::Upstream;

use crate::catalog;
use crate::stages::dispatch;

/// How long the new list is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes a refusal of this kind to a second attempt; every other outcome passes through.
pub(crate) async fn settle(
    upstream: &Arc<Upstream>,
    call: &Call,
    target: Option<&str>,
    outcome: Outcome,
) -> Outcome {
    // Boxed: it is rare, and would make every call's future larger.
    if mismatched(&outcome) { Box::pin(again(upstream, call, target)).await } else { outcome }
}

async fn again(upstream: &Arc<Upstream>, call: &Call, target: Option<&str>) -> Outcome {
    // Reading the list anew was begun with the refusal.
    let mut offers = upstream.offer();
    let _ = timeout(PATIENCE, offers.changed()).await;
    let Some(offer) = offers.borrow().clone() else { return never(upstream) };
    let name = target.or_else(|| call.operation.target().map(|name| &**name)).unwrap_or_default();
    let tool = offer.list(ListKind::Tools).iter().find(|item| *item.key == *name);
    let Some(Ok(mirrored)) = tool.map(|tool| catalog::mirrored(ListKind::Tools, tool)) else {
        return never(upstream);
    };
    let extra = match dispatch::headers_of(&mirrored, call) {
        Ok(extra) => extra,
        Err(fault) => return fault.into(),
    };
    tracing::debug!(
        server = &**upstream.name(),
        tool = name,
        "mirrored arguments did not fit; trying once more"
    );
    let outcome = upstream.call(call, target, &extra).await;
    if mismatched(&outcome) { never(upstream) } else { outcome }
}

fn mismatched(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Error(error) if error.era == Era::Modern && error.code == bridge::HEADER_MISMATCH)
}

/// The client has no part in this, and must not be told to mend its headers.
fn never(upstream: &Upstream) -> Outcome {
    Fault::bad_answer(upstream.name(), "it refuses the headers that its own tool list asks for").into()
}
