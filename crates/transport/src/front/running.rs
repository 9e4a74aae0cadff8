//! The requests of one client that run now, by their ids, so that each can be cancelled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use trunkline_model::{Fault, Kind};
use trunkline_protocol::{Scanned, Shape, method};

/// Most requests of one client that run at a time.
pub(crate) const RUNNING_MAX: usize = 1024;

/// The running requests of a legacy session or of a pipe.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<Tokens>);

/// By the client's ids. It chooses them, but can only slow itself down: the table is its own and bounded.
type Tokens = HashMap<Bytes, CancellationToken, foldhash::fast::RandomState>;

impl Running {
    fn lock(&self) -> MutexGuard<'_, Tokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request as running until the entry is dropped; `over` cancels it too.
    ///
    /// # Errors
    /// When one with its id runs already, which then goes on, or when too many run.
    pub(crate) fn begin(self: &Arc<Self>, id: &[u8], over: &CancellationToken) -> Result<Entry, Fault> {
        let mut running = self.lock();
        if running.len() >= RUNNING_MAX {
            return Err(Fault::overloaded("too many requests of this client are running; try again later"));
        }
        if running.contains_key(id) {
            return Err(Fault::client(Kind::InvalidRequest, "a request with this id is still running"));
        }
        // Copied: the key would keep the whole message alive.
        let id = Bytes::copy_from_slice(id);
        let token = over.child_token();
        running.insert(id.clone(), token.clone());
        drop(running);
        Ok(Entry { running: Arc::clone(self), id, token })
    }

    /// Cancels the request that a `notifications/cancelled` names; everything else is nothing to us.
    pub(crate) fn hear(&self, scanned: &Scanned) {
        if scanned.shape == Shape::Notification && &*scanned.method() == method::CANCELLED {
            let id = scanned.params.request_id.as_ref().map(|span| scanned.at(span));
            if let Some(token) = id.and_then(|id| self.lock().get(id).cloned()) {
                token.cancel();
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

/// One running request. Its end, a panic included, takes it off the list.
#[derive(Debug)]
pub(crate) struct Entry {
    running: Arc<Running>,
    id: Bytes,
    /// Cancelled when the client takes the request back, or goes.
    pub(crate) token: CancellationToken,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_protocol::scan;

    #[test]
    fn a_running_id_is_refused_and_free_again_afterwards() {
        let (running, over) = (Arc::<Running>::default(), CancellationToken::new());
        let entry = running.begin(b"1", &over).unwrap();
        assert!(running.begin(b"1", &over).is_err());
        assert!(!entry.token.is_cancelled(), "the one that runs goes on");
        drop(entry);
        assert!(running.is_empty());
        assert!(running.begin(b"1", &over).is_ok());
    }

    #[test]
    fn an_entry_does_not_outlive_a_panic() {
        let (running, over) = (Arc::<Running>::default(), CancellationToken::new());
        let held = running.begin(b"1", &over).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _held = held;
            panic!("a call that panics");
        }));
        assert!(panicked.is_err());
        assert!(running.is_empty());
    }

    #[test]
    fn a_cancellation_reaches_the_request_it_names_and_no_other() {
        let (running, over) = (Arc::<Running>::default(), CancellationToken::new());
        let (one, two) = (running.begin(b"1", &over).unwrap(), running.begin(b"\"1\"", &over).unwrap());
        let text = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
        running.hear(&scan(Bytes::from_static(text.as_bytes())).unwrap());
        assert!(one.token.is_cancelled());
        assert!(!two.token.is_cancelled());
    }

    #[test]
    fn requests_at_a_time_are_bounded() {
        let (running, over) = (Arc::<Running>::default(), CancellationToken::new());
        let held: Vec<_> =
            (0..RUNNING_MAX).map(|n| running.begin(n.to_string().as_bytes(), &over).unwrap()).collect();
        assert!(running.begin(b"more", &over).is_err());
        drop(held);
        assert!(running.begin(b"more", &over).is_ok());
    }
}
