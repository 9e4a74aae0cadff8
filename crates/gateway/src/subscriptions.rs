//! Which resources somebody wants to hear about, counted per upstream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use trunkline_model::{Caller, Change, Fault, Text};
use trunkline_transport::front::host::Subscription;
use trunkline_upstream::Upstream;

/// Most different resources of one upstream that are watched at a time, whoever watches them: each is a request to the
/// server, and all of them go into one filter.
const WATCHED_MAX: usize = 8192;

/// The counted wishes of all clients, by the upstream's name: a server that a reload replaced is the same server to
/// those who watch its resources.
#[derive(Default)]
pub(crate) struct Subscriptions {
    servers: Mutex<BTreeMap<Arc<str>, Watched>>,
}

#[derive(Default)]
struct Watched {
    upstream: Weak<Upstream>,
    counts: BTreeMap<Text, usize>,
}

impl Subscriptions {
    /// Takes the upstreams in force, and tells new ones what is wanted of them.
    pub(crate) fn adopt(&self, upstreams: &[Arc<Upstream>]) {
        let mut servers = self.lock();
        for upstream in upstreams {
            let watched = servers.entry(Arc::clone(upstream.name())).or_default();
            watched.upstream = Arc::downgrade(upstream);
            upstream.want(watched.counts.keys().cloned());
        }
    }

    /// One more wish for `uri` (the upstream's own spelling).
    ///
    /// # Errors
    /// When too many resources of that upstream are watched already.
    pub(crate) fn add(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        uri: &Text,
    ) -> Result<Box<dyn Subscription>, Fault> {
        let server = Arc::clone(upstream.name());
        {
            let mut servers = self.lock();
            let watched = servers.entry(Arc::clone(&server)).or_default();
            if watched.counts.len() >= WATCHED_MAX && !watched.counts.contains_key(uri) {
                return Err(Fault::overloaded("too many resources of this server are watched already"));
            }
            let count = watched.counts.entry(uri.clone()).or_insert(0);
            *count += 1;
            // Only the first wish changes what the server must be asked.
            if *count == 1 {
                upstream.want_changed(|wanted| wanted.insert(uri.clone()));
            }
        }
        Ok(Box::new(Wish { all: Arc::clone(self), server, uri: uri.clone() }))
    }

    /// A wish of a client that has a session of its own with the server: it hears what is said to that session.
    ///
    /// # Errors
    /// When the client has no session of its own.
    pub(crate) fn add_own(
        upstream: &Arc<Upstream>,
        caller: &Arc<Caller>,
        uri: &Text,
    ) -> Result<Box<dyn Subscription>, Fault> {
        let stay = caller.stay.as_ref().ok_or_else(|| Fault::internal("a wish of nobody"))?.number();
        upstream.want_own(caller, uri, true);
        let (server, upstream, caller) =
            (Arc::clone(upstream.name()), Arc::downgrade(upstream), Arc::downgrade(caller));
        Ok(Box::new(OwnWish { server, upstream, caller, stay, uri: uri.clone() }))
    }

    fn remove(&self, server: &Arc<str>, uri: &Text) {
        let mut servers = self.lock();
        let Some(watched) = servers.get_mut(server) else { return };
        let Some(count) = watched.counts.get_mut(uri) else { return };
        *count -= 1;
        if *count == 0 {
            watched.counts.remove(uri);
            if let Some(upstream) = watched.upstream.upgrade() {
                upstream.want_changed(|wanted| wanted.remove(uri));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Watched>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Wish {
    all: Arc<Subscriptions>,
    server: Arc<str>,
    uri: Text,
}

impl Subscription for Wish {
    fn concerns(&self, change: &Change) -> bool {
        match change {
            Change::ResourceUpdated { server, uri, to: None } => *server == self.server && *uri == self.uri,
            Change::ResourceUpdated { to: Some(_), .. } => false,
            Change::ResourcesUnsure { server } => *server == self.server,
            Change::Logged { .. } | Change::TaskChanged { .. } => false,
        }
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        self.all.remove(&self.server, &self.uri);
    }
}

/// A wish on a session of the client's own.
struct OwnWish {
    server: Arc<str>,
    upstream: Weak<Upstream>,
    caller: Weak<Caller>,
    stay: u64,
    uri: Text,
}

impl Subscription for OwnWish {
    fn concerns(&self, change: &Change) -> bool {
        match change {
            Change::ResourceUpdated { server, uri, to } => {
                *to == Some(self.stay) && *server == self.server && *uri == self.uri
            }
            Change::ResourcesUnsure { server } => *server == self.server,
            Change::Logged { .. } | Change::TaskChanged { .. } => false,
        }
    }
}

impl Drop for OwnWish {
    fn drop(&mut self) {
        // With the client its session goes, and the wishes on it.
        if let (Some(upstream), Some(caller)) = (self.upstream.upgrade(), self.caller.upgrade()) {
            upstream.want_own(&caller, &self.uri, false);
        }
    }
}
