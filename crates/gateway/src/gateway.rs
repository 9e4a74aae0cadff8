//! What lives longer than a call: upstreams, views, and the snapshot that says which of them are in force.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use trunkline_model::Change;
use trunkline_observe::metrics::{MethodHandle, Metrics};
use trunkline_policy::limits::Limits;
use trunkline_protocol::method;
use trunkline_transport::front::host::ViewName;
use trunkline_upstream::faults::Faults;
use trunkline_upstream::{Tools, Upstream};

use crate::catalog::Source;
use crate::keeper;
use crate::options::{Naming, Options, ServerRules};
use crate::parking::Parking;
use crate::pressure;
use crate::reload::Leaving;
use crate::results::Results;
use crate::subscriptions::Subscriptions;
use crate::tasks::Tasks;
use crate::view::{View, ViewPlan};

/// How long lists and introductions wait for upstreams that are starting, once, at the start of the gateway.
const START_GRACE: Duration = Duration::from_secs(5);

/// The gateway: many upstreams behind one endpoint.
pub struct Gateway {
    pub(crate) tools: Tools,
    pub(crate) state: ArcSwap<State>,
    pub(crate) settled: watch::Sender<bool>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) parking: Arc<Parking>,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) results: Arc<Results>,
    /// The counters of methods, looked up once.
    pub(crate) methods: HashMap<&'static str, MethodHandle, foldhash::fast::RandomState>,
    pub(crate) key: [u8; 32],
    pub(crate) stop: CancellationToken,
    /// Ends the keeper of the snapshot in force.
    keeper: Mutex<CancellationToken>,
    pub(crate) reloading: tokio::sync::Mutex<()>,
    /// The upstreams that a reload has taken out of service.
    pub(crate) leaving: Arc<Leaving>,
}

/// The upstreams of one snapshot, numbered, and what the operator decided about each.
pub(crate) struct Fleet {
    /// Counts snapshots; a catalog made from an older one must not replace a newer.
    pub(crate) generation: u64,
    pub(crate) naming: Naming,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    pub(crate) rules: Vec<ServerRules>,
    /// How much callers may.
    pub(crate) limits: Option<Limits>,
}

impl Fleet {
    /// The upstreams as the catalog sees them now.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let one = |(number, upstream): (usize, &Arc<Upstream>)| Source {
            number,
            rules: self.rules[number].clone(),
            status: upstream.status().borrow().clone(),
            offer: upstream.offer().borrow().clone(),
            policies: upstream.policies(),
            circuit: upstream.circuit(),
            members: upstream.members(),
        };
        self.upstreams.iter().enumerate().map(one).collect()
    }
}

/// The snapshot in force.
pub(crate) struct State {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) default: (Arc<View>, ViewPlan),
    pub(crate) profiles: HashMap<Arc<str>, (Arc<View>, ViewPlan)>,
}

impl State {
    pub(crate) fn view(&self, name: &ViewName) -> Option<&Arc<View>> {
        match name {
            None => Some(&self.default.0),
            Some(name) => self.profiles.get(name).map(|(view, _)| view),
        }
    }

    /// Makes the catalogs of all views anew.
    pub(crate) fn rebuild(&self, metrics: &Metrics) {
        let sources = self.fleet.sources();
        for (view, plan) in std::iter::once(&self.default).chain(self.profiles.values()) {
            view.rebuild(plan, &self.fleet, &sources, metrics);
        }
    }
}

impl Gateway {
    /// Starts the gateway. The upstreams start in the background; see [`Gateway::settled`].
    pub fn start(options: Options, upstreams: Vec<trunkline_upstream::Options>, tools: Tools) -> Arc<Self> {
        let key = trunkline_runtime::random_key();
        let running: Vec<Arc<Upstream>> =
            upstreams.into_iter().map(|o| Arc::new(Upstream::start(o, tools.clone()))).collect();
        let subscriptions = Arc::<Subscriptions>::default();
        subscriptions.adopt(&running);
        let results = Results::new(options.results);
        let state = assemble(options, running, None, key, &tools);
        let methods = method::LABELS.iter().map(|label| (*label, tools.metrics.method(label))).collect();
        let gateway = Arc::new(Self {
            methods,
            state: ArcSwap::from_pointee(state),
            settled: watch::Sender::new(false),
            subscriptions,
            parking: Parking::new(&trunkline_runtime::random_key()),
            tasks: Tasks::new(&trunkline_runtime::random_key()),
            results,
            tools,
            key,
            stop: CancellationToken::new(),
            keeper: Mutex::new(CancellationToken::new()),
            reloading: tokio::sync::Mutex::new(()),
            leaving: Arc::default(),
        });
        gateway.keep();
        tokio::spawn(pressure::watch(Arc::clone(&gateway), gateway.stop.clone()));
        gateway
    }

