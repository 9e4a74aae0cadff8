//! Which resources somebody wants to hear about, counted per upstream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use trunkline_model::{Change, Text};
use trunkline_transport::front::host::Subscription;
use trunkline_upstream::Upstream;

/// The counted wishes of all clients.
#[derive(Default)]
pub(crate) struct Subscriptions {
    wanted: Mutex<BTreeMap<Arc<str>, BTreeMap<Text, usize>>>,
}

impl Subscriptions {
    /// One more wish for `uri` (the upstream's own spelling).
    pub(crate) fn add(self: &Arc<Self>, upstream: &Arc<Upstream>, uri: &Text) -> Box<dyn Subscription> {
        self.count(upstream, uri, true);
        Box::new(Wish {
            all: Arc::clone(self),
            upstream: Arc::downgrade(upstream),
            server: Arc::clone(upstream.name()),
            uri: uri.clone(),
        })
    }

    fn count(&self, upstream: &Upstream, uri: &Text, more: bool) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let of_server = wanted.entry(Arc::clone(upstream.name())).or_default();
        let count = of_server.entry(uri.clone()).or_insert(0);
        *count = if more { *count + 1 } else { count.saturating_sub(1) };
        if *count == 0 {
            of_server.remove(uri);
        }
        upstream.want(of_server.keys().cloned());
    }
}

struct Wish {
    all: Arc<Subscriptions>,
    upstream: Weak<Upstream>,
    server: Arc<str>,
    uri: Text,
}

impl Subscription for Wish {
    fn concerns(&self, change: &Change) -> bool {
        match change {
            Change::ResourceUpdated { server, uri } => *server == self.server && *uri == self.uri,
            Change::ResourcesUnsure { server } => *server == self.server,
            Change::Logged { .. } => false,
        }
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        if let Some(upstream) = self.upstream.upgrade() {
            self.all.count(&upstream, &self.uri, false);
        }
    }
}
