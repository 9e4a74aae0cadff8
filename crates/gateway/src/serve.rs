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
pub(crate) async fn serve(gateway: Arc<Gateway>, view: ViewName, call: Call) -> Served {
    let began = Instant::now();
    // Lists of a gateway that has only just started would lack the servers that are still starting.
    if !*gateway.settled.borrow() {
        gateway.settled().await;
    }
    let Some(view) = gateway.state.load().view(&view).cloned() else {
        return Fault::internal("the view has gone").into();
    };
    // The catalog brings the upstreams that its numbers mean, whatever reloads meanwhile.
    let mut now = view.current.load_full();
    if acquaint::concerns(&call) {
        // Boxed, like all that is rare here: it would make every call's future larger.
        Box::pin(acquaint::make(&view, &now, &call)).await;
        now = view.current.load_full();
    }
    let (plan, served) = match line(&gateway, &view, &now, &call).await {
        (None, Served::Whole(Outcome::Fault(fault))) if acquaint::might_help(&call, &fault) => {
            Box::pin(acquaint::make(&view, &now, &call)).await;
            now = view.current.load_full();
            Box::pin(line(&gateway, &view, &now, &call)).await
        }
        ended => ended,
    };
    match served {
        Served::Whole(outcome) => {
            record::finished(&gateway, &now, &call, plan.as_ref(), &outcome, began.elapsed());
            Served::Whole(outcome)
        }
        Served::Arriving(arriving) => {
            Served::Arriving(record::when_finished(&gateway, now, call, plan, arriving, began))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Each call's future is made on the stack and then copied to where it stays, with all the room that it may need one day.
    const FUTURE_BYTES_MAX: usize = 4 * 1024;

    fn size_of_future<A, B, C, F: Future>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_future_of_a_call_is_small() {
        let size = size_of_future(serve);
        assert!(size <= FUTURE_BYTES_MAX, "{size} bytes: box what is rare");
    }
}
