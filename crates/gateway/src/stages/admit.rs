//! How much: rates, calls at a time, overload. The permit lasts as long as the call.

use trunkline_model::{Call, Fault, Kind, Operation, Outcome, Served, TaskRequest};
use trunkline_policy::limits::{Asked, Limits, Permit, Who};
use trunkline_protocol::{method, rounds};

use crate::stages::authorize::Authorized;
use crate::stages::resolve::Plan;
use crate::view::Current;

/// What may be dispatched: it is allowed, and there is room for it. [`admit`] is the only maker.
#[derive(Debug)]
pub(crate) struct Admitted {
    plan: Authorized<Plan>,
    permit: Option<Permit>,
}

impl Admitted {
    pub(crate) fn get(&self) -> &Plan {
        self.plan.get()
    }

    /// The call has its answer. Its room comes back now, or when the last of a result that still arrives has come.
    pub(crate) fn ended(self, served: Served) -> (Plan, Served) {
        let plan = self.plan.into_inner();
        let Some(mut permit) = self.permit else { return (plan, served) };
        match served {
            Served::Whole(outcome) => {
                if let Some(answered) = answered(&outcome) {
                    permit.ended(answered);
                }
                (plan, Served::Whole(outcome))
            }
            Served::Arriving(arriving) => {
                // How long the rest takes is the caller's doing as well.
                permit.ended(true);
                (plan, Served::Arriving(arriving.holding(permit)))
            }
        }
    }
}

/// Whether the server answered in time; `None` when the outcome says nothing about that.
fn answered(outcome: &Outcome) -> Option<bool> {
    match outcome {
        Outcome::Fault(fault) => (fault.kind == Kind::TimedOut).then_some(false),
        _ => Some(true),
    }
}

/// Finds room for a call, waiting for it within bounds, or refuses.
pub(crate) async fn admit(now: &Current, plan: Authorized<Plan>, call: &Call) -> Result<Admitted, Fault> {
    let Some(limits) = &now.fleet.limits else { return Ok(Admitted { plan, permit: None }) };
    // Taking something back makes room.
    if matches!(call.operation, Operation::Task(TaskRequest::Cancel, _)) {
        return Ok(Admitted { plan, permit: None });
    }
    let permit = Some(ask(limits, now, plan.get(), call).await?);
    Ok(Admitted { plan, permit })
}

async fn ask(limits: &Limits, now: &Current, plan: &Plan, call: &Call) -> Result<Permit, Fault> {
    let server = match plan {
        Plan::One { server, .. } => now.fleet.upstreams.get(*server).map(|one| (*server, one.name())),
        _ => None,
    };
    let tool = match &call.operation {
        Operation::CallTool(name) => Some(&**name),
        _ => None,
    };
    // Whether a state is ours is found out where it is opened; until then it only finds a little more room.
    let goes_on = || rounds::goes_on(&call.params.raw);
    let asked = Asked {
        who: Who::of(&call.caller),
        method: method::of(&call.operation),
        tool,
        server,
        goes_on: &goes_on,
    };
    limits.admit(&asked).await
}
