//! The line: one call, from what the client wants to how it ended.

use std::time::Instant;

use trunkline_model::{Call, Fault, Outcome};
use trunkline_transport::front::host::ViewName;

use crate::gateway::Gateway;
use crate::stages::{authorize, dispatch, record, resolve};

/// Runs one call. There is one way in, one snapshot all the way, and one way out.
pub(crate) async fn serve(gateway: &Gateway, view: &ViewName, call: Call) -> Outcome {
    let began = Instant::now();
    let (plan, outcome) = line(gateway, view, &call).await;
    record::finished(gateway, &call, plan.as_ref(), &outcome, began.elapsed());
    outcome
}

async fn line(gateway: &Gateway, view: &ViewName, call: &Call) -> (Option<resolve::Plan>, Outcome) {
    // Lists of a gateway that has only just started would lack the servers that are still starting.
    if !*gateway.settled.borrow() {
        gateway.settled().await;
    }
    let now = gateway.state.load_full();
    let Some(view) = now.view(view) else {
        return (None, Fault::internal("the view has gone").into());
    };
    let catalog = view.catalog.load_full();
    let plan = match resolve::resolve(&catalog, &view.cursors, call) {
        Ok(plan) => plan,
        Err(fault) => return (None, fault.into()),
    };
    let plan = match authorize::authorize(plan) {
        Ok(plan) => plan,
        Err(fault) => return (None, fault.into()),
    };
    let outcome = dispatch::dispatch(&now, &catalog, &plan, call).await;
    (Some(plan.into_inner()), outcome)
}
