//! The gateway as the fronts see it.

use std::sync::Arc;

use trunkline_model::{Call, Caller, Change, Fault, Kind, Served, Text};
use trunkline_runtime::boxed;
use trunkline_transport::front::host::{
    BoxFuture, Changes, Host, Introduced, Subscription, TaskWatch, ViewName,
};

use crate::gateway::Gateway;
use crate::status;
use crate::subscriptions::Subscriptions;
use crate::tasks;

impl Host for Gateway {
    fn has_view(&self, view: &ViewName) -> bool {
        self.state.load().view(view).is_some()
    }

    fn serve(self: Arc<Self>, view: ViewName, call: Call) -> BoxFuture<Served> {
        if self.tools.faults.are_on() {
            return Box::pin(trunkline_upstream::faults::marked(crate::serve::serve(self, view, call)));
        }
        boxed(|| crate::serve::serve(self, view, call))
    }

    fn greet(self: Arc<Self>, view: ViewName) -> BoxFuture<Introduced> {
        Box::pin(async move {
            self.settled().await;
            let state = self.state.load();
            let view = state.view(&view).unwrap_or(&state.default.0);
            view.current.load().catalog.introduced.clone()
        })
    }

    fn subscribe(
        &self,
        view: &ViewName,
        caller: Option<&Arc<Caller>>,
        uri: &Text,
    ) -> Result<Box<dyn Subscription>, Fault> {
        let state = self.state.load();
        let view = state.view(view).ok_or_else(|| Fault::internal("the view has gone"))?;
        let now = view.current.load();
        let catalog = &now.catalog;
        if **uri == *status::URI && !catalog.transparent {
            return Ok(Box::new(Still));
        }
        let (number, original) = catalog.uris.route(uri).ok_or_else(|| Fault::resource_not_found(uri))?;
        let upstream = now.fleet.upstreams.get(number).ok_or_else(|| Fault::internal("dangling route"))?;
        let offers = upstream.offer();
        let able =
            offers.borrow().as_ref().is_some_and(|o| o.introduction.has_flag("resources", "subscribe"));
        if !able {
            let text = format!("the server \"{}\" does not offer resource subscriptions", upstream.name());
            return Err(Fault::client(Kind::UnknownMethod, text));
        }
        let original = Text::from(&*original);
        match caller.filter(|caller| upstream.keeps_own(caller)) {
            Some(caller) => Subscriptions::add_own(upstream, caller, &original),
            None => self.subscriptions.add(upstream, &original),
        }
    }

    fn watch_tasks(self: Arc<Self>, view: &ViewName, caller: &Arc<Caller>, ids: &[Text]) -> TaskWatch {
        let state = self.state.load();
        let Some(found) = state.view(view) else { return TaskWatch::none() };
        let now = found.current.load_full();
        tasks::watch(&self.tasks, view, &now, caller, ids, &self.tools.changes)
    }

    fn unparked(self: Arc<Self>) -> BoxFuture<()> {
        Box::pin(async move { self.parking.unparked().await })
    }

    fn roots_changed(&self, view: &ViewName, caller: &Arc<Caller>) {
        let (state, Some(stay)) = (self.state.load(), &caller.stay) else { return };
        let Some(view) = state.view(view) else { return };
        let now = view.current.load();
        for (number, _) in &now.catalog.servers {
            if let Some(upstream) = now.fleet.upstreams.get(*number) {
                upstream.roots_changed(stay.number());
            }
        }
    }

    fn changes(&self, view: &ViewName) -> Option<Changes> {
        let view = Arc::clone(self.state.load().view(view)?);
        let lists = view.lists.subscribe();
        let member = Arc::new(move |server: &str| {
            view.current.load().catalog.servers.iter().any(|(_, name)| **name == *server)
        });
        let tasks = Arc::clone(&self.tasks);
        let task_word = Arc::new(move |stay: u64, change: &Change| tasks.word(stay, change));
        Some(Changes { lists, events: Gateway::changes(self), member, task_word })
    }
}

/// A subscription to something that is told of in other ways.
struct Still;

impl Subscription for Still {
    fn concerns(&self, _change: &trunkline_model::Change) -> bool {
        false
    }
}
