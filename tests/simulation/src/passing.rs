//! The gateway as a front sees it whose wire can hand on results while they arrive: what comes in pieces is gathered
//! here, and it is known since when its client has had some of it.

use std::sync::{Arc, PoisonError, Weak};

use tokio::time::Instant;
use trunkline_gateway::Gateway;
use trunkline_model::{Call, Caller, Fault, Operation, Outcome, Reply, Served, Text};
use trunkline_transport::front::host::{
    BoxFuture, Changes, Host, Introduced, Subscription, TaskWatch, ViewName,
};

use crate::world::World;

/// A gateway, and the world that it is in.
pub(crate) struct Passing {
    gateway: Arc<Gateway>,
    world: Weak<World>,
}

impl Passing {
    pub(crate) fn new(gateway: Arc<Gateway>, world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self { gateway, world: Arc::downgrade(world) })
    }

    fn handed_on(&self, call: &str) {
        if let Some(world) = self.world.upgrade() {
            let mut known = world.handed_on.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(call.to_owned()).or_insert_with(Instant::now);
        }
    }
}

/// The name of a call, which is in its arguments.
fn name(call: &Call) -> Option<String> {
    let params: serde_json::Value = serde_json::from_slice(&call.params.raw).ok()?;
    Some(params["arguments"]["call"].as_str()?.to_owned())
}

impl Host for Passing {
    fn has_view(&self, view: &ViewName) -> bool {
        self.gateway.has_view(view)
    }

    fn serve(self: Arc<Self>, view: ViewName, mut call: Call) -> BoxFuture<Served> {
        let named = name(&call).filter(|_| matches!(call.operation, Operation::CallTool(_)));
        let Some(named) = named else { return Arc::clone(&self.gateway).serve(view, call) };
        let era = call.caller.era;
        call.passes = true;
        Box::pin(async move {
            let mut arriving = match Arc::clone(&self.gateway).serve(view, call).await {
                Served::Arriving(arriving) => arriving,
                whole @ Served::Whole(_) => return whole,
            };
            let mut raw = Vec::new();
            loop {
                match arriving.piece().await {
                    Some(Ok(piece)) => {
                        self.handed_on(&named);
                        raw.extend_from_slice(&piece);
                    }
                    Some(Err(fault)) => return Served::Whole(Outcome::Fault(fault)),
                    None => return Served::Whole(Outcome::Result(Reply { raw: raw.into(), era })),
                }
            }
        })
    }

    fn greet(self: Arc<Self>, view: ViewName) -> BoxFuture<Introduced> {
        Arc::clone(&self.gateway).greet(view)
    }

    fn subscribe(
        &self,
        view: &ViewName,
        caller: Option<&Arc<Caller>>,
        uri: &Text,
    ) -> Result<Box<dyn Subscription>, Fault> {
        self.gateway.subscribe(view, caller, uri)
    }

    fn watch_tasks(self: Arc<Self>, view: &ViewName, caller: &Arc<Caller>, ids: &[Text]) -> TaskWatch {
        Arc::clone(&self.gateway).watch_tasks(view, caller, ids)
    }

    fn unparked(self: Arc<Self>) -> BoxFuture<()> {
        Arc::clone(&self.gateway).unparked()
    }

    fn roots_changed(&self, view: &ViewName, caller: &Arc<Caller>) {
        self.gateway.roots_changed(view, caller);
    }

    fn changes(&self, view: &ViewName) -> Option<Changes> {
        self.gateway.changes(view)
    }
}
