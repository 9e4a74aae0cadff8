//! The line: one call, from what the client wants to how it ended.

use std::sync::Arc;
use std::time::Instant;

use trunkline_model::{Call, Fault, Outcome, Served};
use trunkline_transport::front::host::ViewName;

use crate::gateway::Gateway;
use crate::results;
use crate::stages::{acquaint, admit, authorize, dispatch, record, resolve};
use crate::tasks::Place;
use crate::view::{Current, View};

/// Runs one call. There is one way in, one snapshot all the way, and one way out.
pub(crate) async fn serve(gateway: &Arc<Gateway>, view: &ViewName, call: &Call) -> Served {
    let began = Instant::now();
    // Lists of a gateway that has only just started would lack the servers that are still starting.
    if !*gateway.settled.borrow() {
        gateway.settled().await;
    }
    let Some(view) = gateway.state.load().view(view).cloned() else {
        return Fault::internal("the view has gone").into();
    };
    // The catalog brings the upstreams that its numbers mean, whatever reloads meanwhile.
    let mut now = view.current.load_full();
    if acquaint::concerns(call) {
        acquaint::make(&view, &now, call).await;
        now = view.current.load_full();
    }
    let (plan, served) = match line(gateway, &view, &now, call).await {
        (None, Served::Whole(Outcome::Fault(fault))) if acquaint::might_help(call, &fault) => {
            acquaint::make(&view, &now, call).await;
            now = view.current.load_full();
            line(gateway, &view, &now, call).await
        }
        ended => ended,
    };
    match served {
        Served::Whole(outcome) => {
            record::finished(gateway, &now, call, plan.as_ref(), &outcome, began.elapsed());
            Served::Whole(outcome)
        }
        Served::Arriving(arriving) => {
            Served::Arriving(record::when_finished(gateway, now, call.clone(), plan, arriving, began))
        }
    }
}

async fn line(gateway: &Gateway, view: &View, now: &Current, call: &Call) -> (Option<resolve::Plan>, Served) {
    let kept = results::asked(&gateway.results, &view.name, call);
    let plan = match kept {
        Some(read) => resolve::Plan::Kept(read),
        None => match resolve::resolve(&now.catalog, &view.cursors, call) {
            Ok(plan) => plan,
            Err(fault) => return (None, gateway.parking.explain(call, fault).into()),
        },
    };
    let plan = match authorize::authorize(plan) {
        Ok(plan) => plan,
        Err(fault) => return (None, fault.into()),
    };
    let plan = match admit::admit(now, plan, call).await {
        Ok(plan) => plan,
        Err(fault) => return (None, fault.into()),
    };
    let place = Place { tasks: &gateway.tasks, view: &view.name, now };
    let served = dispatch::dispatch(gateway, place, &plan, call).await;
    let (plan, served) = plan.ended(served);
    (Some(plan), served)
}
