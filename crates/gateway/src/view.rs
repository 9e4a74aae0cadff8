//! One view: a chosen set of upstreams under one path, and its current catalog.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use trunkline_model::ListKind;
use trunkline_observe::metrics::Metrics;
use trunkline_transport::front::host::{ListVersions, ViewName};

use crate::catalog::{Catalog, Cursors, Input, Source, build};
use crate::gateway::Fleet;
use crate::options::{Filter, Naming};

/// One view. Outlives reloads: its streams stay open while its members change.
pub(crate) struct View {
    pub(crate) name: ViewName,
    pub(crate) current: ArcSwap<Current>,
    pub(crate) cursors: Cursors,
    pub(crate) lists: watch::Sender<ListVersions>,
    /// Counts catalogs.
    pub(crate) built: watch::Sender<u64>,
}

/// A catalog together with the upstreams that its numbers mean.
pub(crate) struct Current {
    pub(crate) catalog: Catalog,
    pub(crate) fleet: Arc<Fleet>,
}

/// What the operator decided about a view.
#[derive(Clone, Debug)]
pub(crate) struct ViewPlan {
    pub(crate) name: ViewName,
    /// Numbers of its upstreams, in order.
    pub(crate) members: Vec<usize>,
    pub(crate) tools: Filter,
    pub(crate) instructions: Option<Arc<str>>,
}

impl View {
    pub(crate) fn new(name: ViewName, key: [u8; 32], metrics: &Metrics) -> Self {
        let cursors = Cursors::new(key);
        let nothing = Input {
            version: 0,
            naming: &Naming::default(),
            sources: &[],
            all: &[],
            tools: &Filter::default(),
            instructions: None,
            cursors: &cursors,
            metrics,
        };
        let fleet = Fleet {
            generation: 0,
            naming: Naming::default(),
            upstreams: Vec::new(),
            rules: Vec::new(),
            limits: None,
        };
        let current = ArcSwap::from_pointee(Current { catalog: build(&nothing), fleet: Arc::new(fleet) });
        Self { name, current, cursors, lists: watch::Sender::default(), built: watch::Sender::default() }
    }

    /// Makes the catalog anew and tells who listens what of it changed. Nobody is told of the first one.
    pub(crate) fn rebuild(&self, plan: &ViewPlan, fleet: &Arc<Fleet>, sources: &[Source], metrics: &Metrics) {
        let before = self.current.load_full();
        if fleet.generation < before.fleet.generation {
            // A keeper of the snapshot before, late.
            return;
        }
        let old = &before.catalog;
        let members: Vec<Source> = plan.members.iter().filter_map(|n| sources.get(*n)).cloned().collect();
        let new = build(&Input {
            version: old.version + 1,
            naming: &fleet.naming,
            sources: &members,
            all: sources,
            tools: &plan.tools,
            instructions: plan.instructions.as_ref(),
            cursors: &self.cursors,
            metrics,
        });
        let differs = |kind: ListKind| {
            old.shown[kind as usize] != new.shown[kind as usize]
                || old.announced[kind as usize] != new.announced[kind as usize]
        };
        let changed = [
            differs(ListKind::Tools),
            differs(ListKind::Prompts),
            differs(ListKind::Resources) || differs(ListKind::Templates),
        ];
        if self.name.is_none() {
            let gateway = metrics.gateway();
            gateway.set_catalog_version(new.version);
            use trunkline_observe::metrics::Kind;
            for (kind, list) in [
                (Kind::Tool, ListKind::Tools),
                (Kind::Prompt, ListKind::Prompts),
                (Kind::Resource, ListKind::Resources),
                (Kind::Template, ListKind::Templates),
            ] {
                gateway.set_catalog_items(kind, new.shown[list as usize].len());
            }
        }
        self.current.store(Arc::new(Current { catalog: new, fleet: Arc::clone(fleet) }));
        self.cursors.retire(old.version);
        self.built.send_modify(|count| *count += 1);
        if changed.contains(&true) {
            self.lists.send_modify(|versions| {
                versions.tools += u64::from(changed[0]);
                versions.prompts += u64::from(changed[1]);
                versions.resources += u64::from(changed[2]);
            });
        }
    }
}