    /// Whether memory is so tight that no new call is taken.
    pub fn is_tight(&self) -> bool {
        self.state.load().fleet.limits.as_ref().is_some_and(|limits| limits.pressure().is_tight())
    }

    /// Starts the keeper of the snapshot in force, ending the one before.
    pub(crate) fn keep(self: &Arc<Self>) {
        let token = self.stop.child_token();
        let old = {
            let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *keeper, token.clone())
        };
        old.cancel();
        tokio::spawn(keeper::run(Arc::clone(self), self.state.load_full(), START_GRACE, token));
    }

    /// Waits until every upstream has been tried once, or the start-up grace is over.
    pub async fn settled(&self) {
        // The sender lives in `self`, so the wait can only end well.
        let _ = self.settled.subscribe().wait_for(|settled| *settled).await;
    }

    /// What goes wrong on purpose.
    pub fn faults(&self) -> &Faults {
        &self.tools.faults
    }

    /// Stops every upstream; returns when nothing of them runs any more. Calls that still run end like those of a process that
    /// ended: what became of them is unknown, and their callers hear so.
    pub async fn stop(&self) {
        // At first those on their way, so that their callers need not wait for servers that take their time to stop; in the
        // end whatever was sent meanwhile. In between sessions are ended in order.
        self.tools.http.cut();
        self.stop.cancel();
        let state = self.state.load_full();
        let stopping = state.fleet.upstreams.iter().map(|upstream| upstream.stop());
        futures_util::future::join_all(stopping).await;
        self.leaving.ended().await;
        self.tools.http.close();
        // Their servers are gone, so each of them has ended or is about to.
        let parked = self.parking.count();
        if parked > 0 {
            tracing::warn!(parked, "calls that waited for their users were given up");
        }
        self.parking.ended().await;
        self.tasks.ended().await;
    }

    /// The upstreams: number, rules, state and offer of each, in configuration order.
    pub fn sources(&self) -> Vec<Source> {
        self.state.load().fleet.sources()
    }

    /// Everything that changes outside of calls.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.tools.changes.subscribe()
    }
}

pub(crate) fn assemble(
    options: Options,
    upstreams: Vec<Arc<Upstream>>,
    old: Option<&State>,
    key: [u8; 32],
    tools: &Tools,
) -> State {
    let rules: Vec<ServerRules> = upstreams
        .iter()
        .map(|upstream| {
            let found = options.servers.iter().find(|rules| rules.server == *upstream.name());
            found.cloned().unwrap_or_else(|| ServerRules::new(Arc::clone(upstream.name())))
        })
        .collect();
    let view = |name: ViewName| -> Arc<View> {
        let before = old.and_then(|old| old.view(&name));
        before.cloned().unwrap_or_else(|| Arc::new(View::new(name, key, &tools.metrics)))
    };
    let default = ViewPlan {
        name: None,
        members: (0..upstreams.len()).collect(),
        tools: crate::options::Filter::default(),
        instructions: options.instructions.clone(),
    };
    let profiles = options.profiles.iter().map(|profile| {
        let number = |name: &Arc<str>| upstreams.iter().position(|u| u.name() == name);
        let plan = ViewPlan {
            name: Some(Arc::clone(&profile.name)),
            members: profile.servers.iter().filter_map(number).collect(),
            tools: profile.tools.clone(),
            instructions: profile.instructions.clone().or_else(|| options.instructions.clone()),
        };
        (Arc::clone(&profile.name), (view(plan.name.clone()), plan))
    });
    let profiles = profiles.collect();
    let generation = old.map_or(1, |old| old.fleet.generation + 1);
    let servers: Vec<Arc<str>> = upstreams.iter().map(|upstream| Arc::clone(upstream.name())).collect();
    let before = old.and_then(|old| old.fleet.limits.as_ref());
    let limits = options.limits.map(|limits| Limits::new(&limits, &servers, before, &tools.metrics));
    let fleet = Fleet { generation, naming: options.naming, upstreams, rules, limits };
    State { fleet: Arc::new(fleet), default: (view(None), default), profiles }
}
